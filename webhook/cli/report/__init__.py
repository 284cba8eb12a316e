"""The reports of the commands: what each command found becomes a `Report` (`model`), which each format reads alone.

One module a command makes the Report, one module a format writes it, and `writing` has the list of formats. `explain`
has formats of its own.
"""
