"""The command `gatewright`: one module per subcommand, and report/ with the output formats.

A subcommand reads its arguments, calls the package that does the work, and prints a report. It decides nothing itself.
"""
