"""Compiles converted policies as loading does, and removes those that the API server would refuse.

What was generated is made smaller first; the author's own CEL stays as it is written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from webhook.convert import celtext
from webhook.convert.kyverno import celautogen
from webhook.convert.model import JSONObject, Outcome, Unsupported
from webhook.convert.rules import POD_MAKERS
from webhook.convert.simplify import smallerpolicies
from webhook.convert.standard import MUTATING
from webhook.lazypatterns import lazily
from webhook.paths import Path
from webhook.policy.load.made import mutating_policy, validating_policy
from webhook.policy.written import model, refusals
from webhook.schema.kinds import Kinds
from webhook.versions import Version

_UNDECLARED: Final = lazily(r"undeclared reference to '(?P<name>[A-Za-z0-9_.]{1,80})'")
_OF_KYVERNO: Final = frozenset(
    {
        "exceptions", "generator", "globalContext", "gzip", "hash", "http", "image", "images", "json", "listObjToMap",
        "math", "md5", "now", "parseServiceAccount", "random", "resource", "sha1", "sha256", "time", "user", "x509",
        "yaml",
    }
)  # fmt: skip


def simplify(outcome: Outcome, kinds: Kinds, target: Version) -> None:
    """Make the expressions smaller that conversion has written. A policy that would not compile then stays as it is."""
    foreign = _author(outcome)
    for index, policy in enumerate(outcome.policies):
        made = smallerpolicies.smaller(policy, foreign, kinds, target)
        if made != policy and not list(_faults(made, outcome, target)):
            outcome.policies[index] = made


def without_unused(outcome: Outcome, own: Callable[[str], bool]) -> None:
    """Take out the variables that nothing uses. own: whether the author wrote the variable of a name."""
    for policy in outcome.policies:
        smallerpolicies.without_unused(policy["spec"], lambda each: own(each["name"]))


def _author(outcome: Outcome) -> Callable[[str], bool]:
    """Whether an expression holds CEL of the foreign policy: of validate.cel and celPreconditions, as it is written or
    as it is rewritten for the controllers of Pods."""
    spec = outcome.document.value.get("spec")
    rules = spec.get("rules") if isinstance(spec, dict) else None
    texts: list[str] = []
    for each in rules if isinstance(rules, list) else ():
        if isinstance(each, dict):
            validated = each.get("validate")
            written = [validated.get("cel") if isinstance(validated, dict) else None, each.get("celPreconditions")]
            for part in celautogen.parts(POD_MAKERS) if any(written) else ():
                _collect(part.rewritten(written), texts)
    return lambda expression: any(each in expression for each in texts)


def _collect(value: Any, into: list[str]) -> None:
    """The texts in a value, as they are and as they are embedded in another expression."""
    if isinstance(value, str):
        into.append(value)
        with contextlib.suppress(Unsupported):
            into.append(celtext.embedded(value))
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _collect(each, into)


def keep_what_compiles(outcome: Outcome, target: Version) -> None:
    """Remove the policies that do not compile, and their bindings. Notes the reason for each."""
    for policy in list(outcome.policies):
        name = policy["metadata"]["name"]
        faults = list(_faults(policy, outcome, target))
        if not faults:
            continue
        outcome.policies.remove(policy)
        outcome.bindings = [each for each in outcome.bindings if each["spec"]["policyName"] != name]
        rule = ""
        for own, made in list(outcome.rules.items()):
            if name in made:
                made.remove(name)
                rule = own
        path, message = faults[0]
        text = f"{'.'.join(map(str, path))}: {said(message)}"
        place = _written(outcome.document.value, _value(policy, path)) or _place(outcome, rule)
        outcome.refuse(place, f"{f'rule {rule}: ' if rule else ''}{text}")


def without_wrong_messages(outcome: Outcome, target: Version) -> None:
    """Replace the messageExpressions that do not compile by a message: Gatekeeper ignores them."""
    for policy in outcome.policies:
        wrong = [(path, text) for path, text in _faults(policy, outcome, target) if path[-1:] == ("messageExpression",)]
        for path, text in wrong:
            if _value(policy, path[:-1]).pop("messageExpression", None) is not None:
                outcome.differs(("spec",), f"a messageExpression does not compile, so it has no effect: {said(text)}")


def said(message: str) -> str:
    """The reason why an expression does not compile. A function that Kyverno adds to CEL is named as such."""
    found = _UNDECLARED.match(message)
    if found and found["name"].partition(".")[0] in _OF_KYVERNO:
        return f"{found['name']} is in Kyverno's CEL, but not in that of Kubernetes"
    return message


def _value(value: Any, path: Path) -> Any:
    """The value at a path of a converted policy; None if there is none."""
    for each in path:
        if isinstance(value, dict) and each in value:
            value = value[each]
        elif isinstance(value, list) and str(each).isdigit() and int(each) < len(value):
            value = value[int(each)]
        else:
            return None
    return value


def _written(source: Any, text: Any, at: Path = ()) -> Path:
    """The place of a text, such as an expression, in the foreign policy. () if it is not there, or is a single word."""
    if not isinstance(text, str) or text.isalnum():
        return ()
    pairs = source.items() if isinstance(source, dict) else enumerate(source) if isinstance(source, list) else ()
    for key, each in pairs:
        if each == text or (isinstance(each, str) and text in celautogen.forms(each)):
            return (*at, key)
        if isinstance(each, dict | list) and (found := _written(each, text, (*at, key))):
            return found
    return ()


def _place(outcome: Outcome, rule: str) -> Path:
    rules = (outcome.document.value.get("spec") or {}).get("rules") if rule else None
    for index, each in enumerate(rules if isinstance(rules, list) else []):
        if isinstance(each, dict) and each.get("name") == rule:
            return ("spec", "rules", index)
    return ("spec",)


def _faults(policy: JSONObject, outcome: Outcome, target: Version) -> Iterator[tuple[Path, str]]:
    """The reasons why the API server would refuse a policy."""
    mutating = policy["kind"] == MUTATING
    if mutating:
        mutation, faults = model.decode(model.MutatingAdmissionPolicy, policy)
        yield from faults
        if faults:
            return
        yield from refusals.of_mutating_policy(mutation)
        _, issues = mutating_policy(mutation, target, outcome.document.stream, outcome.document.line)
    else:
        validation, faults = model.decode(model.ValidatingAdmissionPolicy, policy)
        yield from faults
        if faults:
            return
        yield from refusals.of_policy(validation)
        _, issues = validating_policy(validation, target, outcome.document.stream, outcome.document.line)
    for path, issue in issues:
        yield path, issue.message
