"""The client of registries against one that answers as badly as it can."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.bundle.registries import REPOSITORY, Answering, Handler, answering, artifact
from webhook.bundle.artifact import Descriptor, described, digest_of
from webhook.bundle.registry import Access, Registry, RegistryError

ABSENT = "sha256:" + "0" * 64
BASIC = base64.b64encode(b"jane:secret").decode()


@pytest.fixture
def registry() -> Iterator[Answering]:
    with answering() as held:
        yield held


@pytest.fixture
def login(tmp_path: Path, registry: Answering) -> Access:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"auths": {registry.address: {"auth": BASIC}}}))
    return Access(config=file)


NOBODY = Access(config=Path("/nonexistent/config.json"))


def client(registry: Answering, access: Access = NOBODY, *, push: bool = False, seconds: float = 10.0) -> Registry:
    return Registry(registry.reference(), access, seconds=seconds, push=push)


def test_manifests_and_blobs_are_read(registry: Answering) -> None:
    bundle = registry.hold(artifact(), "v1")
    assert client(registry).manifest("v1") == client(registry).manifest(bundle.digest) == bundle.manifest
    assert client(registry).blob(described(bundle.manifest).layer) == bundle.layer


def test_what_is_missing_is_said_to_be(registry: Answering) -> None:
    with pytest.raises(
        RegistryError, match=rf"there is no v2 in {registry.address}/team/policies \(404 UNKNOWN: no such"
    ) as error:
        client(registry).manifest("v2")
    assert error.value.missing
    with pytest.raises(RegistryError, match=f"has no blob {ABSENT} "):
        client(registry).blob(Descriptor(digest=ABSENT, size=1))
    assert client(registry).referrers(ABSENT) == []


@pytest.mark.parametrize(
    ("status", "body", "headers", "message"),
    [
        (500, b"", {}, "answered 500"),
        (
            503,
            b'{"errors":[{"code":"UNAVAILABLE","message":"down\\u001b[1m"}]}',
            {},
            r"answered 503 UNAVAILABLE: down\\x1b",
        ),
        (429, b"", {}, r"takes no more requests now \(429\)$"),
        (429, b"", {"Retry_After": "17"}, r"takes no more requests now \(429\); try again after 17 s"),
        (429, b"", {"Retry_After": "x\x1b"}, r"takes no more requests now \(429\)$"),
        (403, b"{}", {}, r"not allowed to read it \(403\); credentials are read from /nonexistent/config.json"),
        (401, b"", {}, r"not allowed to read it \(401\)"),
        (401, b"", {"WWW_Authenticate": "Negotiate"}, r"not allowed to read it \(401\)"),
        (401, b"", {"WWW_Authenticate": 'Basic realm="x"'}, r"not allowed to read it \(401\)"),
        (401, b"", {"WWW_Authenticate": 'Bearer realm="ftp://x/"'}, "leads to ftp://x/; expected a URL with https"),
        (401, b"", {"WWW_Authenticate": 'Bearer realm="http://x.example/"'}, "leads to http://x.example/; expected"),
        (204, b"", {}, "answered 204"),
        (200, b"[" * 100, {"Docker_Content_Digest": ABSENT}, f"has the digest sha256:[0-9a-f]*, not {ABSENT}"),
        (200, b"x" * ((1 << 20) + 1), {}, "sent more than 1,048,576 bytes"),
        (500, b"x" * ((1 << 20) + 1), {}, "sent more than 1,048,576 bytes"),
        (500, b'{"errors":[[]]}', {}, "answered 500$"),
    ],
)
def test_a_bad_answer_is_an_error(
    registry: Answering, status: int, body: bytes, headers: dict[str, str], message: str
) -> None:
    registry.instead = lambda handler: handler.answer(status, body, **headers)
    with pytest.raises(RegistryError, match=message) as error:
        client(registry).manifest("v1")
    assert not error.value.missing
    assert len(registry.asked) <= 2


def test_another_manifest_than_the_digest_names(registry: Answering) -> None:
    one, two = registry.hold(artifact()), artifact(("c.yaml", b""))
    registry.manifests[one.digest] = two.manifest
    with pytest.raises(RegistryError, match=f"the manifest of {one.digest} has the digest {two.digest}, not"):
        client(registry).manifest(one.digest)


def test_another_blob_than_the_digest_names(registry: Answering) -> None:
    bundle = registry.hold(artifact())
    layer = described(bundle.manifest).layer
    registry.blobs[layer.digest] = bundle.layer[:-1]
    with pytest.raises(RegistryError, match=r"has 10,239 bytes, not 10,240"):
        client(registry).blob(layer)
    registry.blobs[layer.digest] = bundle.layer[:-1] + b"x"
    with pytest.raises(RegistryError, match=f"the blob {layer.digest} has the digest "):
        client(registry).blob(layer)
    registry.blobs[layer.digest] = bundle.layer * 8
    with pytest.raises(RegistryError, match="sent more than 65,536 bytes"):
        client(registry).blob(layer)


def test_half_a_blob(registry: Answering) -> None:
    layer = described(registry.hold(artifact()).manifest).layer

    def half(handler: Handler) -> bool:
        handler.close_connection = True
        return handler.answer(200, b"x" * 5, Content_Length="10240")

    registry.instead = half
    with pytest.raises(RegistryError, match=r"the answer broke off|sent 5 of 10240 bytes"):
        client(registry).blob(layer)


def test_all_requests_together_are_bounded_in_time(registry: Answering) -> None:
    def slow(handler: Handler) -> bool:
        import time

        time.sleep(0.3)
        return handler.answer(307, Location=f"/v2/{REPOSITORY}/manifests/{len(registry.asked)}")

    registry.instead = slow
    with pytest.raises(RegistryError, match=r"did not answer within 0.5 s"):
        client(registry, seconds=0.5).manifest("v1")
    assert len(registry.asked) <= 3


# Redirects


def test_a_redirect_gets_no_credentials_of_the_registry(registry: Answering, login: Access) -> None:
    bundle = artifact()
    with answering() as storage:
        storage.instead = lambda handler: handler.answer(200, bundle.manifest)

        def redirect(handler: Handler) -> bool:
            if handler.headers.get("Authorization") != f"Basic {BASIC}":
                return handler.answer(401, WWW_Authenticate='Basic realm="x"')
            return handler.answer(307, Location=f"http://{storage.address}/blob?signature=s3")

        registry.instead = redirect
        assert client(registry, login).manifest("v1") == bundle.manifest
        assert storage.asked == [("GET", "/blob?signature=s3", None)]
    assert [authorization for _, _, authorization in registry.asked] == [None, f"Basic {BASIC}"]


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("", "more than 5 redirects"),
        ("/v2/{repository}/manifests/v1", "more than 5 redirects"),
        ("file:///etc/passwd", "leads to file:///etc/passwd; expected a URL with https"),
        (
            "http://metadata.example/latest?secret=1",
            "leads to http://metadata.example/latest; expected a URL with https",
        ),
    ],
)
def test_a_redirect_goes_nowhere_else(registry: Answering, location: str, message: str) -> None:
    target = location.format(repository=REPOSITORY)
    registry.instead = lambda handler: handler.answer(302, Location=target)
    with pytest.raises(RegistryError) as error:
        client(registry).manifest("v1")
    assert message in str(error.value) and "secret" not in str(error.value)


# Tokens


def tokens(registry: Answering, body: bytes = b'{"token":"t0"}', status: int = 200) -> None:
    """Ask for a token, which the path /token of the registry gives out."""

    def instead(handler: Handler) -> bool:
        if handler.path.startswith("/token"):
            return handler.answer(status, body)
        if handler.headers.get("Authorization") == "Bearer t0":
            return False
        challenge = f'Bearer realm="http://{registry.address}/token",service="the registry",scope="ignored"'
        return handler.answer(401, WWW_Authenticate=challenge)

    registry.instead = instead


@pytest.mark.parametrize("body", [b'{"token":"t0"}', b'{"access_token":"t0","expires_in":60}'])
def test_a_token_is_fetched_once(registry: Answering, login: Access, body: bytes) -> None:
    bundle = registry.hold(artifact(), "v1")
    tokens(registry, body)
    own = client(registry, login)
    assert own.manifest("v1") == bundle.manifest
    assert own.blob(described(bundle.manifest).layer) == bundle.layer
    asked = [(path, authorization) for _, path, authorization in registry.asked]
    query = parse_qs(urlsplit(asked[1][0]).query)
    assert query == {"service": ["the registry"], "scope": ["repository:team/policies:pull"]}
    assert [authorization for _, authorization in asked] == [None, f"Basic {BASIC}", "Bearer t0", "Bearer t0"]


def test_a_token_without_credentials(registry: Answering) -> None:
    registry.hold(artifact(), "v1")
    tokens(registry)
    client(registry).manifest("v1")
    assert [authorization for _, _, authorization in registry.asked] == [None, None, "Bearer t0"]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 401, r"not allowed to read it \(401\)"),
        (b'{"errors":[{"code":"DENIED"}]}', 403, r"not allowed to read it \(403 DENIED\)"),
        (b"{}", 200, "sent no token"),
        (b"x", 200, "sent no token"),
        (b'{"token":"a\\r\\nX: y"}', 200, "sent no token"),
        (b'{"token":"wrong"}', 200, r"not allowed to read it \(401\)"),
        (b'{"token":"' + b"x" * (64 << 10) + b'"}', 200, "sent more than 65,536 bytes"),
    ],
)
def test_a_token_that_does_not_come(registry: Answering, body: bytes, status: int, message: str) -> None:
    tokens(registry, body, status)
    with pytest.raises(RegistryError, match=message):
        client(registry).manifest("v1")
    assert len(registry.asked) <= 3


def test_a_password_is_in_no_message(registry: Answering, login: Access) -> None:
    registry.instead = lambda handler: handler.answer(401, WWW_Authenticate='Basic realm="x"')
    with pytest.raises(RegistryError) as error:
        client(registry, login).manifest("v1")
    assert BASIC not in str(error.value) and "secret" not in str(error.value)


def test_a_broken_configuration_is_named(registry: Answering, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    registry.instead = lambda handler: handler.answer(401, WWW_Authenticate='Basic realm="x"')
    with pytest.raises(RegistryError, match=r"credentials for .*: .*config.json: expected JSON with `auths`"):
        client(registry, Access(config=tmp_path / "config.json")).manifest("v1")


# Pushing


def test_a_blob_that_is_there_is_not_pushed_again(registry: Answering) -> None:
    bundle = registry.hold(artifact())
    client(registry, push=True).push(bundle.layer)
    assert [method for method, _, _ in registry.asked] == ["HEAD"]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"POST": (404, {})}, r"there is no .*/team/policies to push to \(404"),
        ({"POST": (403, {})}, r"not allowed to write to it \(403"),
        ({"POST": (202, {})}, "answered 202"),
        ({"POST": (202, {"Location": "ftp://x/"})}, "leads to ftp://x/"),
        ({"POST": (202, {"Location": "/up?x=1"}), "PUT": (400, {})}, "answered 400"),
        ({"POST": (202, {"Location": "/up"}), "PUT": (404, {})}, f"took no blob {digest_of(b'x')}"),
    ],
)
def test_a_registry_that_takes_nothing(registry: Answering, answers: dict[str, Any], message: str) -> None:
    def instead(handler: Handler) -> bool:
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        status, headers = answers.get(handler.command, (404, {}))
        return handler.answer(status, **headers)

    registry.instead = instead
    with pytest.raises(RegistryError, match=message):
        client(registry, push=True).push(b"x")


def test_a_manifest_that_is_not_taken(registry: Answering) -> None:
    def instead(handler: Handler) -> bool:
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        return handler.answer(400, b'{"errors":[{"code":"MANIFEST_INVALID"}]}')

    registry.instead = instead
    with pytest.raises(RegistryError, match="answered 400 MANIFEST_INVALID"):
        client(registry, push=True).push_manifest(b"{}", "v1")


# TLS


def test_plain_http_is_for_loopback_alone(registry: Answering, tmp_path: Path) -> None:
    """A registry elsewhere is asked over TLS, unless the operator says otherwise."""
    from webhook.bundle.reference import parse

    elsewhere = parse("oci://registry.invalid:1/a:b")
    for access, scheme in ((NOBODY, "https"), (Access(plain_http=True), "http")):
        assert Registry(elsewhere, access)._base == f"{scheme}://registry.invalid:1"
    (tmp_path / "ca.pem").write_text("no PEM")
    with pytest.raises(RegistryError, match=r"ca.pem: "):
        client(registry, Access(ca=tmp_path / "ca.pem"))
    with pytest.raises(RegistryError, match=r"absent.pem: No such file"):
        client(registry, Access(ca=tmp_path / "absent.pem"))


def test_docker_io_is_another_host() -> None:
    from webhook.bundle.reference import parse

    assert Registry(parse("oci://docker.io/library/a:b"), NOBODY)._base == "https://registry-1.docker.io"


def test_a_list_of_referrers_that_is_none(registry: Answering) -> None:
    registry.instead = lambda handler: handler.answer(200, b"[]") if "referrers" in handler.path else False
    with pytest.raises(RegistryError, match=r"the list of referrers of .* is not what was expected"):
        client(registry).referrers(ABSENT)
    registry.instead = lambda handler: handler.answer(500) if "referrers" in handler.path else False
    with pytest.raises(RegistryError, match="answered 500"):
        client(registry).referrers(ABSENT)
