"""Credentials from a Docker configuration."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from webhook.bundle.credentials import Credentials, CredentialsError, Found, file_of, found

AUTH = base64.b64encode(b"jane:se:cret").decode()
JANE = Credentials("jane", "se:cret")


def config(folder: Path, document: Any) -> Path:
    file = folder / "config.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return file


@pytest.mark.parametrize(
    ("auths", "registry", "credentials"),
    [
        ({"ghcr.io": {"auth": AUTH}}, "ghcr.io", JANE),
        ({"https://ghcr.io": {"auth": AUTH}}, "ghcr.io", JANE),
        ({"localhost:5000": {"username": "jane", "password": "se:cret"}}, "localhost:5000", JANE),
        ({"https://index.docker.io/v1/": {"auth": AUTH}}, "docker.io", JANE),
        ({"ghcr.io": {"auth": AUTH}}, "ghcr.io:443", None),
        ({"ghcr.io": {"auth": AUTH}}, "evil.example", None),
        ({"https://index.docker.io/v1/": {"auth": AUTH}}, "index.evil", None),
        ({"ghcr.io": {}}, "ghcr.io", None),
    ],
)
def test_those_of_the_registry_alone_are_found(
    tmp_path: Path, auths: Any, registry: str, credentials: Credentials | None
) -> None:
    assert found(registry, config(tmp_path, {"auths": auths})) == Found(credentials)


def test_no_configuration_is_no_credentials(tmp_path: Path) -> None:
    assert found("ghcr.io", tmp_path / "config.json") == Found()
    assert found("ghcr.io", config(tmp_path, {})) == Found()


@pytest.mark.parametrize(
    ("document", "hint"),
    [
        (
            {"credsStore": "desktop"},
            "leaves them to a credential helper, which is not run: write them into its `auths`",
        ),
        ({"credHelpers": {"ghcr.io": "gh"}}, "leaves them to a credential helper"),
        ({"credHelpers": {"other": "gh"}}, ""),
        ({"auths": {"ghcr.io": {"identitytoken": "x"}}}, "has an identity token for it, which is not supported"),
    ],
)
def test_what_is_not_supported_is_said(tmp_path: Path, document: Any, hint: str) -> None:
    answer = found("ghcr.io", config(tmp_path, document))
    assert answer.credentials is None
    assert hint in answer.hint and bool(hint) == bool(answer.hint)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "expected JSON with `auths`"),
        ("[]", "expected JSON with `auths`"),
        ({"auths": []}, "expected JSON with `auths`"),
        ({"auths": {"ghcr.io": {"auth": "%"}}}, "auth of ghcr.io: expected USER:PASSWORD in base64"),
        ({"auths": {"ghcr.io": {"auth": base64.b64encode(b"\xff:x").decode()}}}, "expected USER:PASSWORD in base64"),
        ({"auths": {"ghcr.io": {"username": "jane"}}}, "ghcr.io has neither `auth` nor `username` and `password`"),
        ({"auths": {"ghcr.io": {"username": ["a"], "password": "b"}}}, "has neither"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_names_the_file(tmp_path: Path, document: Any, message: str) -> None:
    file = config(tmp_path, document)
    with pytest.raises(CredentialsError) as error:
        found("ghcr.io", file)
    assert str(error.value).startswith(f"{file}: ") and message in str(error.value)
    with pytest.raises(CredentialsError, match="Is a directory"):
        found("ghcr.io", tmp_path)


def test_where_the_configuration_is() -> None:
    assert file_of({"DOCKER_CONFIG": "/etc/docker-config"}) == Path("/etc/docker-config/config.json")
    assert file_of({"HOME": "/home/jane"}) == Path("/home/jane/.docker/config.json")


def test_a_password_is_not_shown() -> None:
    assert "se:cret" not in repr(JANE) and "se:cret" not in str(Found(JANE))
    assert JANE.basic == f"Basic {AUTH}"
