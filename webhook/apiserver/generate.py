"""Generates the tables of Go types of the built-in kinds, from what Kubernetes' own scheme has.

    cd tests/apiserver/kubernetes
    go run . types ../../../webhook/schema/kubernetes/index.json | python -m webhook.apiserver.generate

The program reflects over the types of the module k8s.io/kubernetes that its go.mod names. The kinds are those of the
shipped schemas: generate these first (webhook.schema.generate), of the same release.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from webhook.apiserver.gotypes import FOLDER

_OPTIONS: Final = ("name", "type", "flags", "path")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m webhook.apiserver.generate", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--to", metavar="DIR", type=Path, default=FOLDER, help="where to write (default: the package)")
    options = parser.parse_args(arguments)
    try:
        files = generated(json.load(sys.stdin))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"error: expected the output of `go run . types INDEX` on stdin: {error!r}", file=sys.stderr)
        return 2
    options.to.mkdir(parents=True, exist_ok=True)
    for old in options.to.glob("*.json"):
        old.unlink()
    for name, text in files.items():
        (options.to / name).write_text(text, encoding="utf-8")
    print(f"wrote {len(files)} files to {options.to}")
    return 0


def generated(tables: dict[str, Any]) -> dict[str, str]:
    """The files, name → text: for each package, struct → its fields as [name, type, flags, embedded]."""
    packages: dict[str, dict[str, list[list[str]]]] = {}
    for struct, fields in tables["structs"].items():
        package, _, name = struct.rpartition(".")
        packages.setdefault(package, {})[name] = [_row(field, package) for field in fields]
    return {f"{package}.json": _text(structs) for package, structs in sorted(packages.items())}


def _row(field: dict[str, str], package: str) -> list[str]:
    """The parts of a field; empty ones at the end are left out, and so is the package of its own structs."""
    row = [field.get(option, "") for option in _OPTIONS]
    own = f"@{package}."
    if own in row[1] and "." not in row[1].rpartition(own)[2]:
        row[1] = row[1].replace(own, "@")
    while len(row) > 2 and not row[-1]:
        row.pop()
    return row


def _text(structs: dict[str, Any]) -> str:
    """JSON with one struct a line, so that diffs between releases are readable."""
    lines = (f"{json.dumps(name)}:{json.dumps(rows, separators=(',', ':'))}" for name, rows in sorted(structs.items()))
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    sys.exit(main())
