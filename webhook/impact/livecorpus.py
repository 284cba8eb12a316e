"""The corpus of a live cluster: its objects, a page at a time. Nothing is written, and nothing is watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from webhook.apiserver import completion
from webhook.cluster.connection import APIError, Connection, Unreachable
from webhook.cluster.discovery import collection, discover
from webhook.cluster.lookups import NAMESPACES, Target
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents.document import Document, Problem, Text
from webhook.impact.corpus import Batch, Opened, Pair
from webhook.offline.requests import Identity, PlannedRequest, options_of
from webhook.policy.matching import Match
from webhook.policy.needed import lookups_of
from webhook.policy.policyset import Policy, is_exempt
from webhook.policy.request import CREATE, UPDATE, GroupVersionKind, GroupVersionResource, Request, User
from webhook.schema import Kinds, Resource

if TYPE_CHECKING:
    from webhook.access import AccessRule
    from webhook.policy.policyset import PolicySet

PAGE: Final = 500
"""Objects of one answer of the API server."""

_CORE: Final = "/api/v1"  # which is asked first
_TIMEOUT: Final = 60.0  # seconds that the API server may take for a page
_SET_BY_THE_SERVER: Final = ("resourceVersion", "generation")  # besides what completion.sent takes away
_STORED: Final = ("object",)  # where the object stands in what is taken for its document


class Live:
    """The objects of a cluster, of the kinds that the wanted policies match.

    name: what reports call the cluster. wanted: whether the objects of a policy are listed. operation: CREATE, as if
    each were made anew, or UPDATE, as if each were written as it is.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        wanted: Callable[[Policy[Any]], bool],
        *,
        user: User,
        operation: str = CREATE,
        access: Sequence[AccessRule] = (),
    ) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.namespaces: list[dict[str, Any]] = []
        self.placed = self.numbered = False
        self._connection = connection
        self._wanted = wanted
        self._user = user
        self._operation = operation
        self._access = access

    def opened(self, old: PolicySet, new: PolicySet, *, apart: bool) -> Opened:
        """See Corpus. The objects of the trees stand for those of the cluster, as if the trees were applied to it."""
        served = self._served()
        if served is None:
            return Opened(old, new, iter(()))
        matches = [policy.match for policies in (old, new) for policy in policies.policies if self._wanted(policy)]
        listed: dict[tuple[str, str], Resource] = {}  # in one version each
        for resource in served:
            if any(_is_matched(resource, match) for match in matches):
                listed.setdefault((resource.group, resource.plural), resource)
        kinds = Kinds.builtin(new.target).with_resources(served)
        found = self._looked_up({*lookups_of(old).targets, *lookups_of(new).targets, NAMESPACES}, kinds)
        self.namespaces = [value for value in found if value["kind"] == "Namespace"]
        was, view = (
            ManifestsView(
                [*found, *policies.objects],
                kinds.with_crds(policies.objects),
                assume_namespaces=True,
                access_rules=self._access,
            )
            for policies in (old, new)
        )
        if not listed and not self.problems:
            self.notes.append(f"{self.name} serves no kind that a policy which differs is about")
        return Opened(old, new, self._batches(list(listed.values()), was, view))

    def _batches(self, listed: Sequence[Resource], was: ManifestsView, view: ManifestsView) -> Iterator[Batch]:
        for resource in listed:
            for values in self._pages(resource):
                pairs = []
                for value in values:
                    planned = self._planned(value, resource)
                    pairs.append(Pair(planned.document, [planned], [planned]))
                yield Batch(pairs, was, view)

    def _served(self) -> list[Resource] | None:
        """The resources that can be listed, of each group in the version that the API server prefers, then the other
        versions. None if the cluster does not answer at all."""
        found: list[Resource] = []
        for version in self._versions():
            try:
                answer = self._connection.get(version[0])
            except (APIError, Unreachable) as error:
                if version[0] == _CORE and isinstance(error, Unreachable):  # nor would it answer what follows
                    text = f"the cluster at {self._connection.server} cannot be reached: {_reason(error)}"
                    self.problems.append(Problem(self.name, None, None, text))
                    return None
                self._failed(version[0], error)
                continue
            group, _, number = version[1].rpartition("/")
            for each in answer.get("resources") or ():
                if "/" not in each["name"] and "list" in (each.get("verbs") or ()):
                    resource = Resource(group, number, each["kind"], each["name"], each.get("namespaced") is True)
                    if not is_exempt(GroupVersionResource(group, number, resource.plural)):
                        found.append(resource)
        return found

    def _versions(self) -> Iterator[tuple[str, str]]:
        """The path and the name of each served version of each group."""
        yield _CORE, "v1"
        try:
            answer = self._connection.get("/apis")
        except (APIError, Unreachable) as error:
            self._failed("/apis", error)
            return
        for group in answer.get("groups") or ():
            preferred = (group.get("preferredVersion") or {}).get("groupVersion")
            names = [each["groupVersion"] for each in group.get("versions") or ()]
            for name in sorted(names, key=lambda each: each != preferred):
                yield f"/apis/{name}", name

    def _pages(self, resource: Resource, target: Target | None = None) -> Iterator[list[dict[str, Any]]]:
        """The objects of a resource, a page at a time. A page that fails is a problem, and the last one."""
        path = collection(resource, target.namespace if target is not None else "")
        query = [("limit", str(PAGE))]
        if target is not None and target.name:
            query.append(("fieldSelector", f"metadata.name={target.name}"))
        token = ""
        while True:
            try:
                answer = self._connection.get(path, [*query, *([("continue", token)] if token else [])], _TIMEOUT)
            except (APIError, Unreachable) as error:
                self._failed(f"{resource.plural}{f'.{resource.group}' if resource.group else ''}", error)
                return
            yield [
                {"apiVersion": resource.api_version, "kind": resource.kind, **item}
                for item in answer.get("items") or ()
            ]
            token = (answer.get("metadata") or {}).get("continue") or ""
            if not token:
                return

    def _looked_up(self, targets: set[Target], kinds: Kinds) -> list[dict[str, Any]]:
        """The objects that policies look up."""
        found: list[dict[str, Any]] = []
        for target in sorted(targets):
            resource = kinds.for_kind(target.api_version, target.kind)
            if resource is None or not self._is_served(resource):
                continue
            for page in self._pages(resource, target):
                found += page
        return found

    def _is_served(self, resource: Resource) -> bool:
        try:
            return discover(self._connection, resource.api_version, resource.kind) is not None
        except (APIError, Unreachable) as error:
            self._failed(resource.plural, error)
            return False

    def _failed(self, what: str, error: APIError | Unreachable) -> None:
        problem = Problem(self.name, None, None, f"{what} cannot be listed: {error}")
        if problem not in self.problems:
            self.problems.append(problem)

    def _planned(self, value: dict[str, Any], resource: Resource) -> PlannedRequest:
        """The request for an object as it is stored. Its document is the object, as JSON in one line.

        The Pods of a workload are objects of their own here, and come of no template.
        """
        metadata = value.get("metadata") or {}
        namespace = metadata.get("namespace") or ""
        sent = completion.sent(value, namespaced=resource.namespaced, namespace=namespace)
        sent["metadata"] = {name: each for name, each in sent["metadata"].items() if name not in _SET_BY_THE_SERVER}
        old = value if self._operation == UPDATE else None
        is_namespace = (resource.group, resource.kind) == ("", "Namespace")
        request = Request(
            operation=self._operation,
            resource=GroupVersionResource(resource.group, resource.version, resource.plural),
            kind=GroupVersionKind(resource.group, resource.version, resource.kind),
            name=metadata.get("name") or "",
            namespace=(metadata.get("name") or "") if is_namespace else namespace,
            object=sent if old is None else value,
            old_object=old,
            options=options_of(self._operation),
            user=self._user,
        )
        held = {"object": value}
        text = Text(orjson.dumps(held).decode(), 1, True, [0])
        document = Document(held, self.name, self.name, text)
        identity = Identity(resource.api_version, resource.kind, namespace, metadata.get("name") or "")
        return PlannedRequest(request, document, identity, prefix=_STORED, resource=resource)


def _reason(error: Unreachable) -> str:
    """The text without the connection that urllib3 names, whose address is said already."""
    connection, _, reason = str(error).partition("): ")
    return reason if reason and "Connection(host=" in connection else str(error)


def _is_matched(resource: Resource, match: Match) -> bool:
    """Whether a rule names the resource in this version, whatever the operation."""
    return any(
        ("*" in rule.groups or resource.group in rule.groups)
        and ("*" in rule.versions or resource.version in rule.versions)
        and any(name in ("*", resource.plural) and subresource in ("", "*") for name, subresource in rule.resources)
        for rule in match.rules
    )
