"""What already runs: the objects of a cluster, read a page at a time and judged as if they were created now.

Everything between a cluster and the verdicts on its objects belongs here: which kinds are listed, pages, retries, the
requests that stand for stored objects, and whose a finding on a controller's object is. Nothing is written to a
cluster, and nothing is watched. How findings are shown, and where they are sent, is the command's part.
"""
