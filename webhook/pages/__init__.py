"""What the pages of HTML share, that of `-o html` and that of the server: the style, the script that shows findings,
and how a page allows its own style and script and nothing else."""
