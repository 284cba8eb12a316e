"""A client of a registry: manifests and blobs, pulled and pushed, with authorization by password and by token.

Source: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md,
https://distribution.github.io/distribution/spec/auth/token/
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode, urljoin, urlsplit

import msgspec
from msgspec import Struct, field

from webhook.bundle import credentials
from webhook.bundle.artifact import (
    INDEXES,
    MANIFEST,
    MOST_MANIFEST,
    ArtifactError,
    Descriptor,
    decoded,
    digest_of,
)
from webhook.bundle.credentials import CredentialsError
from webhook.bundle.exchange import Answer, Deadline, ExchangeError, exchange
from webhook.bundle.reference import Reference, is_loopback
from webhook.documents.undecodable import UNDECODABLE
from webhook.visible import visible

TIMEOUT: Final = 60.0
"""Seconds that pulling or pushing a bundle may take, all requests together."""

_REDIRECTS = 5
_REDIRECTED = (301, 302, 303, 307, 308)
_MOST_ERROR = 64 << 10  # bytes of an answer that is none of what was asked for
_MOST_TOKEN = 64 << 10
_SHOWN = 200  # characters of a registry's message
_HOSTS = {credentials.DOCKER_HUB: "registry-1.docker.io"}
_CHALLENGE = re.compile(r'([a-z_]{1,32})="([^"]{0,2000})"')
_OCTETS = "application/octet-stream"


class RegistryError(Exception):
    """The registry did not do what was asked; the text says what, and why. `missing`: it has no such thing."""

    def __init__(self, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.missing = missing


class Access(Struct, frozen=True):
    """How registries are reached. `ca`: the authorities that are trusted, PEM, in place of the system's.

    `plain_http`: speak HTTP without TLS. With a registry on loopback that is so unless `ca` is set.
    `config`: the Docker configuration with credentials; None for the default.
    """

    ca: Path | None = None
    plain_http: bool = False
    config: Path | None = None


class _Errors(Struct, frozen=True):
    errors: list[dict[str, object]] = field(default_factory=list)


class _Token(Struct, frozen=True):
    token: str = ""
    access_token: str = ""


class _Index(Struct, frozen=True):
    manifests: list[Descriptor] = field(default_factory=list)


class Registry:
    """The repository of a reference. `seconds`: the time for everything that is asked of it. `push`: whether it is
    written to."""

    def __init__(self, reference: Reference, access: Access, *, seconds: float = TIMEOUT, push: bool = False) -> None:
        self._repository = reference.repository
        self._name = reference.registry
        self._shown = f"{reference.registry}/{reference.repository}"
        self._plain = access.plain_http or (reference.loopback and access.ca is None)
        self._base = f"{'http' if self._plain else 'https'}://{_HOSTS.get(reference.registry, reference.registry)}"
        self._access = access
        self._actions = "pull,push" if push else "pull"
        self._deadline = Deadline(seconds)
        self._trust = None if self._plain else _trust(access.ca)
        self._authorization: str | None = None

    # Reading

    def manifest(self, target: str) -> bytes:
        """The manifest of a tag or a digest, which is verified. Raises RegistryError."""
        accept = ", ".join((MANIFEST, *INDEXES, "application/vnd.docker.distribution.manifest.v2+json"))
        answer = self._asked("GET", f"manifests/{target}", {"Accept": accept}, most=MOST_MANIFEST)
        if answer.status != 200:
            raise self._error(answer, f"there is no {target} in {self._shown}")
        found = digest_of(answer.body)
        wanted = target if target.startswith("sha256:") else answer.headers.get("docker-content-digest", found)
        if found != wanted:
            other = f"the manifest of {target} has the digest {found}, not {visible(wanted[:80])}"
            raise RegistryError(f"{self._shown}: {other}")
        return answer.body

    def blob(self, descriptor: Descriptor) -> bytes:
        """The content of a blob, which is verified. Raises RegistryError."""
        answer = self._asked("GET", f"blobs/{descriptor.digest}", {}, most=max(descriptor.size, _MOST_ERROR))
        if answer.status != 200:
            raise self._error(answer, f"{self._shown} has no blob {descriptor.digest}")
        if len(answer.body) != descriptor.size:
            sizes = f"{len(answer.body):,} bytes, not {descriptor.size:,}"
            raise RegistryError(f"{self._shown}: the blob {descriptor.digest} has {sizes}")
        if (found := digest_of(answer.body)) != descriptor.digest:
            raise RegistryError(f"{self._shown}: the blob {descriptor.digest} has the digest {found}")
        return answer.body

    def referrers(self, digest: str) -> list[Descriptor]:
        """The manifests that refer to one, as the registry lists them, or as its clients do in a tag where it has no
        such list. Raises RegistryError."""
        answer = self._asked("GET", f"referrers/{digest}", {"Accept": INDEXES[0]}, most=MOST_MANIFEST)
        if answer.status == 404:
            answer = self._asked(
                "GET", f"manifests/{digest.replace(':', '-')}", {"Accept": INDEXES[0]}, most=MOST_MANIFEST
            )
            if answer.status == 404:
                return []
        if answer.status != 200:
            raise self._error(answer, "")
        try:
            return decoded(answer.body, _Index).manifests
        except ArtifactError as error:
            raise RegistryError(f"{self._shown}: the list of referrers of {digest} {error}") from None

    # Writing

    def push(self, content: bytes) -> None:
        """Write a blob, unless it is there. Raises RegistryError."""
        digest = digest_of(content)
        if self._asked("HEAD", f"blobs/{digest}", {}).status == 200:
            return
        begun = self._asked("POST", "blobs/uploads/", {"Content-Length": "0"})
        location = begun.headers.get("location", "")
        if begun.status != 202 or not location:
            raise self._error(begun, f"there is no {self._shown} to push to")
        target = urljoin(begun.url, location)
        target += f"{'&' if urlsplit(target).query else '?'}{urlencode({'digest': digest})}"
        self._allowed(begun.url, target)
        done = self._authorized("PUT", target, {"Content-Type": _OCTETS}, content, _MOST_ERROR)
        if done.status != 201:
            raise self._error(done, f"{self._shown} took no blob {digest}")

    def push_manifest(self, content: bytes, target: str) -> None:
        """Write a manifest, as a tag or by its digest. Raises RegistryError."""
        answer = self._asked("PUT", f"manifests/{target}", {"Content-Type": MANIFEST}, content)
        if answer.status != 201:
            raise self._error(answer, f"{self._shown} took no manifest {target}")

    # Requests

    def _asked(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", most: int = _MOST_ERROR
    ) -> Answer:
        url = f"{self._base}/v2/{quote(self._repository)}/{path}"
        answer = self._authorized(method, url, headers, body, most)
        for _ in range(_REDIRECTS):
            if method not in ("GET", "HEAD") or answer.status not in _REDIRECTED:
                return answer
            target = urljoin(answer.url, answer.headers.get("location", ""))
            self._allowed(answer.url, target)
            answer = self._authorized(method, target, headers, b"", most)
        if answer.status in _REDIRECTED:
            raise RegistryError(f"{self._shown}: more than {_REDIRECTS} redirects")
        return answer

    def _allowed(self, before: str, target: str) -> None:
        """Raise RegistryError unless a URL that the registry names may be asked."""
        scheme, host = urlsplit(target).scheme, urlsplit(target).hostname or ""
        plain = scheme == "http" and self._plain and (self._access.plain_http or is_loopback(host))
        if not host or not (scheme == "https" or plain):
            shown = visible(target.split("?", maxsplit=1)[0])[:_SHOWN]
            raise RegistryError(f"{urlsplit(before).netloc} leads to {shown}; expected a URL with https")

    def _authorized(self, method: str, url: str, headers: Mapping[str, str], body: bytes, most: int) -> Answer:
        """The answer to a request; authorization is looked for when the registry asks for it."""
        own = urlsplit(url)[:2] == urlsplit(self._base)[:2]
        answer = self._exchanged(method, url, headers, body, most, own=own)
        if answer.status == 401 and own:
            self._authorization = self._authorize(answer)
            answer = self._exchanged(method, url, headers, body, most, own=own)
        return answer

    def _exchanged(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, most: int, *, own: bool
    ) -> Answer:
        """An exchange. The authorization goes to the registry itself, not to where it redirects to."""
        sent = {"Authorization": self._authorization} if own and self._authorization else {}
        if self._trust is None and url.startswith("https:"):
            self._trust = _trust(self._access.ca)
        try:
            return exchange(method, url, {**headers, **sent}, body, most, self._deadline, self._trust)
        except ExchangeError as error:
            raise RegistryError(str(error)) from None

    def _authorize(self, refused: Answer) -> str:
        """The Authorization header that an answer with 401 asks for. Raises RegistryError."""
        try:
            found = credentials.found(self._name, self._access.config)
        except CredentialsError as error:
            raise RegistryError(f"credentials for {self._name}: {error}") from None
        own = found.credentials
        challenge = refused.headers.get("www-authenticate", "")
        scheme, _, rest = challenge.partition(" ")
        named = dict(_CHALLENGE.findall(rest[:8192]))
        if scheme.lower() == "basic" and own is not None:
            return own.basic
        if scheme.lower() != "bearer" or "realm" not in named:
            raise self._refused(refused, found.hint)
        self._allowed(refused.url, named["realm"])
        asked = {"service": named.get("service", ""), "scope": f"repository:{self._repository}:{self._actions}"}
        query = urlencode({key: value for key, value in asked.items() if value})
        url = f"{named['realm']}{'&' if urlsplit(named['realm']).query else '?'}{query}"
        before, self._authorization = self._authorization, None if own is None else own.basic
        try:
            answer = self._exchanged("GET", url, {}, b"", _MOST_TOKEN, own=True)
        finally:
            self._authorization = before
        if answer.status != 200:
            raise self._refused(answer, found.hint)
        try:
            token = decoded(answer.body, _Token)
        except ArtifactError:
            token = _Token()
        text = token.token or token.access_token
        if not text or not text.isascii() or not text.isprintable():
            raise RegistryError(f"{visible(urlsplit(url).netloc)} sent no token for {self._shown}")
        return f"Bearer {text}"

    def _refused(self, answer: Answer, hint: str = "") -> RegistryError:
        where = hint or f"credentials are read from {self._access.config or credentials.file_of(os.environ)}"
        what = "write to" if "push" in self._actions else "read"
        return RegistryError(f"{self._shown}: not allowed to {what} it ({_said(answer)}); {where}")

    def _error(self, answer: Answer, missing: str) -> RegistryError:
        if answer.status in (401, 403):
            return self._refused(answer)
        if answer.status == 404 and missing:
            return RegistryError(f"{missing} ({_said(answer)})", missing=True)
        if answer.status == 429:
            after = answer.headers.get("retry-after", "")
            wait = f"; try again after {after} s" if after.isdecimal() and len(after) < 6 else ""
            return RegistryError(f"{self._name} takes no more requests now ({_said(answer)}){wait}")
        return RegistryError(f"{self._name} answered {_said(answer)}")


def _said(answer: Answer) -> str:
    """The status of an answer, and what its body says of it."""
    try:
        errors = msgspec.json.decode(answer.body, type=_Errors).errors
    except UNDECODABLE:
        errors = []
    parts = [str(errors[0].get(key) or "") for key in ("code", "message")] if errors else []
    text = ": ".join(part for part in parts if part)
    return f"{answer.status} {visible(' '.join(text.split()))[:_SHOWN]}".rstrip()


def _trust(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "no certificates in PEM"
        raise RegistryError(f"{ca}: {reason}") from None
