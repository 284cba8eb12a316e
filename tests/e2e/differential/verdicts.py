"""The result of a request, natively and through the webhook, in terms that both share."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from tests.e2e.apiserver import Reply
from webhook.admission.replying import REVISION

# What stands before a policy's own text: the API server's own words, or the webhook's.
_PREFIX = re.compile(r'(?:[^ ]+ "[^"]*" is forbidden: |admission webhook "[^"]*" denied the request: )(?=Validating)')
_FAILURES = "validation.policy.admission.k8s.io/validation_failure"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`annotations` are by POLICY.KEY, as the webhook writes them; `failures` what the audit log lists of Audit."""

    status: int
    reason: str
    message: str
    details: dict[str, str]
    warnings: tuple[str, ...]
    annotations: dict[str, str]
    failures: list[Any]

    @property
    def outcome(self) -> str:
        """What policies made of the request, the gravest first: deny, warn, audit or allow."""
        if self.message.startswith("ValidatingAdmissionPolicy "):
            return "deny"
        if any(each.startswith("Validation failed for ValidatingAdmissionPolicy ") for each in self.warnings):
            return "warn"
        return "audit" if self.failures else "allow"

    @property
    def told(self) -> str:
        """All that it says to people, and to the audit log."""
        noted = (str(each["message"]) for each in self.failures)
        return "\n".join((self.message, *self.warnings, *self.annotations.values(), *noted))

    def difference(self, other: Verdict) -> dict[str, tuple[Any, Any]]:
        """Each field that differs: what this one has, and what the other."""
        return {
            each.name: (mine, theirs)
            for each in fields(self)
            if (mine := getattr(self, each.name)) != (theirs := getattr(other, each.name))
        }


def native(reply: Reply, audit: dict[str, str], policies: Iterable[str]) -> Verdict:
    """Of the API server's own policies."""
    found = {
        webhook_key(policy, key.removeprefix(f"{policy}/")): value
        for key, value in audit.items()
        for policy in policies
        if key.startswith(f"{policy}/")
    }
    return _verdict(reply, found, json.loads(audit.get(_FAILURES, "[]")))


def webhooks(reply: Reply, audit: dict[str, str], names: Iterable[str]) -> Verdict:
    """Of our webhooks of these names."""
    found: dict[str, str] = {}
    failures: list[Any] = []
    for name in names:
        for key, value in audit.items():
            if key == f"{name}/validation_failure":
                failures += json.loads(value)
            elif key.startswith(f"{name}/") and key != f"{name}/{REVISION}":  # the API server has no revision
                found[key.removeprefix(f"{name}/")] = value
    return _verdict(reply, found, failures)


def _verdict(reply: Reply, annotations: dict[str, str], failures: list[Any]) -> Verdict:
    details = reply.body.get("details") or {} if isinstance(reply.body, dict) and not reply.ok else {}
    return Verdict(
        status=reply.status,
        reason=reply.reason,
        message=_PREFIX.sub("", reply.message, count=1),
        details={key: details[key] for key in ("name", "group", "kind") if key in details},
        warnings=reply.warnings,
        annotations=annotations,
        failures=sorted(failures, key=json.dumps),
    )


def webhook_key(policy: str, key: str) -> str:
    """The key of an audit annotation as we send it: 63 characters at most, which is all that the API server takes."""
    name = f"{policy}.{key}"
    return name if len(name) <= 63 else f"{name[:52]}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"
