"""What an evaluation costs in the API server, and what an evaluation may use here."""
