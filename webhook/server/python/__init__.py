"""How the server runs policies in Python: in which process, in which turn, and for how long.

What such a policy is and may do is the subject of webhook.policy.python.
"""
