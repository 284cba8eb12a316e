"""The face of the room: an object on its way through the API server, to mutating and to validating admission."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from webhook.apiserver import completion, decoding, encoding, gotext
from webhook.apiserver.completion import Creation
from webhook.apiserver.conversion import convert
from webhook.apiserver.decoding import Decoded
from webhook.apiserver.defaults.defaulting import set_defaults
from webhook.apiserver.gotypes import serves_group, struct_of
from webhook.apiserver.problems import FieldProblem, in_other_versions
from webhook.nearest import nearest
from webhook.schema import Kinds, Resource, shipped
from webhook.versions import NEWEST, Version

if TYPE_CHECKING:
    from webhook.apiserver.customresources.definitions import Kind
    from webhook.apiserver.fielderrors import FieldError
    from webhook.apiserver.plugins.admitting import Plugins
    from webhook.cluster.view import ClusterView

JSONObject = dict[str, Any]

_DEFINITION: Final = "CustomResourceDefinition"

NAMELESS_GROUPS: Final = frozenset({"authentication.k8s.io", "authorization.k8s.io"})
"""Groups of objects that are never stored, such as SubjectAccessReview; they need no name."""

MAX_REFUSALS: Final = 1000
"""Unknown fields of one object that are named."""


class Sent(NamedTuple):
    """An object as mutating admission sees it, what the API server refuses of it before, and what is not known here.

    Of the problems the first is the one that the API server answers with; it names unknown fields only if there is
    nothing else. A value that has a problem is absent from the object.
    """

    object: JSONObject
    problems: tuple[FieldProblem, ...]
    notes: tuple[str, ...] = ()


class ApiServer:
    """The API server for the objects of one run.

    definitions: objects, among them the CustomResourceDefinitions that are at hand. cluster: makes the view in which
    the admission plugins look for objects. target: the Kubernetes version of the API server.
    """

    def __init__(
        self, definitions: Iterable[JSONObject], cluster: Callable[[], ClusterView], target: Version = NEWEST
    ) -> None:
        self._definitions = [value for value in definitions if value.get("kind") == _DEFINITION]
        self._cluster = cluster
        self._target = target
        self._plugins: Plugins | None = None
        self._custom: Mapping[tuple[str, str], Kind] | None = None

    def received(self, value: JSONObject, resource: Resource, namespace: str) -> Sent:
        """The object of a request to create it, as mutating admission sees it. `value` is not modified.

        namespace: that of the request, for an object that names none.
        """
        api_version, kind = value["apiVersion"], value["kind"]
        struct = struct_of(api_version, kind, self._target)
        if struct is None:
            found = self._custom_object(value)
            encoding.encode_metadata(found.object.setdefault("metadata", {}))
            sent = completion.sent(found.object, namespaced=resource.namespaced, namespace=namespace)
            return Sent(sent, found.problems)
        decoded = _defaulted(value, struct, self._target)
        sent = completion.sent(decoded.object, namespaced=resource.namespaced, namespace=namespace)
        plugged = self._loaded_plugins().admit(sent, api_version, kind, sent["metadata"].get("namespace", ""))
        encoding.encode(sent, struct, self._target)
        return Sent(sent, (*decoded.problems, *plugged.problems), plugged.notes)

    def created(
        self,
        value: JSONObject,
        resource: Resource,
        creation: Creation,
        *,
        changed: bool = False,
        validated: bool = True,
    ) -> Decoded:
        """The object after mutation as validating admission sees it, and what the API server refuses of it before.

        changed: a mutation has changed it, so that a custom object gets the defaults of its schema once more.
        validated: False leaves out refusals.
        """
        made = completion.created(value, resource, creation)
        custom = self._custom_kind(resource)
        if custom is None:
            if not validated:
                return Decoded(made, ())
            refused = self._refused(made, None, resource, None)
            namespace = made["metadata"].get("namespace", "")
            plugged = self._loaded_plugins().validate(made, resource.api_version, resource.kind, namespace)
            return Decoded(made, (*refused, *plugged.problems))
        from webhook.apiserver.customresources import judging  # where there is a custom resource

        made["metadata"] = {**made["metadata"], "generation": 1}
        made = judging.prepared(custom, judging.defaulted(custom, made) if changed else made)
        return Decoded(made, self._refused(made, None, resource, custom) if validated else ())

    @property
    def custom_kinds(self) -> Mapping[tuple[str, str], Kind]:
        """(apiVersion, kind) → the custom kind, of the definitions that are at hand."""
        return self._kinds() if self._definitions else {}

    def validates(self, resource: Resource) -> bool:
        """Whether it is known what the API server refuses of a kind's objects: built in, or with a definition."""
        return struct_of(resource.api_version, resource.kind, self._target) is not None or (
            self._custom_kind(resource) is not None
        )

    def refused(self, value: JSONObject, resource: Resource) -> tuple[FieldProblem, ...]:
        """What the API server refuses of an object that is to be created, as validating admission would see it."""
        return self._refused(value, None, resource, self._custom_kind(resource))

    def updated(self, value: JSONObject, old: JSONObject, resource: Resource) -> tuple[FieldProblem, ...]:
        """What the API server refuses of an object that replaces another one. Both as admission sees them."""
        custom = self._custom_kind(resource)
        if custom is not None:
            from webhook.apiserver.customresources import judging

            value = judging.prepared(custom, value, old)
        return self._refused(value, old, resource, custom)

    def _refused(
        self, value: JSONObject, old: JSONObject | None, resource: Resource, custom: Kind | None
    ) -> tuple[FieldProblem, ...]:
        """The problems of a whole object: by its definition; those of a definition itself."""
        refused: Iterable[FieldError]
        if custom is not None:
            from webhook.apiserver.customresources import judging

            refused = judging.refusals(custom, value, old)
        elif struct_of(resource.api_version, resource.kind, self._target) is None:
            return ()
        else:
            from webhook.apiserver.validation import kinds

            refused = [
                *kinds.refusals(value, namespaced=resource.namespaced, old=old, target=self._target),
                *self._refused_definition(value, resource),
            ]
            if resource.group in NAMELESS_GROUPS and not value["metadata"].get("name"):
                refused = [each for each in refused if each.path != ("metadata", "name")]
        return tuple(FieldProblem(each.path, each.text, "Invalid") for each in refused)

    def _custom_kind(self, resource: Resource) -> Kind | None:
        return self._kinds().get((resource.api_version, resource.kind)) if self._definitions else None

    def _loaded_plugins(self) -> Plugins:
        if self._plugins is None:
            from webhook.apiserver.plugins.admitting import Plugins

            self._plugins = Plugins(self._cluster(), self._target)
        return self._plugins

    def _custom_object(self, value: JSONObject) -> Decoded:
        """A decoded object of a custom kind. Without its definition only its metadata is decoded."""
        kind = self._kinds().get((value["apiVersion"], value["kind"])) if self._definitions else None
        if kind is None:
            metadata = decoding.decode_metadata(value.get("metadata"))
            return Decoded({**value, "metadata": metadata.object}, metadata.problems)
        from webhook.apiserver.customresources import judging

        found = judging.decoded(kind, value)
        problems = [
            FieldProblem(
                path,
                f"unknown field {gotext.quote(_shown(path))}",
                known=judging.known_fields(kind, path[:-1]),
                strict=True,
            )
            for path in found.unknown[:MAX_REFUSALS]
        ]
        if found.failed:
            problems = [FieldProblem(found.failed_path, found.failed)]
            found.value["metadata"] = decoding.decode_metadata(value.get("metadata")).object  # as far as it is readable
        return Decoded(found.value, tuple(problems))

    def _kinds(self) -> Mapping[tuple[str, str], Kind]:
        """(apiVersion, kind) → the custom kind, of the definitions that the API server would accept."""
        if self._custom is None:
            from webhook.apiserver.customresources import definitions

            self._custom = {
                (kind.api_version, kind.kind): kind
                for value in self._definitions
                for kind in definitions.read(value, self._target).kinds.values()
            }
        return self._custom

    def _refused_definition(self, value: JSONObject, resource: Resource) -> Iterable[FieldError]:
        """What the API server refuses of a CustomResourceDefinition."""
        if (resource.api_version, resource.kind) != ("apiextensions.k8s.io/v1", _DEFINITION):
            return ()
        from webhook.apiserver.customresources import definitions

        return definitions.read(value, self._target).refused


