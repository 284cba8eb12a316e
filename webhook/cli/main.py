"""The command `gatewright`: the steps before anything else is imported."""

from __future__ import annotations

import gc
import os
import sys

from webhook import lazypatterns
from webhook.cli.streams import ensure


def main() -> None:
    """The entry point. Wrong usage exits with 2, as do all failures of the run itself."""
    # Importing makes many objects that stay. By Python's thresholds, garbage would be looked for among them again and
    # again. The server sets thresholds of its own.
    gc.set_threshold(100_000, 20, 100)
    ensure()
    # pydantic would read the metadata of every package that is installed, to find plugins of its own.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    lazypatterns.imported("platform", "textwrap", "tokenize", "gettext")  # for typer
    from webhook.cli.commands import COMPLETE, app

    if COMPLETE in os.environ:  # the script of --completion asks for completions
        from typer._completion_classes import completion_init

        completion_init()
    if hasattr(sys.stdout, "reconfigure"):
        # Text from a policy or a file may contain characters that the terminal's encoding lacks: escape them.
        sys.stdout.reconfigure(errors="backslashreplace")
    app()


if __name__ == "__main__":
    main()
