"""Names of bundles."""

from __future__ import annotations

import pytest

from webhook.bundle.reference import is_reference, parse

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "registry", "repository", "target"),
    [
        ("oci://ghcr.io/team/policies:v1", "ghcr.io", "team/policies", "v1"),
        ("oci://ghcr.io/team/policies", "ghcr.io", "team/policies", "latest"),
        (f"oci://ghcr.io/policies@{DIGEST}", "ghcr.io", "policies", DIGEST),
        (f"oci://ghcr.io/policies:v1@{DIGEST}", "ghcr.io", "policies", DIGEST),
        ("oci://localhost:5000/a/b/c:1.2_3-x", "localhost:5000", "a/b/c", "1.2_3-x"),
        ("oci://[::1]:5000/a:b", "[::1]:5000", "a", "b"),
    ],
)
def test_a_reference_is_read(text: str, registry: str, repository: str, target: str) -> None:
    found = parse(text)
    assert (found.registry, found.repository, found.target) == (registry, repository, target)
    assert parse(str(found)) == found


def test_names_of_files_have_the_beginning_of_a_digest() -> None:
    assert parse(f"oci://ghcr.io/policies@{DIGEST}").shown == "oci://ghcr.io/policies@sha256:0123456789ab"
    assert parse("oci://ghcr.io/policies:v1").shown == "oci://ghcr.io/policies:v1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ghcr.io/a:b", "expected oci://REGISTRY/REPOSITORY:TAG or oci://REGISTRY/REPOSITORY@sha256:DIGEST"),
        ("oci://ghcr.io", "'' is no repository"),
        ("oci:///a", "'' is no host of a registry"),
        ("oci://user:password@ghcr.io/a", "is no host of a registry"),
        ("oci://ghcr.io/../a:b", "'../a' is no repository"),
        ("oci://ghcr.io/A:b", "'A' is no repository"),
        ("oci://ghcr.io/a//b:c", "'a//b' is no repository"),
        ("oci://ghcr.io/a?x=y:b", "'a?x=y' is no repository"),
        ("oci://ghcr.io/a:b c", "'b c' is no tag"),
        ("oci://ghcr.io/a:", "'' is no tag"),
        ("oci://ghcr.io/a@sha256:12", "'sha256:12' is no digest; expected sha256: and 64 hexadecimal digits"),
        (f"oci://ghcr.io/a@{DIGEST.upper()}", "is no digest"),
        ("oci://ghcr.io/a@", "'' is no digest"),
        ("oci://" + "a" * 600, "expected oci://"),
    ],
)
def test_what_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"expected|is no") as error:
        parse(text)
    assert message in str(error.value)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(
    ("registry", "loopback"),
    [("localhost", True), ("localhost:1", True), ("127.0.0.1:1", True), ("127.8.9.1", True), ("[::1]:1", True),
     ("localhost.example", False), ("127.0.0.1.example:1", False), ("10.0.0.1", False), ("1", False)],
)  # fmt: skip
def test_loopback_is_known(registry: str, loopback: bool) -> None:
    assert parse(f"oci://{registry}/a:b").loopback is loopback


def test_a_folder_is_none() -> None:
    assert is_reference("oci://x/y") and not is_reference("./oci://x") and not is_reference("policies")
