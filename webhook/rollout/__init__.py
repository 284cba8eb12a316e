"""Roll-out by evidence. From saved reports, audit logs and recordings it derives the next step of each binding and a
baseline of exceptions, as changes of the policy tree. It does not depend on the command line, and writes no file.
"""
