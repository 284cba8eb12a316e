"""Recorded reviews: what `serve --record` writes, how Secrets are taken out of it, and reading and replaying it.

The server hands each review to the process of `writing.py`, which redacts it before anything is written
(docs/decisions/038-recording.md). `reading.py` reads the files for `replay` and for whoever needs real reviews.
"""
