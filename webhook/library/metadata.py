"""The metadata of a policy, from its annotations: title, category, severity, rationale, remedy, controls, its page.

`KEYS` and the constants beside it are the only schema of these annotations; docs/library.md documents them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from msgspec import Struct

from webhook.lazypatterns import lazily
from webhook.nearest import nearest
from webhook.policy.annotations import DESCRIPTION
from webhook.visible import visible

PREFIX: Final = "gatewright.dev/"
TITLE: Final = PREFIX + "title"
CATEGORY: Final = PREFIX + "category"
SEVERITY: Final = PREFIX + "severity"
RATIONALE: Final = PREFIX + "rationale"
REMEDIATION: Final = PREFIX + "remediation"
CONTROLS: Final = PREFIX + "controls"
URL: Final = PREFIX + "url"
KEYS: Final = (TITLE, DESCRIPTION, CATEGORY, SEVERITY, RATIONALE, REMEDIATION, CONTROLS, URL)
OPTIONAL: Final = (CONTROLS, URL)
"""What a policy of the library may lack."""

CATEGORIES: Final = (
    "pod-security", "workloads", "images", "resources", "network", "access", "secrets", "storage", "scheduling",
    "namespaces", "metadata", "gitops", "service-mesh", "eventing", "operators", "mutation",
)  # fmt: skip
SEVERITIES: Final = ("low", "medium", "high", "critical")
"""The least severe first."""
LONGEST_URL: Final = 1000
_URL: Final = lazily(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?([/?#][A-Za-z0-9._~:/?#!$&*+,;=%-]*)?")
"""An address without a user: it stands as a link in pages and comments. Brackets and quotes, which could end a link of
Markdown or HTML, are written as %28 and the like."""
MOST_SHOWN: Final = 100
"""The most controls of a policy that pages show."""


class Framework(Struct, frozen=True):
    """A catalogue of controls. `number`: the pattern of its numbers. `such_as`: an example of a number."""

    title: str
    number: re.Pattern[str]
    such_as: str


FRAMEWORKS: Final = {
    "CIS": Framework("CIS Kubernetes Benchmark 1.10", lazily(r"5(\.[0-9]{1,2}){2}"), "5.2.4"),
    "NSA-CISA": Framework(
        "NSA/CISA Kubernetes Hardening Guide", lazily(r"[a-z0-9]+(-[a-z0-9]+)*"), "non-root-containers"
    ),
    "NIST-800-53": Framework("NIST SP 800-53", lazily(r"[A-Z]{2}-[0-9]{1,2}(\([0-9]{1,2}\))?"), "AC-6"),
    "PCI-DSS": Framework("PCI DSS 4", lazily(r"[0-9]{1,2}(\.[0-9]{1,2}){1,3}"), "2.2.6"),
    "MITRE-ATTACK": Framework("MITRE ATT&CK for containers", lazily(r"T[0-9]{4}(\.[0-9]{3})?"), "T1611"),
    "PSS": Framework(
        "Pod Security Standards", lazily(r"(baseline|restricted)( [A-Za-z0-9/-]+)*"), "baseline HostPath Volumes"
    ),
}
"""The frameworks, by their names in annotations. A number has to match the whole pattern."""


class Control(Struct, frozen=True):
    """A control of a framework. `number`: as the framework writes it."""

    framework: str
    number: str

    def __str__(self) -> str:
        return f"{self.framework} {self.number}"


class Metadata(Struct, frozen=True):
    """The metadata of a policy. Texts and `controls` are empty if the annotation is missing or invalid. `url`: the
    page that explains it, with https or http."""

    title: str = ""
    description: str = ""
    category: str = ""
    severity: str = ""
    rationale: str = ""
    remediation: str = ""
    controls: tuple[Control, ...] = ()
    url: str = ""


def read(annotations: Mapping[str, str]) -> tuple[Metadata, list[str]]:
    """The metadata in the annotations of a policy of the library, and its faults: for each a text with the key, the
    value that was found and the expected one."""
    metadata, faults = stated(annotations)
    missing = [key for key in KEYS if key not in OPTIONAL and not annotations.get(key, "").strip()]
    problems = [f"{key}: is missing; every policy of the library has it" for key in missing]
    return metadata, [*problems, *(f"{key}: {fault}" for key, fault in faults)]


def stated(annotations: Mapping[str, str]) -> tuple[Metadata, list[tuple[str, str]]]:
    """The metadata that the annotations of a policy have, and the faults of these: the key, and what is wrong. None of
    them has to be there."""
    problems: list[tuple[str, str]] = []

    def text(key: str) -> str:
        return " ".join(annotations.get(key, "").split())

    def one_of(key: str, known: tuple[str, ...]) -> str:
        found = text(key)
        if not found or found in known:
            return found
        problems.append((key, f"{found!r} is unknown; {_expected(found, known)}"))
        return ""

    metadata = Metadata(
        title=text(TITLE),
        description=text(DESCRIPTION),
        category=one_of(CATEGORY, CATEGORIES),
        severity=one_of(SEVERITY, SEVERITIES),
        rationale=text(RATIONALE),
        remediation=text(REMEDIATION),
        controls=_controls(annotations.get(CONTROLS, ""), problems),
        url=_url(annotations.get(URL, ""), problems),
    )
    known = {key.removeprefix(PREFIX) for key in KEYS}
    for key in annotations:
        meant = nearest(key.removeprefix(PREFIX), known, 0.8) if key.startswith(PREFIX) and key not in KEYS else None
        if meant is not None:
            problems.append((visible(key), f"means nothing; did you mean {PREFIX}{meant}?"))
    return metadata, problems


@lru_cache(maxsize=4096)
def controls_of(text: str) -> tuple[Control, ...]:
    """The controls that an annotation names, sorted by framework and number: at most MOST_SHOWN, without invalid
    ones."""
    return _controls(text, [])[:MOST_SHOWN]


def control(text: str) -> Control:
    """The control that a text such as `CIS 5.2.4` names. Raises ValueError with the expected form."""
    framework, _, number = text.strip().partition(" ")
    number = " ".join(number.split())
    found = FRAMEWORKS.get(framework)
    if found is None:
        raise ValueError(f"{framework!r} is no framework; {_expected(framework, tuple(FRAMEWORKS))}")
    if not found.number.fullmatch(number):
        raise ValueError(
            f"{number!r} is no control of {framework} ({found.title}); expected a form such as "
            f"{framework} {found.such_as}"
        )
    return Control(framework, number)


def natural(number: str) -> list[tuple[int, str]]:
    """The key that sorts numbers of controls: 5.2.10 comes after 5.2.9."""
    parts = "".join(each if each.isdecimal() else f" {each} " for each in number).split()
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def is_page(url: str) -> bool:
    """Whether a text is the address of a page, and can stand as a link."""
    return len(url) <= LONGEST_URL and _URL.fullmatch(url) is not None


def _url(text: str, problems: list[tuple[str, str]]) -> str:
    found = text.strip()
    if not found or is_page(found):
        return found
    shown = visible(found if len(found) <= 100 else f"{found[:100]}…")
    problems.append(
        (
            URL,
            f"{shown!r} is no address of a page; expected one such as https://example.com/policies/image-tags, without "
            f"a user, brackets and quotes, of at most {LONGEST_URL:,} characters",
        )
    )
    return ""


def _controls(text: str, problems: list[tuple[str, str]]) -> tuple[Control, ...]:
    found = set(_read_controls(text, problems))
    return tuple(sorted(found, key=lambda each: (each.framework, natural(each.number))))


def _read_controls(text: str, problems: list[tuple[str, str]]) -> Iterator[Control]:
    for line in filter(None, map(str.strip, text.splitlines())):
        try:
            yield control(line)
        except ValueError as error:
            problems.append((CONTROLS, str(error)))


def _expected(found: str, known: tuple[str, ...]) -> str:
    meant = nearest(found, known)
    return f"did you mean {meant}?" if meant else f"expected one of {', '.join(known)}"
