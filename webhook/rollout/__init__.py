"""Roll-out by evidence: from saved reports, audit logs and recordings, the next step of each binding and a baseline of
exceptions, as changes of the policy tree. Knows nothing of the command line, and writes no file.
"""
