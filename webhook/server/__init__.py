"""The webhook server: its ports, TLS, reload, workers, metrics and log.

It passes the bytes of a review to webhook.admission and sends the answer back; it decides nothing itself.
"""
