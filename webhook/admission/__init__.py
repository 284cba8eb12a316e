"""One review: AdmissionReview → Request → Decision → AdmissionReview.

webhook.policy defines policies; webhook.server receives reviews. Nothing here reads files or sockets.
"""
