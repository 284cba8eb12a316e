"""validate.podSecurity -> the controls of the Pod Security Standards, of one level and version, for all Namespaces.

The controls are the library's: the variables and validations of pod-security-baseline and pod-security-restricted, with
the version fixed, and without the labels of Namespaces. What is excluded is taken out of the spec that a control
judges.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Final

from msgspec import Struct

from webhook.convert import celtext
from webhook.convert.kyverno import podviews
from webhook.convert.kyverno.context import Context, pod_of
from webhook.convert.kyverno.exempting import Exempted
from webhook.convert.kyverno.podcontrols import ALLOWED, ALWAYS, CONTROLS, WINDOWS, Exclusion, exclusions
from webhook.convert.model import JSONObject, Unsupported, listing, mapping
from webhook.convert.rules import POD_MAKERS, Kind
from webhook.convert.standard import Rule
from webhook.documents import reader
from webhook.lazypatterns import lazily
from webhook.library import catalog
from webhook.paths import Path

LEVELS: Final = {
    "privileged": ("baseline", "restricted"),
    "baseline": ("baseline",),
    "restricted": ("baseline", "restricted"),
}
"""A level -> the policies of the library that have its controls. Kyverno judges privileged as restricted."""

_KNOWN: Final = frozenset({"level", "version", "exclude"})
_VERSION: Final = lazily(r"v1\.(?P<minor>[0-9]{1,3})")
_OLDEST: Final = 19
_LATEST: Final = 34  # what Kyverno means by latest; a younger version lets more through
_VARIABLE: Final = lazily(r"\bvariables\.(?P<name>[A-Za-z_][A-Za-z0-9_]*)")
_VIOLATED: Final = lazily(r"variables\.(?P<name>[A-Za-z_][A-Za-z0-9_]*)\.size\(\) == 0")
_OF_PODS: Final = ("spec", "pod", "containers", "contexts")  # variables that are made of the spec


class Standard(Struct, frozen=True):
    """A policy of the library. variables: the name -> the expression. controls: the name of the variable with what
    violates a control -> its validation."""

    level: str
    variables: dict[str, str]
    controls: dict[str, JSONObject]


def about_pods(kinds: Iterable[Kind], at: Path) -> None:
    """Raises Unsupported if a rule is about something that neither is a Pod nor makes Pods as Kyverno knows it."""
    for each in kinds:
        known = each.kind in POD_MAKERS and not each.sub
        if not known and not (each.kind == "Pod" and each.sub in ("", "ephemeralcontainers")):
            expected = f"expected Pod, {', '.join(POD_MAKERS)}"
            raise Unsupported(f"podSecurity of the kind {each.kind}{each.sub and '/'}{each.sub}; {expected}", at)


def pod_security(
    given: Any, rule: Rule, context: Context, exempted: Sequence[Exempted], message: JSONObject, at: Path
) -> None:
    """Fill the rule with the controls of `podSecurity`. Raises Unsupported, with the place.

    exempted: exceptions that leave out controls. message: the fields of a validation that say the rule's own message.
    """
    asked = mapping(given, "podSecurity", at)
    if unknown := sorted(map(str, asked.keys() - _KNOWN)):
        raise Unsupported(f"podSecurity.{unknown[0][:60]}", (*at, unknown[0]))
    level = asked.get("level")
    if level not in LEVELS:
        raise Unsupported(f"the level {str(level)[:60]!r}: expected {', '.join(LEVELS)}", (*at, "level"))
    if level == "privileged":
        text = "the level privileged is judged as restricted, as Kyverno does (1.19): leave the rule out to allow all"
        context.differs((*at, "level"), text)
    version, minor = _version(asked.get("version"), (*at, "version"))
    place = (*at, "exclude")
    given_up = exclusions(listing(asked.get("exclude"), "exclude", place), place, context.differs)
    for number, each in enumerate(exempted, 1):
        name = f"exempted{number}"
        rule.variables.append((name, celtext.embedded(each.condition)))
        given_up += [_when(one, f"variables.{name}") for one in each.controls]
    found = _Written(rule, context, version, minor, given_up)
    for name in LEVELS[level]:
        standard = library(name)
        for variable, validation in standard.controls.items():
            if written := found.control(standard, variable, validation, message):
                rule.validations.append(written)
    if not rule.validations:
        rule.validations.append({"expression": "true"})  # nothing is asked: the level privileged, or all excluded
    own = {CONTROL_OF.get(variable) for name in LEVELS[level] for variable in library(name).controls}
    for control in dict.fromkeys(one.control for one in given_up if one.control not in own):
        context.differs(place, f"the control {control} is none of the level {level}: excluding it changes nothing")


CONTROL_OF: Final = {variable: name for name, control in CONTROLS.items() for variable in control.variables}
"""A variable of the library -> the name of the control that it is of."""


def _when(one: Exclusion, condition: str) -> Exclusion:
    return Exclusion(one.control, one.images, one.containers, one.field, one.values, condition)


def _version(given: Any, at: Path) -> tuple[str, int]:
    """The version as the standard writes it, and its minor number."""
    if given is None or given == "latest":
        return "latest", _LATEST
    found = _VERSION.fullmatch(given) if isinstance(given, str) else None
    if found is None or int(found["minor"]) < _OLDEST:
        expected = f"expected latest, or v1.{_OLDEST} and later"
        raise Unsupported(f"the version {str(given)[:60]!r} of podSecurity: {expected}", at)
    return f"v1.{int(found['minor'])}", int(found["minor"])


@cache
def library(level: str) -> Standard:
    """The policy of a level in the library that is shipped."""
    file = catalog.shipped() / f"pod-security-{level}" / catalog.CEL
    documents, problems = reader.read([str(file)])
    if problems or len(documents) != 1:
        raise Unsupported(f"the library's policy pod-security-{level} cannot be read")
    spec: Any = documents[0].value["spec"]
    controls = {}
    for each in spec["validations"]:
        found = _VIOLATED.fullmatch(each["expression"].strip())
        if found is None:
            raise Unsupported(f"the library's policy pod-security-{level} has a validation of another form")
        controls[found["name"]] = each
    return Standard(level, {each["name"]: each["expression"] for each in spec["variables"]}, controls)


class _Written:
    """Writes the variables that the controls of a rule need, each once, before those that use it."""

    def __init__(self, rule: Rule, context: Context, version: str, minor: int, given: Sequence[Exclusion]) -> None:
        self._rule, self._given = rule, given
        template = f"dyn({context.root})" if context.root == "variables.pod" else pod_of("dyn(object)")
        self._heads = {
            "version": celtext.text(version),
            "minor": str(minor),
            "template": f"object == null ? dyn({{}}) : {template}" if context.deletes else template,
        }
        if minor < WINDOWS:
            self._heads["windows"] = "false"
        self._minor = minor
        self._names: dict[str, str] = {}  # an expression -> the variable that has it

    def control(self, of: Standard, variable: str, validation: JSONObject, message: JSONObject) -> JSONObject | None:
        """The validation of a control; None if the whole of it is excluded."""
        own = [each for each in self._given if each.control == CONTROL_OF.get(variable)]
        reads = podviews.READS.get(variable, "containers")
        excused = podviews.whole(own) if reads != "containers" else "false"
        if excused == "true":
            return None
        if own:
            judged = self._narrowed(of, variable, reads, own)
        elif self._minor < ALWAYS.get(variable, 0):
            judged = self._add(variable, of, _renamed(of.variables[variable], self._reader(of, variable)))
        else:
            judged = self._defined(of, variable)

        def rename(name: str) -> str:
            return judged if name == variable else self._defined(of, name)

        expression = celtext.implies(celtext.negation(excused), _renamed(validation["expression"].strip(), rename))
        said = _renamed(validation["messageExpression"].strip(), rename)
        written: JSONObject = {"expression": expression, "messageExpression": said, "reason": validation["reason"]}
        if message:
            stated = message.get("messageExpression")
            before = f"{celtext.enclose(stated)} + ': '" if stated else celtext.text(f"{message['message']}: ")
            written |= {"message": message["message"], "messageExpression": f"{before} + {celtext.enclose(said)}"}
        return written

    def _defined(self, of: Standard, name: str) -> str:
        """The variable as the library has it, with the head of this rule."""
        if name in self._heads:
            return self._add(name, of, self._heads[name])
        return self._add(name, of, _renamed(of.variables[name], lambda each: self._defined(of, each)))

    def _narrowed(self, of: Standard, variable: str, reads: podviews.Reads, own: Sequence[Exclusion]) -> str:
        """The variable of a control that judges a spec without what is excluded."""

        def view(name: str) -> str:
            if name not in _OF_PODS:
                return self._defined(of, name)
            if name == "spec":
                expression = podviews.spec(
                    reads, own, ALLOWED.get(variable, ()), f"variables.{self._defined(of, name)}"
                )
            else:
                expression = _renamed(of.variables[name], view)
            return self._add(f"{variable}{name[0].upper()}{name[1:]}", of, expression)

        through = podviews.THROUGH[reads]
        read = self._reader(of, variable)
        expression = _renamed(of.variables[variable], lambda name: view(name) if name in through else read(name))
        return self._add(variable, of, expression)

    def _reader(self, of: Standard, variable: str) -> Callable[[str], str]:
        """How a variable with a control reads others, where that is not as the library has it."""

        def read(name: str) -> str:
            if name == "minor" and self._minor < ALWAYS.get(variable, 0):
                return self._add("minorOfHosts", of, str(ALWAYS[variable]))
            if name == "pod" and variable == "seccomp":
                return self._add("inherited", of, podviews.inherited(f"variables.{self._defined(of, name)}"))
            return self._defined(of, name)

        return read

    def _add(self, name: str, of: Standard, expression: str) -> str:
        """The variable with an expression: the one that already exists, or a new one. Names may be taken."""
        expression = expression.strip()
        if expression not in self._names:
            taken = {each for each, _ in self._rule.variables}
            if name in taken:
                name = f"{of.level}{name[0].upper()}{name[1:]}"
            while name in taken:
                name += "_"
            self._rule.variables.append((name, expression))
            self._names[expression] = name
        return self._names[expression]


def _renamed(expression: str, rename: Callable[[str], str]) -> str:
    """The expression with other names of variables."""

    def renamed(found: re.Match[str]) -> str:
        return f"variables.{rename(found['name'])}"

    return _VARIABLE.sub(renamed, expression)
