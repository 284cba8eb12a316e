"""What the API server refuses of a CustomResourceDefinition, but for its schemas (schemarefusals.py)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from msgspec.structs import replace

from webhook.apiserver.customresources import schemarefusals
from webhook.apiserver.customresources.correlation import same
from webhook.apiserver.customresources.definitionspecs import DefinitionSpec, VersionSpec
from webhook.apiserver.customresources.fieldpaths import FieldPathError, parsed
from webhook.apiserver.customresources.structural import Schema
from webhook.apiserver.fielderrors import (
    OMITTED,
    FieldError,
    duplicate,
    forbidden,
    invalid,
    named,
    not_supported,
    required,
    too_many,
)
from webhook.apiserver.validation import metadata
from webhook.apiserver.validation.names import dns_1035_label, dns_subdomain
from webhook.paths import Path
from webhook.versions import Version


def refusals(value: dict[str, Any], spec: DefinitionSpec, target: Version) -> list[FieldError]:
    """The refusals of a definition. spec: of `value`."""
    return [*_metadata(value, spec), *_Checks(spec, target).refusals(), *_approval(value, spec)]


def _metadata(value: dict[str, Any], written: DefinitionSpec) -> Iterator[FieldError]:
    known = value.get("metadata")
    wanted = f"{written.names['plural']}.{written.group}"

    def name(text: str) -> list[str]:
        wrong = [] if text == wanted else ['must be spec.names.plural+"."+spec.group']
        return [*dns_subdomain(text), *wrong]

    plain = {key: item for key, item in (known if isinstance(known, dict) else {}).items() if key != "namespace"}
    yield from metadata.of_created(_sound(plain), name, namespaced=False)


def _sound(value: dict[str, Any]) -> dict[str, Any]:
    """Metadata without what is of a wrong type, which decoding refuses."""
    texts = ("name", "generateName", "namespace")
    made: dict[str, Any] = {key: item for key, item in value.items() if key in texts and isinstance(item, str)}
    for key in ("labels", "annotations"):
        item = value.get(key)
        if isinstance(item, dict):
            made[key] = {name: text for name, text in item.items() if isinstance(text, str)}
    return made


_PROTECTED = re.compile(r"(.*\.)?(k8s|kubernetes)\.io")


def _approval(value: dict[str, Any], written: DefinitionSpec) -> Iterator[FieldError]:
    """Groups of the community's own need an annotation that says where they were approved."""
    if _PROTECTED.fullmatch(written.group) is None:
        return
    key = "api-approved.kubernetes.io"
    known = value.get("metadata")
    noted = known.get("annotations") if isinstance(known, dict) else None
    text = noted.get(key) if isinstance(noted, dict) else None
    path: Path = ("metadata", "annotations")
    if not text:
        words = "protected groups must have approval annotation"
        reference = "see https://github.com/kubernetes/enhancements/pull/1111"
        yield replace(
            required((*path, key) if text is not None else path, f'{words} "{key}", {reference}'),
            field=f"metadata.annotations[{key}]",
        )
    elif not str(text).startswith("unapproved") and not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/]+", str(text)):
        words = f'protected groups must have approval annotation "{key}" with either a URL or a reason starting with'
        reference = "see https://github.com/kubernetes/enhancements/pull/1111"
        yield replace(
            invalid((*path, key), text, f'{words} "unapproved", {reference}'), field=f"metadata.annotations[{key}]"
        )


_ROOT_KEYWORDS: Final = frozenset(
    [
        "description",
        "type",
        "format",
        "title",
        "maximum",
        "exclusiveMaximum",
        "minimum",
        "exclusiveMinimum",
        "maxLength",
        "minLength",
        "pattern",
        "maxItems",
        "minItems",
        "uniqueItems",
        "multipleOf",
        "required",
        "items",
        "properties",
        "externalDocs",
        "example",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    ]
)
_ROOT_NAMES: Final = (
    "Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern "
    "MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields "
    "XValidations"
)
_MAX_SELECTABLE: Final = 8
_COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS: Final = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_PER_VERSION: Final = ("schema", "subresources", "additionalPrinterColumns", "selectableFields")
_MOVED: Final = {"schema": "validation"}


