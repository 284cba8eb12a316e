"""One review: an AdmissionReview to a request, the request to a decision by the policies, the decision to a reply.

What a policy is stands in webhook.policy, how a review arrives in webhook.server. Nothing here reads files or sockets.
"""
