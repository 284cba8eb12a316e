"""Certificates that change while they serve.

The files are looked at every second. What is new and good is loaded into a new SSLContext, and the SNI callback of the
context that listens hands it to every connection from then on; connections that are open keep theirs. What is bad
leaves everything as it was, and shows in the log and in the metrics.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from webhook.server import tls
from webhook.server.logs import Log
from webhook.server.metrics import Metrics

INTERVAL = 1.0
"""Seconds between two looks at the files."""

Stamp = tuple[tuple[object, ...], ...]


@dataclass(frozen=True, slots=True)
class Material:
    """All that a context is made of."""

    pair: tls.Pair
    client_ca: bytes | None = None

    def context(self) -> ssl.SSLContext:
        return tls.context(self.pair, self.client_ca)


@dataclass(slots=True)
class Watched:
    """Files that are read together: `read` makes the value of Material's `field` from them."""

    field: str
    files: tuple[Path, ...]
    read: Callable[..., Any]
    served: Stamp = ()  # the files whose content is served
    tried: Stamp = ()  # files that could not be
    told: tuple[Stamp, str] | None = None  # the failure that was told last

    def stamp(self) -> Stamp:
        """A value that changes whenever the files do; it takes a few system calls."""
        return tuple(_stamp(file) for file in tls.settled(*self.files))


class Certificates:
    """The certificate that is served, and whom it is served to. `listening` is the context to listen with.

    Without `files` and `client_ca` there is nothing to reload: `material` stays. The first reading happens here, and
    raises TLSError.
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
        self._authorities_since = 0  # sessions from before were let in by others; seconds since the epoch
        self._newest = self.material.context()
        self.listening = self.material.context()
        self.listening.sni_callback = self._hand_over
        metrics.certificate(self.material.pair.not_after.timestamp())
        for watched in self._watched:
            metrics.in_step(_LABELS[watched.field])

    def _hand_over(self, connection: ssl.SSLObject, _name: str | None, _listening: ssl.SSLContext) -> int | None:
        # OpenSSL calls this for clients that name no server, too. Whether clients must show a certificate is the
        # listening context's word, which authorities they may be of the new one's.
        connection.context = self._newest
        if connection.session_reused:  # TLS 1.2 keeps sessions without tickets, too
            session = connection.session
            if session is not None and session.time <= self._authorities_since:
                # On this alert the client forgets its session, and comes anew.
                return ssl.AlertDescription.ALERT_DESCRIPTION_CERTIFICATE_UNKNOWN
        return None

    async def watch(self) -> None:
        """Look at the files until cancelled."""
        while self._watched:
            await asyncio.sleep(INTERVAL)
            for watched in self._watched:
                try:
                    stamp = watched.stamp()
                    if stamp != watched.served:
                        # A large RSA key takes milliseconds to check: not at the cost of the reviews under way.
                        await asyncio.to_thread(self._load, watched, stamp)
                    elif watched.told is not None:  # put back as they were
                        watched.told = None
                        self._metrics.in_step(_LABELS[watched.field])
                except Exception as error:  # a defect of ours must not be the end of all reloads
                    self._failed(watched, (), f"{type(error).__name__} while looking at the files")

    def _load(self, watched: Watched, stamp: Stamp) -> None:
        try:
            found = watched.read(*watched.files)
            material = replace(self.material, **{watched.field: found})
            context = material.context()
        except tls.TLSError as error:
            # Files that are no volume of the kubelet's are written one by one: the next look tells whether it was that.
            if stamp == watched.tried:
                self._failed(watched, stamp, str(error))
            watched.tried = stamp
            return
        changed = material != self.material
        if material.client_ca != self.material.client_ca:
            self._authorities_since = math.ceil(time.time())
        self.material, self._newest = material, context
        watched.served, watched.tried, watched.told = stamp, (), None
        self._metrics.certificate(material.pair.not_after.timestamp())
        self._metrics.reloaded(_LABELS[watched.field])
        if changed:
            self._log.write("info", "certificates", {"file": str(watched.files[0]), "not_after": self._not_after()})

    def _failed(self, watched: Watched, stamp: Stamp, message: str) -> None:
        """Log and count a failure, once for each state of the files."""
        if watched.told == (stamp, message):
            return
        watched.told = (stamp, message)
        self._metrics.reload_failed(_LABELS[watched.field])
        told = {"message": f"{message}; what was served before is served on", "not_after": self._not_after()}
        self._log.write("error", "certificates", {"file": str(watched.files[0]), **told})

    def _not_after(self) -> str:
        return f"{self.material.pair.not_after:%Y-%m-%dT%H:%M:%SZ}"


_LABELS = {"pair": "certificate", "client_ca": "client-ca"}  # the values of the label `file` of the metrics


def _stamp(file: Path) -> tuple[object, ...]:
    try:
        found = file.stat()
    except OSError as error:
        return str(file), error.errno
    return str(file), found.st_ino, found.st_mtime_ns, found.st_size
