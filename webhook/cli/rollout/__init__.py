"""The input and output of `rollout` and `exceptions`; webhook.rollout decides."""
