"""What a policy is: how it is written and loaded, what it matches, and its evaluation in CEL and in Python.

Here at the top: requests, matching, what an evaluation gives, and the indexed set of policies. Nothing here knows of
files but load/, and nothing knows of HTTP.
"""
