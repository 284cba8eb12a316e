"""The server's answers and those of check, made comparable: without what differs from run to run, or by cluster."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.dryrun.answers import Answer, Object, Refusal
from tests.dryrun.checked import Checked

_GENERATED = 5  # characters that a generated name ends in
_TOKEN = re.compile(r"kube-api-access-[a-z0-9]{5}")
_UID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
# Manifests of the corpus say nothing of times after 2025; what the server sets lies after.
_NOW = re.compile(r'"20(?:2[6-9]|[3-9]\d)-\d\d-\d\dT[^"]+Z"')
_STRICT = "strict decoding error: "
_HANDLED = re.compile(r'^(?:\S+ in version "[^"]*" )?cannot be handled as an? \S+: ')
_UNKNOWN = re.compile(r'(?:unknown|duplicate) field "(?:[^"\\]|\\.)*"')
_DECODING = re.compile("json: cannot unmarshal |unknown field |parsing time |quantities must |illegal base64 ")
_ALLOCATED = {"clusterIP", "clusterIPs", "healthCheckNodePort"}
_REQUESTER = {"username", "uid", "groups", "extra"}


def comparable(value: Object, manifest: Object) -> Object:
    """An object of an AdmissionRequest: identity, times and managedFields by placeholders, allocations left out.

    manifest: what was sent; what it says itself of an allocation stays.
    """
    written = manifest.get("metadata") or {}
    made: Object = json.loads(_NOW.sub('"TIME"', _TOKEN.sub("kube-api-access-xxxxx", json.dumps(value))))
    metadata = made.get("metadata", {})
    metadata.pop("managedFields", None)
    if uid := metadata.get("uid"):
        made = json.loads(json.dumps(made).replace(uid, "UID"))
        metadata = made["metadata"]
    if metadata.get("generateName") and metadata.get("name") and not written.get("name"):
        name = metadata["name"]
        made = json.loads(json.dumps(made).replace(name, name[:-_GENERATED] + "x" * _GENERATED))
    kind, spec = made.get("kind"), made.get("spec")
    if kind == "Service" and isinstance(spec, dict):
        said = manifest.get("spec") or {}
        for field in _ALLOCATED:
            if not said.get(field) and spec.get(field) not in ("None", ["None"]):
                spec.pop(field, None)
        for port, written_port in zip(spec.get("ports") or (), said.get("ports") or (), strict=False):
            if not written_port.get("nodePort"):
                port.pop("nodePort", None)
    if kind == "CertificateSigningRequest" and isinstance(spec, dict):
        for field in _REQUESTER:
            spec.pop(field, None)
    return made


def settled(text: str, manifest: Object) -> str:
    """The text of a refusal, without what is random in it."""
    metadata = manifest.get("metadata")
    prefix = (metadata.get("generateName") or "") if isinstance(metadata, dict) else ""
    text = _UID.sub("UID", text)
    return re.sub(re.escape(prefix) + r"[a-z0-9]{5}(?![a-z0-9])", f"{prefix}xxxxx", text) if prefix else text


def said(refusal: Refusal) -> list[str]:
    """What a refusal of the server names, one text for each thing that is wrong."""
    if refusal.code == 0:
        found = re.search(r"no matches for kind .*", refusal.message)
        return [found[0] if found else ""]  # "": kubectl's own words, for which check has others
    if refusal.reason == "Invalid" and refusal.causes:
        return [f"{field}: {message}" for field, message in refusal.causes]
    text = _HANDLED.sub("", refusal.message)
    if text.startswith(_STRICT):
        return _UNKNOWN.findall(text)
    return [text]


def differences(answer: Answer, ours: Checked, manifest: Object) -> Iterator[str]:
    """What differs, in texts of one line: refusals, then each phase's object field by field, name and options."""
    theirs = said(answer.refusal) if answer.refusal else []
    left = [settled(each, manifest) for each in ours.refusals]
    for text in theirs:
        found = next((each for each in left if text in each), None)
        if found is None:
            yield f"refused by the server only: {text}"
        else:
            left.remove(found)
    if answer.refusal is not None and answer.refusal.code == 400 and not theirs[0].startswith("unknown field"):
        # The server stops at the first thing that it cannot decode; check goes on.
        left = [text for text in left if not _DECODING.match(text)]
    for text in left:
        yield f"refused by check only: {text}"
    if theirs or left:
        return
    for phase, their, our in (
        ("mutation", answer.mutation, ours.mutation),
        ("validation", answer.validation, ours.validation),
    ):
        if their is None:
            continue
        if our is None:
            yield f"{phase}: check asks no policy"
            continue
        yield from (
            f"{phase}: {text}" for text in unequal(their["object"], comparable(our["object"], manifest), "object")
        )
        yield from (f"{phase}: {text}" for text in unequal(_undry(their["options"]), our["options"], "options"))
        yield from (f"{phase}: {text}" for text in unequal(their["name"], _masked(our["name"], manifest), "name"))


def _undry(options: Object) -> Object:
    """Options without dryRun: check judges what would be created."""
    return {key: value for key, value in options.items() if key != "dryRun"}


def _masked(name: str, manifest: Object) -> str:
    written = manifest.get("metadata") or {}
    return (
        name[:-_GENERATED] + "x" * _GENERATED
        if name and not written.get("name") and written.get("generateName")
        else name
    )


def unequal(one: Any, other: Any, path: str) -> Iterator[str]:
    """The places at which two JSON values differ; 1 and 1.0 do."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            at = f"{path}.{key}" if re.fullmatch(r"\w+", key) else f"{path}[{key!r}]"
            if key not in other:
                yield f"{at}: {_short(one[key])} is missing"
            elif key not in one:
                yield f"{at}: {_short(other[key])} is too much"
            else:
                yield from unequal(one[key], other[key], at)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from unequal(left, right, f"{path}[{index}]")
    elif type(one) is not type(other) or one != other:
        yield f"{path}: {_short(one)} in the server, {_short(other)} in check"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:120]}…"
