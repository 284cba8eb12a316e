"""The applications of the HTTPS port: reviews and audit events, which review is next, and what watches one.

answering.Reviews is the path of a review, and imports nothing that it does not need.
"""
