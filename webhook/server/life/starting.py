"""What the server loads and checks before it serves: the policies, the certificates, the limit of open files.

Each function takes its part from the settings, and raises StartError with what is wrong and what to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from webhook.documents.reader import full_text
from webhook.excerpts import columns
from webhook.policy.load.loading import PolicyTreeError, load_tree
from webhook.policy.load.treefiles import Stamp, Tree
from webhook.policy.policyset import PolicySet
from webhook.server.policies.rehearsal import rehearse
from webhook.server.policies.sources import Sources
from webhook.server.port import tls
from webhook.server.port.certificates import Certificates
from webhook.server.settings import Settings, flag
from webhook.server.telemetry.logs import Log, cut
from webhook.server.telemetry.metrics import Metrics
from webhook.versions import parse_version
from webhook.visible import visible

if TYPE_CHECKING:
    from webhook.server.policies.bundles import Bundles

PLAIN_CONNECTIONS: Final = 64
"""Connections of the plain port: for probes, a few scrapers and people."""

_OTHER_FILES = 64  # descriptors for everything but connections
_FILES = 2 + 1 / 8  # of a connection: it, a handshake, and the part that is still being closed (Limits.making_way)


class StartError(Exception):
    """The server cannot start. The text says what is wrong and what to do."""


def load(settings: Settings, log: Log) -> tuple[Sources, Stamp, Tree, PolicySet]:
    """The sources of the policies, their stamp before they were read, the tree that they make, and its policies.

    Raises StartError.
    """
    version = parse_version(settings.kubernetes_version)
    bundles = _bundles(settings, log)
    sources = Sources(settings.policies, settings.policy_imports, bundles)
    for folder in settings.policies:
        if not Path(folder).is_dir() and (bundles is None or folder not in bundles.names):
            raise StartError(f"no policy folder at {folder}; set {flag('policies')}")
    if bundles is not None and _begun(bundles):
        tree = sources.read()
        problems = tree.problems or asyncio.run(rehearse(tree, version, settings.reload_timeout))
        if problems:
            message = f"{problems[0]}; starting with the bundles that were in force last"
            log.write("error", "bundles", {"refused": tree.revision, "message": cut(visible(message))})
            bundles.fall_back()
    since = sources.stamp()
    tree = sources.read()
    try:
        policies = load_tree(tree, version)
    except PolicyTreeError as error:
        width = columns(sys.stderr)
        text = "\n".join(full_text(problem, width) for problem in error.problems)
        raise StartError(
            f"{text}\nthe policies in {named(settings)} cannot be loaded; the server does not start"
        ) from None
    policies.prepare()
    return sources, since, tree, policies


def _begun(bundles: Bundles) -> bool:
    from webhook.server.policies.bundles import BundlesError

    try:
        return bundles.begin()
    except BundlesError as error:
        raise StartError(str(error)) from None


def _bundles(settings: Settings, log: Log) -> Bundles | None:
    """The bundles that the settings name; None if there are none. Raises StartError."""
    if not any(name.startswith("oci://") for name in settings.policies):
        return None
    from webhook.server.policies import bundles  # only servers with bundles need a client of registries

    try:
        return bundles.of_settings(settings, log)
    except bundles.BundlesError as error:
        raise StartError(str(error)) from None


def named(settings: Settings) -> str:
    """Where the policies come from, for people."""
    return ", ".join(settings.policies)


def certificates_of(settings: Settings, metrics: Metrics, log: Log) -> tuple[Certificates, tls.Development | None]:
    """The certificates, and the authority of the development certificate if the settings name no files.

    Raises StartError.
    """
    authority, files = None, None
    if settings.tls_cert is not None and settings.tls_key is not None:
        files = (settings.tls_cert, settings.tls_key)
    else:
        authority = tls.development(settings.tls_name, settings.host)
    pair = authority.pair if authority else None
    try:
        return Certificates(metrics, log, pair=pair, files=files, client_ca=settings.client_ca), authority
    except tls.TLSError as error:
        raise StartError(str(error)) from None


def with_descriptors(settings: Settings, log: Log) -> Settings:
    """The settings with as many connections as the limit of open files allows.

    Raises the limit to its maximum: each connection needs a file, and each handshake, and many systems default to
    1,024. Without a free one nothing could be accepted, and no file read.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(1, int((limit - PLAIN_CONNECTIONS - _OTHER_FILES) / _FILES))
    if limit == resource.RLIM_INFINITY or settings.max_connections <= most:
        return settings
    message = (
        f"{flag('max_connections')} is {settings.max_connections}, but the limit of {limit} open files allows {most};"
        f" {most} are accepted. Raise the limit (ulimit -Hn) for more"
    )
    log.write("warning", "limits", {"message": message})
    return settings.model_copy(update={"max_connections": most})
