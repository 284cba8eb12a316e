"""What policies say of themselves in annotations, and what is wrong with it."""

from __future__ import annotations

import pytest

from webhook.library import metadata
from webhook.library.metadata import FRAMEWORKS, Control, read

RIGHT = {
    "kubernetes.io/description": "Images have a tag.",
    "gatewright.dev/title": "Image tags",
    "gatewright.dev/category": "images",
    "gatewright.dev/severity": "high",
    "gatewright.dev/rationale": "What runs is known.\nAnd stays.",
    "gatewright.dev/remediation": "Name a tag.",
    "gatewright.dev/url": "https://wiki.example.com/policies/image-tags?a=1#why\n",
    "gatewright.dev/controls": "NIST-800-53 CM-2(3)\n\n  CIS 5.2.4\nCIS 5.2.4\n",
}


def test_what_is_valid_is_read() -> None:
    found, problems = read(RIGHT)
    assert problems == []
    assert (found.title, found.category, found.severity) == ("Image tags", "images", "high")
    assert (found.description, found.remediation) == ("Images have a tag.", "Name a tag.")
    assert found.url == "https://wiki.example.com/policies/image-tags?a=1#why"
    assert found.rationale == "What runs is known. And stays."
    assert found.controls == (Control("CIS", "5.2.4"), Control("NIST-800-53", "CM-2(3)"))


def test_controls_and_the_page_may_be_missing() -> None:
    found, problems = read({key: value for key, value in RIGHT.items() if key not in metadata.OPTIONAL})
    assert (found.controls, found.url, problems) == ((), "", [])


@pytest.mark.parametrize("key", [key for key in metadata.KEYS if key not in metadata.OPTIONAL])
def test_everything_else_may_not(key: str) -> None:
    for wrong in ({**RIGHT, key: " \n"}, {each: value for each, value in RIGHT.items() if each != key}):
        _, problems = read(wrong)
        assert problems == [f"{key}: is missing; every policy of the library has it"]


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("category", "image", "gatewright.dev/category: 'image' is unknown; did you mean images?"),
        ("category", "Images", "gatewright.dev/category: 'Images' is unknown; did you mean images?"),
        ("severity", "5", "gatewright.dev/severity: '5' is unknown; expected one of low, medium, high, critical"),
        ("severity", "hi\x1bgh", r"gatewright.dev/severity: 'hi\x1bgh' is unknown; did you mean high?"),
        ("controls", "CSI 5.2.4", "gatewright.dev/controls: 'CSI' is no framework; did you mean CIS?"),
        (
            "controls",
            "CIS v5.2",
            "gatewright.dev/controls: 'v5.2' is no control of CIS (CIS Kubernetes Benchmark 1.10); expected a form "
            "such as CIS 5.2.4",
        ),
        ("titel", "x", "gatewright.dev/titel: means nothing; did you mean gatewright.dev/title?"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_expected(key: str, value: str, problem: str) -> None:
    assert read({**RIGHT, f"gatewright.dev/{key}": value})[1] == [problem]


def test_a_policy_of_no_library_needs_none_of_it() -> None:
    assert metadata.stated({}) == (metadata.Metadata(), [])
    assert metadata.stated({metadata.SEVERITY: "5"})[1][0][0] == metadata.SEVERITY


@pytest.mark.parametrize(
    "url", ["https://example.com", "http://localhost:8080/a", "https://a.example/b%28c%29?d=e;f&g#h"]
)
def test_the_address_of_a_page(url: str) -> None:
    assert metadata.stated({metadata.URL: url}) == (metadata.Metadata(url=url), [])


@pytest.mark.parametrize(
    "url",
    [
        "wiki/tags", "javascript:alert(1)", "https:/example.com", "ftp://example.com", "HTTPS://", "https://user@example.com",
        "https://user:pass@example.com/", "https://example.com/a b", "https://example.com/a>b", "https://example.com/(a)",
        'https://example.com/"', "https://example.com\n<b>", "https://ex\u00e4mple.com/", "https://example.com:999999/",
        f"https://example.com/{'a' * metadata.LONGEST_URL}",
    ],
)  # fmt: skip
def test_what_is_no_address_is_left_out_and_said(url: str) -> None:
    found, problems = metadata.stated({metadata.URL: url})
    assert found.url == ""
    assert [(key, "is no address of a page; expected one such as" in fault) for key, fault in problems] == [
        (metadata.URL, True)
    ]
    assert all(len(fault) < 400 and fault.isprintable() for _, fault in problems)


def test_one_wrong_control_leaves_the_others() -> None:
    found, problems = read({**RIGHT, metadata.CONTROLS: "nothing\nMITRE-ATTACK T1611\nPCI-DSS 2"})
    assert found.controls == (Control("MITRE-ATTACK", "T1611"),)
    assert len(problems) == 2


def test_annotations_of_others_mean_nothing() -> None:
    assert read({**RIGHT, "example.com/title": "x", "gatewright.dev/owner": "y"})[1] == []


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_example_of_a_framework_is_a_control_of_it(framework: str) -> None:
    text = f"{framework} {FRAMEWORKS[framework].such_as}"
    assert str(metadata.control(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "CIS 5.2", "CIS 6.1.1", "NIST-800-53 ac-6", "NIST-800-53 AC-6(x)", "PCI-DSS 2", "PCI-DSS v4",
        "MITRE-ATTACK 1611", "PSS privileged", "NSA-CISA Non Root", "CIS", "", "cis 5.2.4",
    ],
)  # fmt: skip
def test_what_is_no_control_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|did you mean"):
        metadata.control(text)
