"""The library in force in a control plane, run by the API server itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.e2e.controlplane import ControlPlane
from tests.e2e.objects import namespace
from tests.e2e.probing import PROBE, PROBES, probe
from tests.e2e.webhooks import POLICIES, until_seen
from webhook.library import catalog


def enforce(cluster: ControlPlane) -> None:
    """Put every policy in CEL in force: with Deny, or changing objects."""
    cluster.apply(namespace("gatewright-system"))
    everything: list[Any] = []
    for entry in catalog.entries(POLICIES):
        if entry.language != "CEL":
            continue
        if params := _read(entry.folder / catalog.PARAMS):
            cluster.apply(*params)
        bound = catalog.binding(entry.folder, "deny" if entry.validating else "mutate")
        everything += _read(entry.folder / "policy.yaml") + (_read(bound) if bound else [])
    cluster.apply(*everything, *probe())
    # Nothing is created in default then.
    until_seen(cluster.client(), "POST", PROBES.replace("default", "gatewright-system"), PROBE, 422)


def _read(file: Path) -> list[Any]:
    return list(yaml.safe_load_all(file.read_text())) if file.exists() else []
