"""The command `gatewright`: one module a subcommand, and report/ with one module an output format.

A subcommand reads its arguments, calls the room that does the work, and prints a report. It decides nothing itself.
"""
