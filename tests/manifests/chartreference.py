"""Writes what follows from elsewhere of the chart's documentation anew (`make docs`).

The names of the server's settings go into values.schema.json, and the table of values in docs/operations/helm.md comes
from there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.manifests.charts import CHART, DEFAULTS
from tests.manifests.kustomize import ROOT
from webhook.server.settings import Settings

SCHEMA_FILE = CHART / "values.schema.json"
OWN = {
    "policies", "port", "plain_port", "tls_cert", "tls_key", "tls_name", "client_ca", "client_name", "cluster",
    "kubeconfig", "webhook_configuration", "bundle_cache", "verify_key", "registry_ca", "record",
}  # fmt: skip
"""Settings that the chart itself sets, or that make no sense in a Pod."""
PAGE = ROOT / "docs" / "operations" / "helm.md"
_BEGIN, _END = "<!-- values: written by `make docs` -->\n", "<!-- end of values -->\n"


def schema() -> str:
    """The schema, with the settings of the server."""
    found = json.loads(SCHEMA_FILE.read_text())
    names = [name for name in Settings.model_fields if name not in OWN]
    found["properties"]["settings"]["properties"] = {name: {"type": ["string", "number", "boolean"]} for name in names}
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def page() -> str:
    """The page, with the table as the schema has it."""
    text = PAGE.read_text()
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    table = "| value | default | |\n|---|---|---|\n" + "".join(_rows(json.loads(SCHEMA_FILE.read_text()), DEFAULTS, ""))
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
    SCHEMA_FILE.write_text(schema())
    PAGE.write_text(page())
