"""What a control of Pod Security is to judge, where some of it is excluded: a Pod's spec without that, in CEL.

A control reads lists of containers and the Pod's security context, or other fields of the spec. So that its
expression can stay as the library has it, it gets a spec that lacks what is excluded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from webhook.convert import celtext
from webhook.convert.kyverno.podcontrols import CONTROLS, LISTS, VOLUMES, Exclusion

Reads = Literal["containers", "hosts", "volumes", "sysctls", "annotations"]
READS: Final[dict[str, Reads]] = {
    "hostNamespaces": "hosts",
    "hostPaths": "volumes",
    "volumes": "volumes",
    "sysctls": "sysctls",
    "appArmorAnnotations": "annotations",
}
"""Variables of controls that read something other than containers and the Pod's security context -> what."""

THROUGH: Final[dict[Reads, tuple[str, ...]]] = {
    "containers": ("containers", "contexts"),
    "hosts": ("spec",),
    "volumes": ("spec",),
    "sysctls": ("pod",),
    "annotations": (),
}
"""What is read -> the library's variables by which it is. Others, such as the Pod's context that containers inherit
from, stay as they are."""

_CONTEXT: Final = "securityContext"
_SELINUX: Final = ("seLinuxOptions.type", "seLinuxOptions.user", "seLinuxOptions.role")
_EDITED: Final = ("capabilities.add", "capabilities.drop", *_SELINUX)


def spec(reads: Reads, given: Sequence[Exclusion], allowed: Sequence[str], original: str) -> str:
    """The spec that a control with exclusions judges. original: the whole one. allowed: capabilities that may be added
    without an exclusion."""
    if reads == "hosts":
        return _map({name: _host(name, given, original) for name in ("hostNetwork", "hostPID", "hostIPC")})
    if reads == "volumes":
        kept = _without(f"{original}.?volumes.orValue([])", "v", [_volume(each) for each in _valued(given)])
        return _map({"volumes": kept})
    if reads == "sysctls":
        listed = f"{original}.?{_CONTEXT}.?sysctls.orValue([])"
        kept = _without(listed, "s", [_term(each, "s.name") for each in _valued(given)])
        return _map({_CONTEXT: _map({"sysctls": kept})})
    found = {name: _containers(name, given, allowed, original) for name in LISTS}
    return _map({**found, _CONTEXT: _pod_context(given, original)}, ",\n ")


def inherited(context: str) -> str:
    """The Pod's security context for containers that say nothing of seccomp: what the Pod says is held against the Pod,
    and not against them."""
    said = f"{context}.?seccompProfile.?type.orValue('')"
    return f"{said} == '' ? dyn({{}}) : dyn({{'seccompProfile': {{'type': 'RuntimeDefault'}}}})"


def whole(given: Sequence[Exclusion]) -> str:
    """When all fields of the Pod itself are excluded: a condition."""
    return _any([each.when for each in given if not each.images and not each.field])


def _valued(given: Sequence[Exclusion]) -> list[Exclusion]:
    return [each for each in given if not each.images and each.field]


def _any(terms: Sequence[str]) -> str:
    return "true" if "true" in terms else celtext.disjunction(terms)


def _map(pairs: dict[str, str], between: str = ", ") -> str:
    return "{" + between.join(f"{celtext.text(key)}: dyn({value})" for key, value in pairs.items()) + "}"


def _term(each: Exclusion, subject: str) -> str:
    return celtext.conjunction([each.when, _meant(subject, each)])


def _meant(subject: str, each: Exclusion) -> str:
    """Whether a value is one of those that are excluded. subject: a value, or an optional one that has `.?`."""
    texts = [one for one in each.values if isinstance(one, str)]
    others = [one for one in each.values if not isinstance(one, str)]
    optional = ".?" in subject
    terms = []
    if others:
        value = f"{subject}.orValue(null)" if optional else subject
        terms.append(f"{value} == null" if others == [None] else f"{value} in {celtext.literal(others)}")
    if texts:
        value = f"{subject}.orValue('')" if optional else subject
        terms.append(celtext.like_any(f"string({value})" if CONTROLS[each.control].kind == "int" else value, texts))
    return "true" if "true" in terms else celtext.disjunction(terms)


def _volume(each: Exclusion) -> str:
    if each.control == "Volume Types":
        return celtext.conjunction([each.when, f"{celtext.text(VOLUMES[each.field])} in v"])
    return _term(each, "v.?hostPath.?path")


