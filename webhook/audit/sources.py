"""Where the objects of an audit come from, and a live cluster as such a source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Struct

from webhook.audit.reading import LARGEST, NotListed
from webhook.cluster.connection import APIError, Unreachable
from webhook.documents.document import Problem
from webhook.policy.policyset import is_exempt
from webhook.policy.request import GroupVersionResource
from webhook.schema import Resource

if TYPE_CHECKING:
    from webhook.audit.reading import Reader
    from webhook.cluster.lookups import Target
    from webhook.schema import Kinds

Object = dict[str, Any]

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
        """What it took to read so far, in words; "" if that is not worth a word."""


class Cluster:
    """The objects of a live cluster. largest: the most objects of a page."""

    def __init__(self, reader: Reader, name: str, largest: int = LARGEST) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.reader = reader
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
        return self.reader.pages(resource, None, self._largest)

    def looked_up(self, target: Target, kinds: Kinds) -> list[Object]:
        """See Source."""
        resource = kinds.for_kind(target.api_version, target.kind)
        if resource is None or all(each.resource != resource for each in self._served or ()):
            return []
        return [value for page in self.reader.pages(resource, target, self._largest) for value in page]

    def cost(self) -> str:
        """See Source."""
        repeated = f" ({self.reader.repeated:,} repeated)" if self.reader.repeated else ""
        return f"{self.reader.calls:,} requests{repeated}, {self.reader.bytes / (1 << 20):,.1f} MiB"

    def failed(self, what: str, why: str) -> None:
        """Note what cannot be listed, once."""
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
