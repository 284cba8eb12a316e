"""The processes that run policies apart from the server.

The server starts a host (host.py), which imports what policies need, once, and forks runners (runner.py). A runner is
given one policy and one request at a time over a socket; the kernel ends it at the deadline. Neither has the server's
memory, keys, sockets or environment.
"""
