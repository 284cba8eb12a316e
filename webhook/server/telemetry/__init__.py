"""What the server reports of itself and of reviews: the log, metrics, recordings, recent findings; traces/ has spans.

Nothing here decides anything, or waits for a reader.
"""
