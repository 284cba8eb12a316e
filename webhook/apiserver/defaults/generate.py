"""Generates the tables of defaults of the built-in kinds, from Kubernetes' own defaulting code.

    cd tests/apiserver/kubernetes
    go run . defaulters ../../../webhook/schema/kubernetes/index.json | python -m webhook.apiserver.defaults.generate

The program reads the generated defaulting functions of the module k8s.io/kubernetes that its go.mod names. The kinds
are those of the shipped schemas: generate these first (webhook.schema.generate), of the same release. A hand-written
function that the tables name and this room does not have is an error.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from webhook.apiserver.defaults.defaulting import FOLDER, function_of
from webhook.schema import shipped


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m webhook.apiserver.defaults.generate", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--to", metavar="DIR", type=Path, default=FOLDER, help="where to write (default: the package)")
    options = parser.parse_args(arguments)
    try:
        tables = json.load(sys.stdin)
        files = generated(tables)
        missing = unknown_functions(tables)
    except (ValueError, AttributeError, TypeError) as error:
        print(f"error: expected the output of `go run . defaulters INDEX` on stdin: {error!r}", file=sys.stderr)
        return 2
    options.to.mkdir(parents=True, exist_ok=True)
    for old in options.to.glob("*.json"):
        old.unlink()
    for name, text in files.items():
        (options.to / name).write_text(text, encoding="utf-8")
    print(f"wrote {len(files)} files to {options.to}")
    for name in missing:
        print(f"error: {name} is in no module of webhook/apiserver/defaults: write it", file=sys.stderr)
    return 1 if missing else 0


def generated(tables: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The files, name → text: for each package, type → what is done to its values, of the types of served kinds."""
    used = _reachable(tables)
    files = {}
    for package, types in sorted(tables.items()):
        rows = {name: _row(row, package) for name, row in types.items() if f"{package}.{name}" in used}
        if rows:
            files[f"{package}.json"] = _text(rows)
    return files


def unknown_functions(tables: dict[str, dict[str, Any]]) -> list[str]:
    """The functions that types of served kinds need and this room does not have."""
    used = _reachable(tables)
    missing: set[str] = set()
    for package, types in tables.items():
        for name, row in types.items():
            if f"{package}.{name}" in used:
                missing.update(each for each in row.get("run", ()) if function_of(each) is None)
    return sorted(missing)


def _reachable(tables: dict[str, dict[str, Any]]) -> set[str]:
    found: set[str] = set()
    ahead = [name for kinds in shipped.index()["kinds"].values() for name in kinds.values()]
    while ahead:
        name = ahead.pop()
        package, _, short = name.rpartition(".")
        row = tables.get(package, {}).get(short)
        if row is not None and name not in found:
            found.add(name)
            ahead += [into.partition(" ")[2] for into in row.get("into", {}).values()]
    return found


def _row(row: dict[str, Any], package: str) -> dict[str, Any]:
    """The row, without the package of the types that are its own."""
    own = f" {package}."
    into = {
        field: f"{written.partition(own)[0]} {written.rpartition('.')[2]}" if own in written else written
        for field, written in row.get("into", {}).items()
    }
    return {key: value for key, value in {**row, "into": into}.items() if value}


def _text(rows: dict[str, Any]) -> str:
    """JSON with one type a line, so that differences between releases are readable."""
    lines = (
        f"{json.dumps(name)}:{json.dumps(row, sort_keys=True, separators=(',', ':'))}"
        for name, row in sorted(rows.items())
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    sys.exit(main())
