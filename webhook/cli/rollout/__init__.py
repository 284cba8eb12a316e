"""What `rollout` and `exceptions` read and print; webhook.rollout decides."""
