"""The reports of `check`, `explain` and `test`: one module a command and format, over what these modules share."""