class _Checks:
    """The checks of a spec.

    What all versions have in common, the API server moves to the top of the spec, and names it so in its texts.
    """

    def __init__(self, written: DefinitionSpec, target: Version) -> None:
        self.written = written
        self.target = target
        versions = [each.holder for each in written.versions]
        self.moved = {
            name
            for name in _PER_VERSION
            if versions and all(same(each.get(name), versions[0].get(name)) for each in versions)
        }

    def refusals(self) -> Iterator[FieldError]:
        written = self.written
        path: Path = ("spec",)
        if not written.group:
            yield required((*path, "group"))
        elif faults := dns_subdomain(written.group):
            yield invalid((*path, "group"), written.group, ",".join(faults))
        elif "." not in written.group:
            yield invalid((*path, "group"), written.group, "should be a domain with at least one dot")
        if not written.scope:
            yield required((*path, "scope"))
        elif written.scope not in ("Cluster", "Namespaced"):
            yield not_supported((*path, "scope"), written.scope, ("Cluster", "Namespaced"))
        for version in written.versions:
            if version.schema is None:
                yield required((*version.path, "schema", "openAPIV3Schema"))
        yield from self.versions()
        yield from _names(written)
        yield from _conversion(written)
        if written.preserve and any(version.schema and _has_defaults(version.schema) for version in written.versions):
            words = "must be false in order to use defaults in the schema"
            yield invalid((*path, "preserveUnknownFields"), True, words)
        if written.preserve:
            instead = "set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
            words = f"cannot set to true, {instead}"
            yield invalid((*path, "preserveUnknownFields"), True, words)

    def versions(self) -> Iterator[FieldError]:
        versions = self.written.versions
        path: Path = ("spec", "versions")
        for place, version in enumerate(versions):
            if faults := dns_1035_label(version.name):
                yield invalid((*version.path, "name"), version.name, ",".join(faults))
            yield from _deprecation(version)
            for name, check in (
                ("schema", self.schema),
                ("subresources", _subresources),
                ("additionalPrinterColumns", _columns),
                ("selectableFields", _selectable),
            ):
                if name not in self.moved or place == 0:
                    yield from (self.renamed(error, name) for error in check(version))
        shown = OMITTED if versions else self.written.spec.get("versions")
        if len({version.name for version in versions}) != len(versions):
            yield invalid(path, OMITTED, "must contain unique version names")
        stored = [version.name for version in versions if version.storage]
        if len(stored) != 1:
            yield invalid(path, shown, "must have exactly one version marked as storage version")
        # The API server notes the first one when it creates the definition, and then looks for each.
        if not stored:
            yield self.noted(path, None, "must have at least one stored version")
        elif stored[-1] != stored[0]:
            yield self.noted(path, stored[:1], f"must have the storage version {stored[-1]}")

    def noted(self, path: Path, names: list[str] | None, detail: str) -> FieldError:
        """A refusal of what the API server notes in the status, where it is seen in the spec."""
        error = invalid(path, names, detail)
        return FieldError(path, error.kind, error.body, "status.storedVersions")

    def renamed(self, error: FieldError, name: str) -> FieldError:
        """The error with the server's name of a field that all versions have in common."""
        if name not in self.moved:
            return error
        text = named(error.path) if error.field is None else error.field
        prefix = f"spec.versions[0].{name}"
        if not text.startswith(prefix):
            return error
        top = _MOVED.get(name, name)
        return replace(
            error, field=f"spec.{top}{text.removeprefix(prefix)}", body=error.body.replace(prefix, f"spec.{top}")
        )

    def schema(self, version: VersionSpec) -> Iterator[FieldError]:
        schema = version.schema
        if schema is None:
            return
        subresources = version.holder.get("subresources") or {}
        if subresources.get("status") is not None:
            yield from _beside_status(schema)
        if schema.nullable:
            yield replace(
                forbidden((*schema.path, "nullable"), "nullable cannot be true at the root"),
            )
        yield from schemarefusals.refusals(schema, self.target)


def _has_defaults(schema: Schema) -> bool:
    parts = [*schema.properties.values(), schema.items, schema.values]
    return schema.default is not None or any(part is not None and _has_defaults(part) for part in parts)


def _beside_status(schema: Schema) -> Iterator[FieldError]:
    """What the root of a schema may not say where status is a subresource."""
    given = {name for name, value in schema.written.items() if value not in (False, "", [], {})}
    if schema.type not in ("", "object"):
        words = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        yield invalid((*schema.path, "type"), schema.type, words)
    elif given - _ROOT_KEYWORDS:
        words = (
            f"only [{_ROOT_NAMES}] fields are allowed at the root of the schema if the status subresource is enabled"
        )
        yield invalid(schema.path, OMITTED, words)


def _deprecation(version: VersionSpec) -> Iterator[FieldError]:
    text = version.holder.get("deprecationWarning")
    path = (*version.path, "deprecationWarning")
    if not isinstance(text, str):
        return
    if not version.holder.get("deprecated"):
        yield invalid(path, text, "can only be set for deprecated versions")
        return
    if len(text.encode()) > 256:
        yield invalid(path, text, "must be <= 256 characters long")
    if not text:
        yield invalid(path, text, "must not be an empty string")
    for place, character in enumerate(text):
        if not character.isprintable():
            words = "must only contain printable UTF-8 characters; non-printable character found at index"
            yield invalid(path, text, f"{words} {len(text[:place].encode())}")
            break


def _json_path(text: str, path: Path) -> Iterator[FieldError]:
    if not text.startswith("."):
        yield invalid(path, text, "must be a simple json path starting with .")


def _subresources(version: VersionSpec) -> Iterator[FieldError]:
    scale = (version.holder.get("subresources") or {}).get("scale")
    if scale is None:
        return
    path = (*version.path, "subresources", "scale")
    for name, roots in (
        ("specReplicasPath", (".spec.",)),
        ("statusReplicasPath", (".status.",)),
        ("labelSelectorPath", (".spec.", ".status.")),
    ):
        text = scale.get(name)
        if not text or not isinstance(text, str):
            if name != "labelSelectorPath":
                yield required((*path, name))
            continue
        faults = list(_json_path(text, (*path, name)))
        yield from faults
        if not faults and not text.startswith(roots):
            words = "either .spec or .status" if len(roots) > 1 else roots[0][:-1]
            yield invalid((*path, name), text, f"should be a json path under {words}")


