"""Credentials for registries, from a Docker configuration, as `docker login` and Secrets have it.

Helpers that the file names are not run: they are programs, and none is in an image.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from webhook.documents import files
from webhook.documents.undecodable import UNDECODABLE
from webhook.visible import visible

DOCKER_HUB: Final = "docker.io"

_FOLDER = "DOCKER_CONFIG"  # the variable that names the folder of config.json
_KEYS_OF_HUB = ("https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io")
_MOST = 1 << 20  # bytes of the file


class CredentialsError(ValueError):
    """A configuration that cannot be used; the text names the file."""


class Credentials(Struct, frozen=True):
    """A user's name and password. Never shown."""

    user: str
    password: str

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")

    def __repr__(self) -> str:
        return "Credentials(…)"


class Found(Struct, frozen=True):
    """What a configuration has for a registry. `hint`: why there are none, if the file says something of it."""

    credentials: Credentials | None = None
    hint: str = ""


def file_of(environ: Mapping[str, str]) -> Path:
    """The configuration: config.json in DOCKER_CONFIG, else in ~/.docker."""
    folder = environ.get(_FOLDER)
    return (Path(folder) if folder else Path(environ.get("HOME") or "/nonexistent", ".docker")) / "config.json"


def found(registry: str, file: Path | None = None) -> Found:
    """The credentials for a registry (host, and port if one is named). Raises CredentialsError."""
    file = file_of(os.environ) if file is None else file
    try:
        content = files.content_of(file, None, _MOST)
    except FileNotFoundError:
        return Found()
    except OSError as error:
        raise CredentialsError(f"{file}: {files.reason(error)}") from None
    try:
        document = msgspec.json.decode(content)
    except UNDECODABLE:
        document = None
    auths = document.get("auths") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(auths, dict | None):
        raise CredentialsError(f"{file}: expected JSON with `auths`, as `docker login` writes it")
    for key in _keys(registry):
        entry = (auths or {}).get(key)
        if isinstance(entry, dict) and entry:
            return _of(entry, key, file)
    helpers = document.get("credHelpers")
    if document.get("credsStore") or (isinstance(helpers, dict) and any(key in helpers for key in _keys(registry))):
        hint = f"{file} leaves them to a credential helper, which is not run: write them into its `auths`"
        return Found(hint=hint)
    return Found()


def _keys(registry: str) -> tuple[str, ...]:
    of_hub = _KEYS_OF_HUB if registry == DOCKER_HUB else ()
    return registry, f"https://{registry}", f"http://{registry}", f"https://{registry}/v1/", *of_hub


def _of(entry: dict[str, Any], key: str, file: Path) -> Found:
    auth, user, password = entry.get("auth"), entry.get("username"), entry.get("password")
    if isinstance(auth, str) and auth:
        try:
            user, _, password = base64.b64decode(auth, validate=True).decode("utf-8").strip("\0\n").partition(":")
        except (binascii.Error, ValueError):
            raise CredentialsError(f"{file}: auth of {visible(key)}: expected USER:PASSWORD in base64") from None
    if isinstance(user, str) and isinstance(password, str) and user and password:
        return Found(Credentials(user, password))
    if entry.get("identitytoken"):
        return Found(hint=f"{file} has an identity token for it, which is not supported: log in with a password")
    raise CredentialsError(f"{file}: {visible(key)} has neither `auth` nor `username` and `password`")
