"""PolicyException: exempts objects from a policy, with a reason, an approver, and a date of expiry.

    apiVersion: gatewright.dev/v1
    kind: PolicyException
    metadata: {name: node-agent}
    spec:
      policies:
      - name: no-host-path
      objects:
        resources: [daemonsets.apps, pods]
        namespaces: [monitoring]
        labelSelector: {matchLabels: {app: node-agent}}
      reason: reads the logs of its node; a CSI driver for them is on its way
      approvedBy: platform-security
      expires: 2027-03-31

While it is in force, violations of the policy are only recorded in the audit log (webhook.admission.excepting). It
covers exactly what it names: names have no wildcards, and all of its criteria must match.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from msgspec import Struct

from webhook.lazypatterns import lazily
from webhook.paths import Path
from webhook.policy.matching import labels_of
from webhook.policy.request import CONNECT, CREATE, Request
from webhook.policy.selectors import Selector
from webhook.policy.written import model, policykinds, refusals
from webhook.policy.written.model import Fault
from webhook.policy.written.names import is_subdomain

OWNER: Final = "gatewright.dev/owner"
"""The annotation that says whose the excepted objects are."""


class ExceptedPolicyModel(model.Model, frozen=True):
    name: str = ""
    kind: Literal["ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"] | None = None
    bindings: list[str] | None = None
    validations: list[int] | None = None


class ObjectsModel(model.Model, frozen=True):
    resources: list[str] | None = None
    namespaces: list[str] | None = None
    names: list[str] | None = None
    label_selector: model.LabelSelector | None = None


class SpecModel(model.Model, frozen=True):
    policies: list[ExceptedPolicyModel] = []
    objects: ObjectsModel | None = None
    operations: list[Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]] | None = None
    users: list[str] | None = None
    reason: str = ""
    approved_by: str = ""
    expires: str = ""
    warn: bool = False


class PolicyExceptionModel(model.Model, frozen=True):
    api_version: str = policykinds.OWN_VERSION
    kind: str = policykinds.EXCEPTION
    metadata: model.ObjectMeta = model.ObjectMeta()
    spec: SpecModel = SpecModel()


class PolicyException(Struct, frozen=True):
    """An exception. `expires`: seconds since the epoch. `resources`: (group, resource, subresource). `owner`: whose the
    objects are, "" if it does not say.

    A criterion that is None matches everything.
    """

    name: str
    reason: str
    approved_by: str
    until: str  # the text of spec.expires
    expires: float
    warn: bool
    resources: frozenset[tuple[str, str, str]] | None
    namespaces: frozenset[str] | None
    names: frozenset[str] | None
    selector: Selector | None
    operations: frozenset[str] | None
    users: frozenset[str] | None
    file: str
    line: int
    owner: str = ""

    def covers(self, request: Request) -> bool:
        """Whether the exception applies to the request, regardless of its expiry."""
        group, _, resource = request.resource
        # Namespaces are cluster-scoped, but their requests have a `namespace`.
        namespace = "" if (group, resource) == ("", "namespaces") else request.namespace
        return (
            (self.resources is None or (group, resource, request.subresource) in self.resources)
            and (self.namespaces is None or namespace in self.namespaces)
            and (self.names is None or _name(request) in self.names)
            and (self.operations is None or request.operation in self.operations)
            and (self.users is None or request.user.username in self.users)
            and (self.selector is None or _selects(self.selector, request))
        )


def _name(request: Request) -> str:
    # In validation, an object with generateName already has its name, but the request does not.
    if request.name or request.operation != CREATE or request.subresource or request.object is None:
        return request.name
    metadata = request.object.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def _selects(selector: Selector, request: Request) -> bool:
    """Whether the selector matches the labels of the new object, or on deletion those of the old one."""
    if request.operation == CONNECT:
        return False  # the options object has no labels
    return selector.matches(labels_of(request.object if request.object is not None else request.old_object))


class Exemption(Struct, frozen=True):
    """An exception for one policy. `bindings`, `validations`: those that it is limited to; None for all."""

    exception: PolicyException
    bindings: frozenset[str] | None = None
    validations: frozenset[int] | None = None

    def concerns(self, binding: str, index: int | None) -> bool:
        """Whether it covers this binding, and the validation with this index.

        `index` None: the failure belongs to the policy as a whole, which an exception limited to validations does not
        cover.
        """
        return (self.bindings is None or binding in self.bindings) and (
            self.validations is None or index in self.validations
        )


# Reading


def refused(exception: PolicyExceptionModel) -> Iterator[Fault]:
    """The errors in an exception, except for policies that do not exist."""
    yield from refusals.of_metadata(exception)
    spec, at = exception.spec, ("spec",)
    if not spec.policies:
        yield (*at, "policies"), "required: the policies to make an exception from, each with its name"
    for index, policy in enumerate(spec.policies):
        place = (*at, "policies", index)
        if not policy.name:
            yield (*place, "name"), "required: the name of a policy"
        yield from _filled(policy.bindings, (*place, "bindings"), "names of bindings")
        yield from _filled(policy.validations, (*place, "validations"), "numbers of validations, the first is 0")
    yield from refused_objects(spec.objects, (*at, "objects"))
    yield from _filled(spec.operations, (*at, "operations"), "CREATE, UPDATE, DELETE or CONNECT")
    yield from _filled(spec.users, (*at, "users"), "names of users")
    for field, text in (("reason", spec.reason), ("approvedBy", spec.approved_by)):
        if not text.strip():
            yield (*at, field), "required: " + ("why it is needed" if field == "reason" else "who approved it")
    if not spec.expires:
        yield (*at, "expires"), f"required: {_EXPECTED}"
    elif moment(spec.expires) is None:
        yield (*at, "expires"), f"expected {_EXPECTED}, found {model.describe(spec.expires)}"


_EXPECTED = "a date such as 2027-03-31, the last day, or a time such as 2027-03-31T18:00:00Z"
_RESOURCE = lazily(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9.]*[a-z0-9])?)?(/[a-z0-9]([-a-z0-9]*[a-z0-9])?)?")


def refused_objects(objects: ObjectsModel | None, at: Path) -> Iterator[Fault]:
    """The errors in which objects an exception is for; at: where they stand."""
    if objects is None:
        yield at, "required: which objects, by namespaces, names or labelSelector"
        return
    yield from _filled(objects.resources, (*at, "resources"), "resources such as pods, deployments.apps, pods/exec")
    yield from _filled(objects.namespaces, (*at, "namespaces"), "names of namespaces")
    yield from _filled(objects.names, (*at, "names"), "names of objects")
    for index, text in enumerate(objects.resources or ()):
        if not _RESOURCE.fullmatch(text):
            expected = "expected a resource such as pods, deployments.apps or pods/exec, without wildcards"
            yield (*at, "resources", index), f"{expected}, found {model.describe(text)}"
    for field, names in (("namespaces", objects.namespaces), ("names", objects.names)):
        for index, text in enumerate(names or ()):
            if any(each in text for each in "*?/") or not text:
                yield (*at, field, index), f"expected a whole name, without wildcards, found {model.describe(text)}"
    for index, text in enumerate(objects.namespaces or ()):
        if text and not is_subdomain(text) and "*" not in text and "?" not in text and "/" not in text:
            yield (*at, "namespaces", index), f"expected the name of a namespace, found {model.describe(text)}"
    selector = objects.label_selector
    if selector is not None:
        yield from refusals.of_selector(selector, (*at, "labelSelector"))
    named = bool(objects.namespaces or objects.names or (selector is not None and _asks(selector)))
    if not named and objects.namespaces is None and objects.names is None:
        what = "labels that an object must have" if selector is not None else "namespaces, names or labelSelector"
        yield at, f"names no object; expected {what}, or it would cover everything"


def _asks(selector: model.LabelSelector) -> bool:
    """Whether the selector requires a label. One that only excludes labels matches nearly everything."""
    return bool(selector.match_labels) or any(each.operator in ("In", "Exists") for each in selector.match_expressions)


def _filled(items: Sequence[Any] | None, at: Path, expected: str) -> Iterator[Fault]:
    if items is not None and not items:
        yield at, f"must not be empty: {expected}; or leave it out"


def moment(text: str) -> float | None:
    """The end of an exception in seconds since the epoch, from a time or a day (its end, in UTC). None if malformed."""
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return (datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=1)).timestamp()
        if re.fullmatch(
            r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})", text
        ):
            # Python parses at most six digits of a fraction of a second.
            return datetime.fromisoformat(re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text.upper())).timestamp()
    except (ValueError, OverflowError):
        pass
    return None


def compiled(exception: PolicyExceptionModel, selector: Selector | None, file: str, line: int) -> PolicyException:
    """The exception, ready to match requests. `exception`: without errors (`refused`)."""
    spec = exception.spec
    objects = spec.objects or ObjectsModel()
    return PolicyException(
        name=exception.metadata.name,
        reason=spec.reason.strip(),
        approved_by=spec.approved_by.strip(),
        until=spec.expires,
        expires=moment(spec.expires) or 0.0,
        warn=spec.warn,
        resources=None if objects.resources is None else frozenset(map(_resource, objects.resources)),
        namespaces=_set(objects.namespaces),
        names=_set(objects.names),
        selector=selector,
        operations=_set(spec.operations),
        users=_set(spec.users),
        file=file,
        line=line,
        owner=exception.metadata.annotations.get(OWNER, "").strip(),
    )


def expired(exception: PolicyException) -> str:
    """The warning about an exception that has expired."""
    return (
        f"{policykinds.EXCEPTION} '{exception.name}' expired ({exception.until}) and has no effect: remove it, or "
        "renew its approval"
    )


def _set(items: Sequence[str] | None) -> frozenset[str] | None:
    return None if items is None else frozenset(items)


def _resource(text: str) -> tuple[str, str, str]:
    name, _, subresource = text.partition("/")
    resource, _, group = name.partition(".")
    return group, resource, subresource
