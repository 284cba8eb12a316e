"""What registered webhooks send, and what policies need of it: a policy that is loaded and not asked enforces nothing.

Rules are compared, and no selectors and conditions: these restrict requests in ways that an operator chose
(exempt namespaces), or that follow from the policies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from webhook.policy.evaluation import FailurePolicy
from webhook.policy.policyset import PolicySet
from webhook.policy.request import OPERATIONS
from webhook.registration import bootstrap
from webhook.registration.atoms import ANY, Asked, Atom, asked
from webhook.registration.webhooks import FAILURE_POLICIES, Phase

_SHOWN: Final = 3  # requests that a text names


class Unsent(Struct, frozen=True):
    """A policy that needs requests which no registered webhook sends to it. `atoms`: these, sorted."""

    kind: str
    name: str
    atoms: tuple[Atom, ...]

    @property
    def requests(self) -> str:
        """The requests, as text: `CREATE of apps/v1/deployments`."""
        shown = [_text(atom) for atom in self.atoms[:_SHOWN]]
        more = len(self.atoms) - len(shown)
        return f"{', '.join(shown)}{f' and {more} more' if more else ''}"

    def __str__(self) -> str:
        return f"no webhook sends what {self.kind} '{self.name}' needs: {self.requests}"


Needs = Mapping[FailurePolicy, tuple[Asked, ...]]


def needs(policies: PolicySet, phase: Phase) -> Needs:
    """What the policies of a phase need, by failurePolicy; without what a cluster needs to start, which webhooks
    leave out unless it is confirmed."""
    of_phase = policies.validating if phase == "validate" else policies.mutating
    found: dict[FailurePolicy, tuple[Asked, ...]] = {}
    for failure_policy in FAILURE_POLICIES:
        units = tuple(asked(policy for policy in of_phase if policy.failure_policy == failure_policy))
        found[failure_policy] = tuple(bootstrap.without(units, ())) if failure_policy == "Fail" else units
    return found


def unsent(webhooks: Iterable[Mapping[str, Any]], phase: Phase, needed: Needs) -> Iterator[Unsent]:
    """The policies to which these webhooks of one configuration do not send all that they need, sorted by name.

    webhooks: as the API server returns them.
    """
    webhooks = tuple(webhooks)
    for failure_policy, units in needed.items():
        sent = frozenset(
            atom
            for webhook in webhooks
            if _path(webhook) in (phase, f"{phase}/{failure_policy.lower()}")
            for rule in webhook.get("rules") or ()
            for atom in _atoms(rule)
        )
        missing: dict[tuple[str, str], set[Atom]] = {}
        for unit in units:
            for atom in unit.atoms:
                if not any(each.covers(atom) for each in sent):
                    missing.setdefault((unit.policy.kind, unit.policy.name), set()).add(atom)
        for (kind, name), atoms in sorted(missing.items()):
            yield Unsent(kind, name, tuple(sorted(atoms)))


def called(webhook: Mapping[str, Any]) -> bool:
    """Whether a webhook calls a path of Gatewright."""
    phases = ("validate", "mutate")
    return _path(webhook) in (*phases, *(f"{phase}/{each.lower()}" for phase in phases for each in FAILURE_POLICIES))


def _path(webhook: Mapping[str, Any]) -> str:
    """The end of the path that a webhook calls: `validate`, or `validate/fail`."""
    client = webhook.get("clientConfig") or {}
    service = client.get("service")
    path = (service.get("path") or "") if service else urlsplit(client.get("url") or "").path
    parts = path.strip("/").split("/")
    return "/".join(parts[-2:]) if parts[-1] in ("fail", "ignore") else parts[-1]


def _atoms(rule: Mapping[str, Any]) -> Iterator[Atom]:
    operations = rule.get("operations") or ()
    for group in rule.get("apiGroups") or ():
        for version in rule.get("apiVersions") or ():
            for text in rule.get("resources") or ():
                resource, _, subresource = text.partition("/")
                for operation in OPERATIONS if ANY in operations else operations:
                    yield Atom(group, version, resource, subresource, operation, rule.get("scope") or "*")


def _text(atom: Atom) -> str:
    named = (atom.group, atom.version, atom.resource, atom.subresource)
    return f"{atom.operation} of {'/'.join(part for part in named if part)}"
