"""Makes the answers of server and check comparable: removes everything that differs by run or by cluster."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.dryrun.answers import Answer, Object, Refusal
from tests.dryrun.checked import Checked

_UID_LENGTH = 36
_GENERATED = 5  # characters that a generated name ends in
_TOKEN = re.compile(r"kube-api-access-[a-z0-9]{5}")
_UID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
# Manifests of the corpus say nothing of times after 2025; what the server sets lies after.
_NOW = re.compile(r'"20(?:2[6-9]|[3-9]\d)-\d\d-\d\dT[^"]+Z"')
_STRICT = "strict decoding error: "
_HANDLED = re.compile(r'^(?:\S+ in version "[^"]*" )?cannot be handled as an? \S+: ')
_FORBIDDEN = re.compile(r'^[a-z]+ "[^"]*" is forbidden: (?:pod rejected: )?')
_UNKNOWN = re.compile(r'(?:unknown|duplicate) field "(?:[^"\\]|\\.)*"')
_DECODING = re.compile("json: cannot unmarshal |unknown field |parsing time |quantities must |illegal base64 ")
_OWN_WORDS = "not a Kubernetes object: "
"""How check begins to say what keeps it from looking at an object, in words that are not the server's."""
_REQUESTER = {"username", "uid", "groups", "extra"}


def comparable(value: Object, manifest: Object) -> Object:
    """An object of an AdmissionRequest: identity, times and managedFields by placeholders, allocations left out.

    manifest: what was sent; what it says itself of an allocation stays.
    """
    written = manifest.get("metadata") or {}
    made: Object = json.loads(_NOW.sub('"TIME"', _TOKEN.sub("kube-api-access-xxxxx", json.dumps(value))))
    metadata = made.get("metadata", {})
    metadata.pop("managedFields", None)
    if len(uid := metadata.get("uid", "")) == _UID_LENGTH:
        made = json.loads(json.dumps(made).replace(uid, "UID"))
        metadata = made["metadata"]
    if metadata.get("generateName") and metadata.get("name") and not written.get("name"):
        name = metadata["name"]
        made = json.loads(json.dumps(made).replace(name, name[:-_GENERATED] + "x" * _GENERATED))
    kind, spec = made.get("kind"), made.get("spec")
    if kind == "Service" and isinstance(spec, dict):
        said = manifest.get("spec") or {}
        if not said.get("clusterIP"):
            spec.pop("clusterIP", None)
            spec.pop("clusterIPs", None)
        if not said.get("healthCheckNodePort"):
            spec.pop("healthCheckNodePort", None)
        for port, written_port in zip(spec.get("ports") or (), said.get("ports") or (), strict=False):
            if not (written_port or {}).get("nodePort"):
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
    text = _FORBIDDEN.sub("", _HANDLED.sub("", refusal.message))
    if text.startswith(_STRICT):
        return _UNKNOWN.findall(text)
    return [text]


def differences(answer: Answer, ours: Checked, manifest: Object) -> Iterator[str]:
    """What differs, in texts of one line: refusals, then each phase's object field by field, name and options."""
    theirs = said(answer.refusal) if answer.refusal else []
    left = [settled(each, manifest) for each in ours.refusals]
    if theirs and any(text.startswith(_OWN_WORDS) for text in left):
        return
    for text in theirs:
        found = next((each for each in left if text in each or _otherwise(text, each)), None)
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


_OTHERWISE = (
    # How a rule does not compile is told with the place in the rule, not with a picture of it.
    (r"\.rule: Invalid value: .*compilation failed: ", r"\.rule: Invalid value: .*compilation failed: "),
    # The versions of a definition are shown as Go's internal type has them.
    (
        r"^spec\.versions: Invalid value: \[\{.*\]: must (?:have exactly one|contain unique)",
        r"^spec\.versions: Invalid value: must (?:have exactly one|contain unique)",
    ),
    # That a Namespace cannot be there is told by its name; others are taken to be there.
    (r'^namespaces "Shop" not found$', r'^metadata\.namespace: Invalid value: "Shop"'),
)


def _otherwise(theirs: str, ours: str) -> bool:
    """Whether a refusal of check says the same in other words."""
    return any(re.search(one, theirs) and re.search(other, ours) for one, other in _OTHERWISE)


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
    elif _number(one) != _number(other) or type(_number(one)) is not type(_number(other)):
        yield f"{path}: {_short(one)} in the server, {_short(other)} in check"


def _number(value: Any) -> Any:
    """What does not fit into 64 bits is a double, however it is written."""
    return float(value) if type(value) is int and abs(value) >= 2**63 else value


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:120]}…"
