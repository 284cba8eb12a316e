"""Reloads certificate files while the server runs.

The files are checked every second. If new content is valid, a new SSLContext is created from it, and the SNI callback
of the listening context gives it to new connections; open connections keep their context. If new content is not valid,
the previous content stays in use, and the log and the metrics report it.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from webhook.server.port import tls
from webhook.server.telemetry.logs import Log
from webhook.server.telemetry.metrics import Metrics

INTERVAL = 1.0
"""Seconds between two checks of the files."""

Stamp = tuple[tuple[object, ...], ...]


class Material(Struct, frozen=True):
    """The content of all files, from which a context is created."""

    pair: tls.Pair
    client_ca: bytes | None = None

    def context(self) -> ssl.SSLContext:
        return tls.context(self.pair, self.client_ca)


class Watched(Struct):
    """Files that are read together: `read` returns the value of Material's `field` from them."""

    field: str
    files: tuple[Path, ...]
    read: Callable[..., Any]
    served: Stamp = ()  # of the files with the content in use
    tried: Stamp = ()  # of the files with content that failed to load
    reported: tuple[Stamp, str] | None = None  # the failure that was reported last; None if the files are in use

    def stamp(self) -> Stamp:
        """A value that changes whenever the files do. Takes a few system calls and does not read the files."""
        return tuple(_stamp(file) for file in tls.settled(*self.files))


class Certificates:
    """The certificate in use, and the CA certificates for clients. `listening` is the context to listen with.

    `files`: certificate and key; without them `pair` is used. Without `files` and `client_ca` nothing is reloaded. The
    constructor reads the files for the first time. Raises TLSError if that fails.
    """

    def __init__(
        self,
        metrics: Metrics,
        log: Log,
        *,
        pair: tls.Pair | None = None,
        files: tuple[Path, Path] | None = None,
        client_ca: Path | None = None,
    ) -> None:
        self._metrics = metrics
        self._log = log
        self._watched: list[Watched] = []
        if files is not None:
            self._watched.append(Watched("pair", files, tls.read_pair))
        if client_ca is not None:
            self._watched.append(Watched("client_ca", (client_ca,), tls.read_authorities))
        found: dict[str, Any] = {"pair": pair}
        for watched in self._watched:
            watched.served = watched.stamp()
            found[watched.field] = watched.read(*watched.files)
        self.material = Material(**found)
        # Seconds since the epoch. Earlier sessions were verified against other CA certificates.
        self._authorities_since = 0
        self._newest = self.material.context()
        self.listening = self.material.context()
        self.listening.sni_callback = self._use_newest
        metrics.certificate(self.material.pair.not_after.timestamp())
        for watched in self._watched:
            metrics.in_step(_LABELS[watched.field])

    def newest(self) -> ssl.SSLContext:
        """The context that new connections get."""
        return self._newest

    def _use_newest(self, connection: ssl.SSLObject, _name: str | None, _listening: ssl.SSLContext) -> int | None:
        # OpenSSL calls this also for clients that send no server name. The listening context decides whether clients
        # need a certificate; the new context decides which CAs are accepted.
        connection.context = self._newest
        if connection.session_reused:  # TLS 1.2 resumes sessions also without tickets
            session = connection.session
            if session is not None and session.time <= self._authorities_since:
                # After this alert the client drops its session; its next connection makes a full handshake.
                return ssl.AlertDescription.ALERT_DESCRIPTION_CERTIFICATE_UNKNOWN
        return None

    async def watch(self) -> None:
        """Check the files every INTERVAL seconds until cancelled."""
        while self._watched:
            await asyncio.sleep(INTERVAL)
            for watched in self._watched:
                try:
                    stamp = watched.stamp()
                    if stamp != watched.served:
                        # Checking a large RSA key takes milliseconds, which must not delay the reviews in flight.
                        await asyncio.to_thread(self._load, watched, stamp)
                    elif watched.reported is not None:  # the files in use were restored
                        watched.reported = None
                        self._metrics.in_step(_LABELS[watched.field])
                except Exception as error:  # a bug of ours must not end all reloads
                    self._failed(watched, (), f"{type(error).__name__} while checking the files")

    def _load(self, watched: Watched, stamp: Stamp) -> None:
        try:
            found = watched.read(*watched.files)
            material = replace(self.material, **{watched.field: found})
            context = material.context()
        except tls.TLSError as error:
            # Outside of volumes that the kubelet mounts, files change one by one. So a failure is reported only if the
            # next check finds the same files.
            if stamp == watched.tried:
                self._failed(watched, stamp, str(error))
            watched.tried = stamp
            return
        changed = material != self.material
        if material.client_ca != self.material.client_ca:
            self._authorities_since = math.ceil(time.time())
        self.material, self._newest = material, context
        watched.served, watched.tried, watched.reported = stamp, (), None
        self._metrics.certificate(material.pair.not_after.timestamp())
        self._metrics.reloaded(_LABELS[watched.field])
        if changed:
            self._log.write("info", "certificates", {"file": str(watched.files[0]), "not_after": self._not_after()})

    def _failed(self, watched: Watched, stamp: Stamp, message: str) -> None:
        """Log and count a failure, once for each state of the files."""
        if watched.reported == (stamp, message):
            return
        watched.reported = (stamp, message)
        self._metrics.reload_failed(_LABELS[watched.field])
        fields = {"message": f"{message}; the previous content stays in use", "not_after": self._not_after()}
        self._log.write("error", "certificates", {"file": str(watched.files[0]), **fields})

    def _not_after(self) -> str:
        return f"{self.material.pair.not_after:%Y-%m-%dT%H:%M:%SZ}"


_LABELS = {"pair": "certificate", "client_ca": "client-ca"}  # the values of the label `file` of the metrics


def _stamp(file: Path) -> tuple[object, ...]:
    try:
        found = file.stat()
    except OSError as error:
        return str(file), error.errno
    return str(file), found.st_ino, found.st_mtime_ns, found.st_size
