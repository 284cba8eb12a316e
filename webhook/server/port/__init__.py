"""HTTP/1.1 over TLS: sockets, connections, the protocol and its bounds, certificates.

Nothing here knows what a review is: an application of exchange.Application answers requests.
"""
