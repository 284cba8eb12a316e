"""How check and the server differ over a manifest, without what is out of scope, each kind of it with a reason.

What stands here stands in docs/conformance.md too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from tests.dryrun.answers import Answer, Refusal
from tests.dryrun.checked import checked
from tests.dryrun.comparing import differences, said
from tests.dryrun.corpus import File

OUT_OF_SCOPE = {
    "Namespaces that are not there": (
        r'namespaces "[^"]*" not found',
        "check takes every Namespace that a manifest names to be there",
    ),
    "classes that are not there": (
        r"no PriorityClass with name \S+ was found|RuntimeClass \"[^\"]*\" not found",
        "which classes a cluster has is not known to check",
    ),
    "kinds of groups that are not built in": (
        r'no matches for kind "[^"]*" in version "(?:stable\.example\.org|app)/',
        "which CustomResourceDefinitions a cluster has is not known to check: a note says that one is assumed",
    ),
}
"""Name -> what the server's text is like, and why check does not say so."""


def differing(file: File, answers: Mapping[str, Answer]) -> dict[str, list[str]]:
    """By name of the manifest, for those over which check and the server differ."""
    ours = checked(file)
    found = {
        each.name: list(differences(in_scope(answers[each.name]), ours[each.name], each.value))
        for each in file.manifests
    }
    return {name: texts for name, texts in found.items() if texts}


def in_scope(answer: Answer) -> Answer:
    """The answer without the parts of its refusal that are out of scope."""
    if answer.refusal is None or not any(name for text in said(answer.refusal) for name in out_of_scope(text)):
        return answer
    left = [text for text in said(answer.refusal) if not any(out_of_scope(text))]
    if not left:
        return replace(answer, refusal=None)
    causes = tuple((field, message) for field, message in answer.refusal.causes if f"{field}: {message}" in left)
    return replace(answer, refusal=Refusal(answer.refusal.code, answer.refusal.reason, answer.refusal.message, causes))


def out_of_scope(text: str) -> Iterator[str]:
    """The names of the kinds of refusals to which a text of the server belongs."""
    return (name for name, (pattern, _) in OUT_OF_SCOPE.items() if re.search(pattern, text))
