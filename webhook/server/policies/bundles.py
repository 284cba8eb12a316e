"""The bundles that a server pulls: at start, when their tags move, and from disk when a registry does not answer."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from webhook.bundle import pulling, signatures
from webhook.bundle.artifact import ArtifactError
from webhook.bundle.layout import Cache, Kept
from webhook.bundle.packing import UnpackError
from webhook.bundle.pulling import BundleError, Pulled
from webhook.bundle.reference import is_reference, parse
from webhook.bundle.registry import Access
from webhook.bundle.signatures import Keys, SignatureError
from webhook.documents import files
from webhook.documents.reader import Problem
from webhook.policy.load.treefiles import Packed

if TYPE_CHECKING:
    from webhook.server.settings import Settings
    from webhook.server.telemetry.logs import Log


class BundlesError(ValueError):
    """Settings of bundles that cannot be used, or a bundle that is neither in its registry nor on disk."""


def of_settings(settings: Settings, log: Log) -> Bundles | None:
    """The bundles among the policy trees; None if there are none. Raises BundlesError."""
    names = [name for name in settings.policies if is_reference(name)]
    if not names:
        return None
    try:
        keys = None if settings.verify_key is None else signatures.keys(settings.verify_key)
        access = Access(settings.registry_ca, settings.registry_plain_http)
        cache = None if settings.bundle_cache is None else Cache(settings.bundle_cache)
        return Bundles(names, access, keys, cache, settings.bundle_poll, log)
    except SignatureError as error:
        raise BundlesError(f"--verify-key: {error}") from None
    except ValueError as error:
        raise BundlesError(str(error)) from None


class Bundles:
    """Bundles by the names that the settings give them.

    keys: those of which one must have signed each. `every`: seconds between two looks at tags; 0: only on request.
    """

    def __init__(
        self, names: Sequence[str], access: Access, keys: Keys | None, cache: Cache | None, every: float, log: Log
    ) -> None:
        self._references = {name: parse(name) for name in names}
        self._access = access
        self._keys = keys
        self._cache = cache
        self._every = every
        self._log = log
        self._pulled: dict[str, Pulled] = {}
        self._refused: dict[str, str] = {}  # why those on disk may not be used
        self._next = 0.0
        self._unwritable = False

    @property
    def names(self) -> Iterable[str]:
        return self._references.keys()

    def digests(self) -> Iterable[tuple[str, str]]:
        """Each name with the digest of its bundle."""
        return tuple((name, pulled.digest) for name, pulled in self._pulled.items())

    def packed(self) -> Mapping[str, Packed]:
        """The trees, by name."""
        return {name: self._pulled[name].packed for name in self._references}

    def begin(self) -> bool:
        """Pull all bundles. Those whose registry does not answer or refuses are read from disk, which is logged.

        Returns whether others are on disk, which were in force last. Raises BundlesError.
        """
        problems = {problem.file: problem for problem in self.pull()}
        for name, problem in problems.items():
            kept = self._on_disk(name)
            if kept is None:
                raise BundlesError("\n".join(filter(None, (str(problem), self._refused.get(name)))))
            self._pulled[name] = kept
            message = f"{problem.message}; starting with {kept.digest}, which was in force last"
            self._log.write("warning", "bundles", {"reference": name, "message": message})
            self._next = 0.0
        last = {name: kept.digest for name in self._references if (kept := self._on_disk(name)) is not None}
        return any(self._pulled[name].digest != digest for name, digest in last.items())

    def fall_back(self) -> None:
        """Read the bundles that were last in force from disk."""
        for name in self._references:
            kept = self._on_disk(name)
            if kept is not None:
                self._pulled[name] = kept
        self._next = 0.0

    def due(self) -> bool:
        return time.monotonic() >= self._next and (self._every > 0 or self._next == 0.0)

    def pull(self) -> tuple[Problem, ...]:
        """Pull the bundles that are missing, and those whose tags have moved. Returns why some could not be pulled."""
        problems = []
        for name, reference in self._references.items():
            before = self._pulled.get(name)
            if before is not None and reference.digest:
                continue
            try:
                wanted = reference
                if before is not None:
                    digest = pulling.digest(reference, self._access)
                    if digest == before.digest:
                        continue
                    wanted = reference.with_digest(digest)
                pulled = pulling.pull(wanted, self._access, self._keys)
            except BundleError as error:
                problems.append(Problem(name, None, None, f"cannot be pulled: {error}"))
            else:
                self._pulled[name] = pulled
        self._next = time.monotonic() + (self._every or float("inf"))
        return tuple(problems)

    def adopt(self, packed: Iterable[tuple[str, Packed]]) -> None:
        """Take over the bundles of a process that has ended."""
        for name, tree in packed:
            if name in self._references and self._pulled[name].digest != tree.revision:
                self._pulled[name] = Pulled(tree, None, "")
        self._next = 0.0

    def in_force(self, packed: Iterable[tuple[str, Packed]]) -> tuple[dict[str, Any], ...]:
        """Write those in force to disk. Returns what /policies shows of them."""
        digests = {name: tree.revision for name, tree in packed}
        own = {name: self._pulled[name] for name in digests if self._pulled[name].digest == digests[name]}
        kept = {str(self._references[name]): each.kept for name, each in own.items() if each.kept is not None}
        if self._cache is not None and len(kept) == len({str(each) for each in self._references.values()}):
            self._write(self._cache, kept)
        return tuple(
            {
                "reference": name,
                "digest": digest,
                "revision": own[name].revision or None if name in own else None,
                "verified": self._keys is not None,
            }
            for name, digest in digests.items()
        )

    def _write(self, cache: Cache, kept: Mapping[str, Kept]) -> None:
        try:
            cache.write(kept)
        except OSError as error:
            if not self._unwritable:  # policies are enforced all the same
                message = f"--bundle-cache: {files.unwritten(error)}"
                self._log.write("error", "bundles", {"message": message})
            self._unwritable = True
        else:
            self._unwritable = False

    def _on_disk(self, name: str) -> Pulled | None:
        """The bundle that was in force last, if it is on disk and still one that may be."""
        reference = self._references[name]
        kept = None if self._cache is None else self._cache.read(str(reference))
        if kept is None:
            return None
        try:
            return pulling.opened(reference, kept, self._keys)
        except (ArtifactError, SignatureError, UnpackError) as error:
            self._refused[name] = f"{name}: on disk, but {error}"
            return None
