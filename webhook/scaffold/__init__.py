"""New policies: the files that `gatewright new policy` writes, from templates."""