def read(value: JSONObject, target: Version = NEWEST) -> Decoded:
    """An object of a built-in kind, decoded, defaulted and written; other objects as they are."""
    struct = struct_of(value["apiVersion"], value["kind"], target)
    if struct is None:
        return Decoded(value, ())
    decoded = _defaulted(value, struct, target)
    encoding.encode(decoded.object, struct, target)
    return decoded


def _defaulted(value: JSONObject, struct: str, target: Version) -> Decoded:
    """The decoded object with its defaults, as the internal version has it."""
    decoded = decoding.decode(value, struct, target)
    set_defaults(decoded.object, value["apiVersion"], value["kind"], target)
    refused = convert(decoded.object, value["apiVersion"], value["kind"], target)
    return decoded if refused is None else Decoded(decoded.object, (*decoded.problems, refused))


def _shown(path: tuple[str | int, ...]) -> str:
    """A path as messages of strict decoding have it."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


_NO_LONGER: Final = frozenset({"extensions"})
"""Built-in groups that the API server serves no kind of any more."""


def unserved(api_version: str, kind: str, kinds: Kinds, target: Version = NEWEST) -> FieldProblem | None:
    """Why the API server of a Kubernetes version has no such kind, if that is certain; else None.

    It is where the group is built in, and where a definition has the kind in other versions, or in other letters'
    case. Another custom kind may exist though no definition of it is known.
    """
    group = api_version.rpartition("/")[0]
    defined = any(each.group == group and each.kind.lower() == kind.lower() for each in kinds)
    if not serves_group(group) and group not in _NO_LONGER and "." in group and not defined:
        return None
    message = f"no matches for kind {gotext.quote(kind)} in version {gotext.quote(api_version)}"
    serving = sorted({each.api_version for each in kinds if each.kind == kind})
    versions = in_other_versions(shipped.lifetime(api_version, kind, target), target, "served")
    if serving or versions:
        advice = " or ".join(serving[:3])
        return FieldProblem(("apiVersion",), message, "NotFound", advice=advice, versions=versions)
    served = tuple(sorted({each.kind for each in kinds if each.api_version == api_version}))
    return FieldProblem(("kind",), message, "NotFound", advice=nearest(kind, served) or "")