def _without(listed: str, variable: str, terms: Sequence[str]) -> str:
    """The items of a list that meet none of the terms."""
    gone = _any(terms)
    return listed if gone == "false" else f"{listed}.filter({variable}, {celtext.negation(celtext.enclose(gone))})"


def _host(name: str, given: Sequence[Exclusion], original: str) -> str:
    gone = _any([each.when for each in _valued(given) if each.field == f"spec.{name}" and True in each.values])
    value = f"{original}.?{name}.orValue(false)"
    return "false" if gone == "true" else celtext.conjunction([value, celtext.negation(celtext.enclose(gone))])


def _pod_context(given: Sequence[Exclusion], original: str) -> str:
    """The Pod's own security context: empty where it is excluded, since a Pod need not say anything itself."""
    context = f"{original}.?{_CONTEXT}.orValue({{}})"
    gone, edits = [whole(given)], []
    for each in _valued(given):
        path = each.field.removeprefix(f"spec.{_CONTEXT}.")
        if path in _EDITED:
            edits.append((each.when, path, each))
        elif path != each.field:
            gone.append(_term(each, celtext.optional(original, _CONTEXT, *path.split("."))))
    if edits:
        context = _edited(context, edits, ())
    condition = _any(gone)
    if condition in ("true", "false"):
        return "{}" if condition == "true" else context
    return f"{celtext.enclose(condition, '||')} ? dyn({{}}) : dyn({context})"


_Edit = tuple[str, str, Exclusion]
"""A condition, a field of a security context, and the exclusion of some of its values."""


def _containers(name: str, given: Sequence[Exclusion], allowed: Sequence[str], original: str) -> str:
    """The containers of a list, without those that are excluded, and without the values that are."""
    gone: list[str] = []
    edits: list[_Edit] = []
    ports: list[str] = []
    for each in given:
        if not each.images or each.containers not in ("", name):
            continue
        about = celtext.conjunction([each.when, celtext.like_any("c.?image.orValue('')", each.images)])
        path = each.field.removeprefix(f"{_CONTEXT}.")
        if not each.field:
            gone.append(about)
        elif path in _EDITED:
            edits.append((about, path, each))
        elif path.startswith("ports"):
            ports.append(celtext.conjunction([about, _meant("p.?hostPort", each)]))
        else:
            gone.append(celtext.conjunction([about, _meant(celtext.optional("c", *each.field.split(".")), each)]))
    listed = _without(f"{original}.?{name}.orValue([])", "c", gone)
    read = {}
    if ports:
        read["ports"] = _without("c.?ports.orValue([])", "p", ports)
    if edits:
        read[_CONTEXT] = _edited(f"c.?{_CONTEXT}.orValue({{}})", edits, allowed)
    return f"{listed}.map(c, {_map({'name': 'c.name', **read})})" if read else listed


def _edited(context: str, edits: Sequence[_Edit], allowed: Sequence[str]) -> str:
    """A security context with the fields that the control reads, of which what is excluded is taken out."""
    if edits[0][1].startswith("capabilities"):
        # Kyverno holds all capabilities of a container against each exclusion, and takes no two together.
        may = f" || a in {celtext.literal(list(allowed))}" if allowed else ""
        found = {}
        for name, more, excused in (("add", may, "[]"), ("drop", "", "['ALL']")):
            listed = f"{context}.?capabilities.?{name}.orValue([])"
            terms = [
                celtext.conjunction([when, f"{listed}.all(a, {_meant('a', each)}{more})"])
                for when, path, each in edits
                if path == f"capabilities.{name}"
            ]
            gone = _any(terms)
            found[name] = listed if gone == "false" else f"{celtext.enclose(gone, '||')} ? {excused} : {listed}"
        return _map({"capabilities": _map(found)})

    def terms_of(wanted: str, value: str) -> list[str]:
        return [celtext.conjunction([when, _meant(value, each)]) for when, path, each in edits if path == wanted]

    options = {}
    for name in ("type", "user", "role"):
        field = f"{context}.?seLinuxOptions.?{name}"
        value = f"{field}.orValue('')"
        gone = _any(terms_of(f"seLinuxOptions.{name}", field))
        options[name] = value if gone == "false" else f"{celtext.enclose(gone, '||')} ? '' : {value}"
    return _map({"seLinuxOptions": _map(options)})
