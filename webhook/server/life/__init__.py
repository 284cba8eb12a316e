"""How the server starts, runs in one process or in several, and ends.

process loads everything that the settings name (starting), and serves (lifecycle); workers starts and restarts the
processes of `--workers`, and gathering asks them for their state and their metrics.
"""