def _columns(version: VersionSpec) -> Iterator[FieldError]:
    for place, column in enumerate(version.holder.get("additionalPrinterColumns") or []):
        path = (*version.path, "additionalPrinterColumns", place)
        if not column.get("name"):
            yield required((*path, "name"))
        kind = column.get("type") or ""
        words = f"must be one of {','.join(_COLUMN_TYPES)}"
        if not kind:
            yield required((*path, "type"), words)
        elif kind not in _COLUMN_TYPES:
            yield invalid((*path, "type"), kind, words)
        form = column.get("format") or ""
        if form and form not in _COLUMN_FORMATS:
            yield invalid((*path, "format"), form, f"must be one of {','.join(_COLUMN_FORMATS)}")
        text = column.get("jsonPath") or ""
        if not text:
            yield replace(required((*path, "jsonPath")), field=named((*path, "JSONPath")))
        else:
            errors = _json_path(str(text), (*path, "jsonPath"))
            yield from (replace(error, field=named((*path, "JSONPath"))) for error in errors)


def _selectable(version: VersionSpec) -> Iterator[FieldError]:
    listed = version.holder.get("selectableFields") or []
    schema = version.schema
    if not listed or schema is None:
        return
    path = (*version.path, "selectableFields")
    seen: set[Path] = set()
    for place, item in enumerate(listed):
        here = (*path, place, "jsonPath")
        text = item.get("jsonPath") or ""
        if not isinstance(text, str) or not text:
            yield required(here)
            continue
        try:
            steps, found = parsed(text, schema, subscripts=False)
        except FieldPathError as error:
            yield invalid(here, text, f"is an invalid path: {error}")
            continue
        if steps[:1] == ("metadata",):
            yield invalid(here, text, "must not point to fields in metadata")
        if found is None or found.type not in ("string", "boolean", "integer"):
            words = (
                "must point to a field of type string, boolean or integer. Enum string fields and strings with formats "
                "are allowed."
            )
            yield invalid(here, text, words)
        if steps in seen:
            yield duplicate(here, text)
        seen.add(steps)
    if len(seen) > _MAX_SELECTABLE:
        yield too_many(path, len(seen), _MAX_SELECTABLE)


def _names(written: DefinitionSpec) -> Iterator[FieldError]:
    path: Path = ("spec", "names")
    names = written.names
    for name in ("plural", "singular", "kind", "listKind"):
        text = names[name]
        faults = dns_1035_label(text.lower() if name in ("kind", "listKind") else text)
        if not text:
            yield required((*path, name))
        elif faults:
            mixed = "may have mixed case, but should otherwise match: " if name in ("kind", "listKind") else ""
            yield invalid((*path, name), text, f"{mixed}{','.join(faults)}")
    for name in ("shortNames", "categories"):
        for place, text in enumerate(written.lists[name]):
            if isinstance(text, str) and (faults := dns_1035_label(text)):
                yield invalid((*path, name, place), text, ",".join(faults))
    if names["kind"] and names["kind"] == names["listKind"]:
        yield invalid((*path, "listKind"), names["listKind"], "kind and listKind may not be the same")


def _conversion(written: DefinitionSpec) -> Iterator[FieldError]:
    conversion = written.conversion
    path: Path = ("spec", "conversion")
    strategy = conversion.get("strategy") or ""
    if not strategy:
        yield required((*path, "strategy"))
    elif strategy not in ("None", "Webhook"):
        yield not_supported((*path, "strategy"), strategy, ("None", "Webhook"))
    webhook = conversion.get("webhook")
    client = webhook.get("clientConfig") if isinstance(webhook, dict) else None
    reviews = (webhook.get("conversionReviewVersions") if isinstance(webhook, dict) else None) or []
    client_path, reviews_path = (*path, "webhook", "clientConfig"), (*path, "webhook", "conversionReviewVersions")
    client_name, reviews_name = "spec.conversion.webhookClientConfig", "spec.conversion.conversionReviewVersions"
    if strategy == "Webhook":
        if not isinstance(client, dict):
            yield replace(required(client_path, "required when strategy is set to Webhook"), field=client_name)
        elif (client.get("url") is None) == (client.get("service") is None):
            yield replace(required(client_path, "exactly one of url or service is required"), field=client_name)
        if not reviews:
            yield replace(required(reviews_path), field=reviews_name)
        elif not {"v1", "v1beta1"} & {each for each in reviews if isinstance(each, str)}:
            yield replace(
                invalid(reviews_path, reviews, "must include at least one of v1, v1beta1"), field=reviews_name
            )
        return
    words = "should not be set when strategy is not set to Webhook"
    if client is not None:
        yield replace(forbidden(client_path, words), field=client_name)
    if reviews:
        yield replace(forbidden(reviews_path, words), field=reviews_name)
