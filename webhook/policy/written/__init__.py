"""Policies as people write them: the models of the policy kinds, and what the API server refuses of them."""
