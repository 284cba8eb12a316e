"""Small libraries of policies, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.policy import trees

ABOUT = {
    "kubernetes.io/description": "All is well.",
    "gatewright.dev/title": "Well",
    "gatewright.dev/category": "images",
    "gatewright.dev/severity": "medium",
    "gatewright.dev/rationale": "It is better.",
    "gatewright.dev/remediation": "Mend it.",
}


def bindings(name: str, *actions: str) -> str:
    bound = trees.binding(name, name=name)
    bound["spec"]["validationActions"] = list(actions)
    return yaml.safe_dump(bound)


def add(library: Path, name: str, **about: str) -> Path:
    """A validating policy in CEL with all bindings. about: annotations below gatewright.dev/, `_` for `-`."""
    given = {f"gatewright.dev/{key.replace('_', '-')}": value for key, value in about.items()}
    policy: dict[str, Any] = trees.policy(name)
    policy["metadata"]["annotations"] = {**ABOUT, **given}
    folder = library / name
    folder.mkdir(parents=True)
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy))
    for variant, actions in {"deny": ["Deny"], "warn": ["Warn", "Audit"], "audit": ["Audit"]}.items():
        (folder / f"_binding.{variant}.yaml").write_text(bindings(name, *actions))
    (folder / "README.md").write_text(f"# {name}\n\nRead \x1b[31mthis.\n")
    return folder


def mutating(library: Path, name: str) -> Path:
    """A policy in Python that only changes objects."""
    folder = library / name
    folder.mkdir(parents=True)
    about = {**ABOUT, "gatewright.dev/category": "mutation", "gatewright.dev/controls": "PCI-DSS 2.2.6"}
    function = name.replace("-", "_")
    (folder / "policy.py").write_text(
        "from gatewright import mutate\n\n\n"
        f"@mutate(resources=['v1/pods'], annotations={about!r})\ndef {function}(request):\n    return None\n"
    )
    bound = {**trees.binding(name, name=name), "kind": "MutatingAdmissionPolicyBinding", "spec": {"policyName": name}}
    (folder / "_binding.mutate.yaml").write_text(yaml.safe_dump(bound))
    return folder


def small(library: Path) -> Path:
    """A library of four."""
    add(library, "pinned-images", controls="PCI-DSS 6.3.3\nCIS 5.5.1", severity="high")
    add(library, "known-images", controls="CIS 5.5.10", severity="critical")
    add(library, "no-tokens", category="access", controls="CIS 5.1.6")
    mutating(library, "label-pods")
    return library
