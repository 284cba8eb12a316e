"""Findings for reports."""

from __future__ import annotations

from tests.cli.report.reports import finding
from webhook.cli.report.model import Finding, Rule
from webhook.offline.requests import Identity

RULES = {
    "no-host-path": Rule("no-host-path", "ValidatingAdmissionPolicy", severity="high", category="pod-security"),
    "labels": Rule("labels", "ValidatingAdmissionPolicy", severity="low"),
}


def on(name: str, rule: str = "no-host-path", namespace: str = "shop", **fields: object) -> Finding:
    made = {"object": Identity("v1", "Pod", namespace, name), "message": f"{name} is wrong", **fields}
    return finding(rule=rule, policy=rule, **made)
