"""Kubernetes' format library: named formats of text, with the API server's error texts.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-format-library. The rules are those of
k8s.io/apimachinery (pkg/util/validation, pkg/api/validate/content) and of kube-openapi's strfmt.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from typing import Any

from webhook.cel.cost import costs, estimates
from webhook.cel.cost.estimates import Estimate, Sizes
from webhook.cel.library.declaring import Library, Overload, function, method
from webhook.cel.library.re2 import compiled
from webhook.cel.library.url import URLError, parse_request_uri
from webhook.cel.tree.ast import Expr
from webhook.cel.tree.errors import no_such_overload
from webhook.cel.value.values import NONE, Optional
from webhook.lazypatterns import lazily

Check = Callable[[str], list[str]]
"""The faults of a text; empty if it has the format."""


class NamedFormat:
    """A format. Formats with the same name are equal."""

    __slots__ = ("charged_length", "check", "name")
    cel_type = "kubernetes.NamedFormat"
    go_type = "cel.Format"
    cel_key = ""

    def __init__(self, name: str, check: Check, charged_length: int) -> None:
        """charged_length: the length of the API server's pattern, which determines the cost of a check."""
        self.name = name
        self.check = check
        self.charged_length = charged_length

    def __eq__(self, other: object) -> bool:
        if type(other) is not NamedFormat:
            raise no_such_overload()
        return self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"format.{self.name}"


def _size(text: str) -> int:
    return len(text.encode())


def regex_error(message: str, pattern: str, *examples: str) -> str:
    """The text for a text that does not match a pattern, with examples of some that do."""
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{message} ({'e.g. ' if examples else ''}{shown}regex used for validation is '{pattern}')"


_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_NAME = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_NAME})?"
_LABEL_WORDS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character"
)
_SUBDOMAIN_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character"
)
_LABEL_1035_WORDS = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character"
)
_NAME_WORDS = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_VALUE_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character"
)


def _has(text: str, pattern: str) -> bool:
    return compiled(pattern).fullmatch(text) is not None


def dns_label(text: str) -> list[str]:
    """The faults of a DNS label (RFC 1123)."""
    found = ["must be no more than 63 characters"] if _size(text) > 63 else []
    if not _has(text, _LABEL):
        dotted = _has(text, _SUBDOMAIN)
        words = regex_error(_LABEL_WORDS, _LABEL, "my-name", "123-abc")
        found.append("must not contain dots" if dotted else words)
    return found


def dns_subdomain(text: str) -> list[str]:
    """The faults of a DNS subdomain (RFC 1123)."""
    found = ["must be no more than 253 characters"] if _size(text) > 253 else []
    if not _has(text, _SUBDOMAIN):
        found.append(regex_error(_SUBDOMAIN_WORDS, _SUBDOMAIN, "example.com"))
    return found


def dns_1035_label(text: str) -> list[str]:
    """The faults of a DNS label that begins with a letter (RFC 1035)."""
    found = ["must be no more than 63 characters"] if _size(text) > 63 else []
    if not _has(text, _LABEL_1035):
        found.append(regex_error(_LABEL_1035_WORDS, _LABEL_1035, "my-name", "abc-123"))
    return found


