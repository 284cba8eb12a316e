"""The application of the plain port: health, metrics, /policies, /-/reload and /debug, and how often they are answered.

It serves no reviews. /page has a package of its own, webhook.server.page.
"""
