"""The webhook server: its ports, TLS, reload, workers, metrics and log.

It hands the bytes of a review to webhook.admission and sends back what that answers; it decides nothing itself.
"""
