"""The sources of an audit's objects: the protocol, and a live cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Struct

from webhook.audit.reading import LARGEST, NotListed
from webhook.audit.shards import WHOLE, Shard
from webhook.cluster.connection import APIError, Unreachable
from webhook.cluster.lookups import NAMESPACES, Target
from webhook.documents.document import Problem
from webhook.policy.policyset import is_exempt
from webhook.policy.request import GroupVersionResource
from webhook.schema import Resource

if TYPE_CHECKING:
    from webhook.audit.reading import Reader
    from webhook.schema import Kinds

Object = dict[str, Any]

A_LIST: Final = 10
"""The number of objects that cost the API server as much as one request. A shard reads the list of a whole kind if the
rest of that list costs less than the lists of its own namespaces."""

_CORE: Final = "/api/v1"  # which is asked first
_WRITTEN: Final = frozenset({"create", "update", "patch"})


class Served(Struct, frozen=True):
    """A resource that can be listed. `written`: whether anybody can create or change its objects, and policies are
    asked about them. `status`: whether it has a subresource status, so that nobody creates an object with a status."""

    resource: Resource
    written: bool
    status: bool


class Source(Protocol):
    """Objects, by their kind. `name`: what reports call the source. `problems`: what could not be read."""

    name: str
    problems: list[Problem]

    def served(self) -> list[Served] | None:
        """The resources that can be listed, of each group in the version that the API server prefers, then the other
        versions. None if there is nothing to read at all; a problem says why."""

    def pages(self, resource: Resource) -> Iterator[list[Object]]:
        """The objects of a resource, each once. Raises NotListed."""

    def looked_up(self, target: Target, kinds: Kinds) -> list[Object]:
        """The objects of a target, none if its kind is not served. Raises NotListed."""

    def cost(self) -> str:
        """A text with the requests and bytes so far; "" if the source does not count them."""


class Cluster:
    """The objects of a live cluster. largest: the most objects of a page.

    shard: the objects that are needed; others may come with them. `namespaces`: the names of the Namespaces, once
    they were looked up, and None if they could not be.
    """

    def __init__(self, reader: Reader, name: str, largest: int = LARGEST, shard: Shard = WHOLE) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.reader = reader
        self.namespaces: list[str] | None = None
        self._shard = shard
        self._largest = largest
        self._served: list[Served] | None = None

    def served(self) -> list[Served] | None:
        """See Source. A group that cannot be asked is a problem. The cluster is asked once."""
        if self._served is not None:
            return self._served
        found: list[Served] = []
        for path, name in self._versions():
            try:
                answer = self.reader.get(path)
            except (APIError, Unreachable) as error:
                if path == _CORE and isinstance(error, Unreachable):  # nor would it answer what follows
                    text = f"the cluster at {self.reader.server} cannot be reached: {reason(error)}"
                    self.problems.append(Problem(self.name, None, None, text))
                    return None
                self.failed(path, str(error))
                continue
            found += _listable(answer, name)
        self._served = found
        return found

    def pages(self, resource: Resource) -> Iterator[list[Object]]:
        """See Source."""
        whole = self.reader.pages(resource, None, self._largest)
        if self._shard.number == 1:
            return whole
        if resource.namespaced:
            return self._of_the_shard(resource, whole)
        return whole if self._shard.has("") or _may_control(resource) else iter(())

    def _of_the_shard(self, resource: Resource, whole: Iterator[list[Object]]) -> Iterator[list[Object]]:
        """The list of the whole kind, or those of the shard's namespaces, whichever costs the API server less."""
        first = next(whole)
        own = None if self.namespaces is None else [each for each in self.namespaces if self._shard.has(each)]
        if own is None or self.reader.left <= A_LIST * len(own):
            yield first
            yield from whole
            return
        for name in own:
            yield from self.reader.pages(resource, Target(resource.api_version, resource.kind, name), self._largest)

    def looked_up(self, target: Target, kinds: Kinds) -> list[Object]:
        """See Source."""
        resource = kinds.for_kind(target.api_version, target.kind)
        if resource is None or all(each.resource != resource for each in self._served or ()):
            return []
        found = [value for page in self.reader.pages(resource, target, self._largest) for value in page]
        if target == NAMESPACES:
            self.namespaces = [value["metadata"]["name"] for value in found]
        return found

    def cost(self) -> str:
        """See Source."""
        repeated = f" ({self.reader.repeated:,} repeated)" if self.reader.repeated else ""
        return f"{self.reader.calls:,} requests{repeated}, {self.reader.bytes / (1 << 20):,.1f} MiB"

    def failed(self, what: str, why: str) -> None:
        """Report, once, that something cannot be listed."""
        problem = Problem(self.name, None, None, f"{what} cannot be listed: {why}")
        if problem not in self.problems:
            self.problems.append(problem)

    def _versions(self) -> Iterator[tuple[str, str]]:
        """The path and the name of each served version of each group."""
        yield _CORE, "v1"
        try:
            answer = self.reader.get("/apis")
        except (APIError, Unreachable) as error:
            self.failed("/apis", str(error))
            return
        for group in answer.get("groups") or ():
            preferred = (group.get("preferredVersion") or {}).get("groupVersion")
            names = [each["groupVersion"] for each in group.get("versions") or ()]
            for name in sorted(names, key=lambda each: each != preferred):
                yield f"/apis/{name}", name


def named(resource: Resource) -> str:
    """A resource as kubectl names it: deployments.apps."""
    return f"{resource.plural}{f'.{resource.group}' if resource.group else ''}"


def _may_control(resource: Resource) -> bool:
    """Whether cluster-scoped objects of a kind may stand between workloads and what these control, in any namespace:
    custom ones. Each shard reads them, to tell of the same workload as the others."""
    return "." in resource.group and not resource.group.endswith(".k8s.io")


def reason(error: Unreachable | NotListed) -> str:
    """The text without the connection that urllib3 names, whose address is said already."""
    connection, _, text = str(error).partition("): ")
    return text if text and "Connection(host=" in connection else str(error)


def _listable(answer: Object, name: str) -> Iterator[Served]:
    group, _, version = name.rpartition("/")
    resources = answer.get("resources") or ()
    status = {each["name"].partition("/")[0] for each in resources if each["name"].endswith("/status")}
    for each in resources:
        verbs = each.get("verbs") or ()
        if "/" in each["name"] or "list" not in verbs:
            continue
        resource = Resource(group, version, each["kind"], each["name"], each.get("namespaced") is True)
        written = not _WRITTEN.isdisjoint(verbs) and not is_exempt(
            GroupVersionResource(group, version, resource.plural)
        )
        yield Served(resource, written, resource.plural in status)
