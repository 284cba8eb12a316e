"""What the server itself does with the API server: the live view that policies have, Events, registered webhooks."""
