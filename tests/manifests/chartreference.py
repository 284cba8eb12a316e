"""Writes the table of the chart's values in docs/operations/helm.md anew from values.schema.json (`make docs`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.manifests.charts import DEFAULTS, SCHEMA
from tests.manifests.kustomize import ROOT

PAGE = ROOT / "docs" / "operations" / "helm.md"
_BEGIN, _END = "<!-- values: written by `make docs` -->\n", "<!-- end of values -->\n"


def written() -> str:
    """The page, with the table as the schema has it."""
    text = PAGE.read_text()
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    table = "| value | default | |\n|---|---|---|\n" + "".join(_rows(SCHEMA, DEFAULTS, ""))
    return f"{before}{_BEGIN}\n{table}\n{_END}{after}"


def _rows(schema: Mapping[str, Any], defaults: Any, path: str) -> Iterator[str]:
    for name, each in schema["properties"].items():
        default = defaults.get(name) if isinstance(defaults, dict) else None
        if name == "settings":
            names = ", ".join(f"`{setting}`" for setting in each["properties"])
            yield _row(path + name, default, f"{each['description']} They are {names}.")
        elif "properties" in each:
            yield from _rows(each, default, f"{path}{name}.")
        else:
            yield _row(path + name, default, each["description"])


def _row(path: str, default: Any, description: str) -> str:
    shown = "" if default in (None, "", [], {}) else f"`{json.dumps(default).strip(chr(34))}`"
    choices = description.replace("|", "\\|")
    return f"| `{path}` | {shown} | {choices} |\n"


if __name__ == "__main__":
    PAGE.write_text(written())
