"""Roll-out by evidence: what saved reports and audit logs say of bindings and exceptions, and the change of the tree
that follows: a binding's next step, a baseline of exceptions. Knows nothing of the command line, and writes no file.
"""