def qualified_name(text: str) -> list[str]:
    """The faults of a qualified name, the key of a label or annotation."""
    found: list[str] = []
    words = regex_error(_NAME_WORDS, _NAME, "MyName", "my.name", "123-abc")
    prefix, slash, name = text.partition("/")
    if "/" in name:
        return [f"a valid label key {words} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    if slash:
        found += ["prefix part must be non-empty"] if not prefix else []
        found += [f"prefix part {each}" for each in dns_subdomain(prefix)] if prefix else []
    else:
        name = prefix
    if not name:
        found.append("name part must be non-empty")
    elif _size(name) > 63:
        found.append("name part must be no more than 63 bytes")
    if not _has(name, _NAME):
        found.append(f"name part {words}")
    return found


def label_value(text: str) -> list[str]:
    """The faults of the value of a label."""
    found = ["must be no more than 63 bytes"] if _size(text) > 63 else []
    if not _has(text, _VALUE):
        found.append(regex_error(_VALUE_WORDS, _VALUE, "MyValue", "my_value", "12345"))
    return found


def as_prefix(check: Check) -> Check:
    """The check of a prefix of a name, such as generateName, which may end with a dash.

    For a text with a dash at the end, the API server replaces the last two bytes before the check.
    """

    def checked(text: str) -> list[str]:
        encoded = text.encode()
        if len(encoded) > 1 and text.endswith("-"):
            text = (encoded[:-2] + b"a").decode(errors="replace")
        return check(text)

    return checked


def _uri(text: str) -> list[str]:
    try:
        parse_request_uri(text)
    except URLError as error:
        return [str(error)]
    return []


_UUID = r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
_BASE64 = r"(?:[A-Za-z0-9+\/]{4})*(?:[A-Za-z0-9+\/]{2}==|[A-Za-z0-9+\/]{3}=|[A-Za-z0-9+\/]{4})"
_DATE = lazily(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TIME = lazily(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))")


def _matches(pattern: str, words: str) -> Check:
    return lambda text: [] if _has(text, pattern) else [words]


def is_date(text: str) -> bool:
    """Whether the text is a date as YYYY-MM-DD."""
    match = _DATE.fullmatch(text)
    if match is None:
        return False
    year, month, day = map(int, match.groups())
    # The calendar repeats after 400 years, and Go has a year 0.
    return 1 <= month <= 12 and 1 <= day <= monthrange(year % 400 + 400, month)[1]


def _date(text: str) -> list[str]:
    return [] if is_date(text) else ["invalid date"]


def is_datetime(text: str) -> bool:
    """Whether the text is a date and time of RFC 3339."""
    date, *rest = text.lower().split("t")
    match = _TIME.fullmatch(rest[0]) if rest and is_date(date) else None
    return match is not None and match[1] <= "23" and match[2] <= "59" and match[3] <= "59"


def _datetime(text: str) -> list[str]:
    return [] if is_datetime(text) else ["invalid datetime"]


# name in CEL -> (format, documentation, an example text)
_FORMATS: dict[str, tuple[NamedFormat, str, str]] = {
    "dns1123Label": (NamedFormat("DNS1123Label", dns_label, 30), "A DNS label: the name of a Service.", "my-name"),
    "dns1123Subdomain": (
        NamedFormat("DNS1123Subdomain", dns_subdomain, 60),
        "DNS labels separated by dots: the name of most objects.",
        "my.name",
    ),
    "dns1035Label": (
        NamedFormat("DNS1035Label", dns_1035_label, 30),
        "A DNS label that begins with a letter.",
        "my-name",
    ),
    "qualifiedName": (
        NamedFormat("QualifiedName", qualified_name, 60),
        "The key of a label or annotation: a name with an optional prefix, a DNS subdomain and a slash.",
        "example.com/MyName",
    ),
    "dns1123LabelPrefix": (
        NamedFormat("DNS1123LabelPrefix", as_prefix(dns_label), 30),
        "The prefix of a DNS label, which may end with a dash.",
        "my-name-",
    ),
    "dns1123SubdomainPrefix": (
        NamedFormat("DNS1123SubdomainPrefix", as_prefix(dns_subdomain), 60),
        "The prefix of a DNS subdomain, which may end with a dash.",
        "my.name-",
    ),
    "dns1035LabelPrefix": (
        NamedFormat("DNS1035LabelPrefix", as_prefix(dns_1035_label), 30),
        "The prefix of a DNS label that begins with a letter.",
        "my-name-",
    ),
    "labelValue": (NamedFormat("LabelValue", label_value, 40), "The value of a label.", "my_value"),
    "uri": (
        NamedFormat("URI", _uri, 1103),
        "An absolute URI or an absolute path, as `isURL` accepts it.",
        "https://a.io/b",
    ),
    "uuid": (
        NamedFormat("uuid", _matches(_UUID, "does not match the UUID format"), 70),
        "A UUID. Its dashes are optional.",
        "123e4567-e89b-12d3-a456-426614174000",
    ),
    "byte": (NamedFormat("byte", _matches(_BASE64, "invalid base64"), 84), "Base64 with padding.", "aGVsbG8="),
    "date": (NamedFormat("date", _date, 71), "A date as YYYY-MM-DD.", "2026-02-28"),
    "datetime": (NamedFormat("datetime", _datetime, 71), "A date and time of RFC 3339.", "2026-02-28T12:00:00Z"),
}


def _named(name: str) -> Optional:
    found = _FORMATS.get(name)
    return NONE if found is None else Optional(found[0])


def _validate(named: NamedFormat, text: str) -> Optional:
    found = named.check(text)
    return Optional(found) if found else NONE


_LONGEST = max(named.charged_length for named, _, _ in _FORMATS.values())


def _matched(named: Any, text: Any) -> int:
    """A tenth of the size of the text times a quarter of that of the format's pattern in the API server."""
    return costs.matched(text, named.charged_length if type(named) is NamedFormat else _LONGEST)


_PATTERN = 128  # characters: the API server does not ask which format it is


def _estimated(sizes: Sizes, _: Expr, text: Expr) -> Estimate:
    return Estimate(sizes.size(text).scaled(estimates.TRAVERSAL).scaled(_PATTERN * estimates.PATTERN))


def _constant(name: str, named: NamedFormat, doc: str, example: str) -> Overload:
    return function(
        f"format.{name}",
        f"-> {_F}",
        lambda: named,
        doc,
        f"!format.{name}().validate('{example}').hasValue() && format.{name}().validate('?').hasValue()",
    )


_F = "kubernetes.NamedFormat"
LIBRARY = Library(
    "format",
    (1, 31),
    (
        function(
            "format.named",
            f"string -> optional_type({_F})",
            _named,
            "The format of a name (dns1123Label, uuid and the others below); absent if there is none.",
            "format.named('uuid').hasValue() && !format.named('nope').hasValue()",
        ),
        *(_constant(name, *described) for name, described in _FORMATS.items()),
        method(
            "validate",
            f"{_F}, string -> optional_type(list(string))",
            _validate,
            "The API server's error texts for a text; absent if it has the format.",
            "format.date().validate('2026-02-30').value() == ['invalid date']",
            cost=_matched,
            estimate=_estimated,
        ),
    ),
    opaque={_F: NamedFormat},
)
