"""The reports of `check`: one file an output format."""
