"""`gatewright bundle`: packs a policy tree into an OCI artifact, as a file or in a registry."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webhook.cli.options import (
    FAILED,
    Color,
    KubernetesVersion,
    PlainRegistry,
    PolicyImports,
    RegistryCA,
    colored,
    fail,
    fail_with,
)
from webhook.cli.readoptions import (
    Bundles,
    NotGiven,
    imported,
    is_bundle,
)
from webhook.excerpts import columns
from webhook.versions import NEWEST_TEXT, parse_version

if TYPE_CHECKING:
    from webhook.bundle.artifact import Artifact

_EPOCH = "SOURCE_DATE_EPOCH"
_COMMIT_DIGITS = 40


def bundle(
    trees: Annotated[
        list[str],
        typer.Argument(metavar="TREE", help="Folders or files. Several make one tree, each a folder of the bundle."),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="TARGET",
            help="Where it goes: oci://REGISTRY/REPOSITORY:TAG, or an OCI image layout: a tar archive, or a folder if "
            "the name ends in / or is that of one.",
        ),
    ],
    version: KubernetesVersion = NEWEST_TEXT,
    policy_imports: PolicyImports = "",
    registry_ca: RegistryCA = None,
    registry_plain_http: PlainRegistry = False,
) -> None:
    """Pack a policy tree into an OCI artifact, which `serve`, `check`, `explain` and `manifests` take as
    `--policies oci://REGISTRY/REPOSITORY@sha256:DIGEST`, and `cosign sign --key` signs.

    The same tree gives the same digest. The git commit is noted if the files are exactly those of one, and the time of
    SOURCE_DATE_EPOCH if it is set. A tree with an error is not packed. Writes to stdout what names the bundle.

    Exit code: **0** packed, **2** not: a bad policy, a bad option, a registry that does not take it.
    """
    raise typer.Exit(_bundle(tuple(trees), output, version, policy_imports, Bundles(registry_ca, registry_plain_http)))


def _bundle(named: tuple[str, ...], output: str, version: str, imports: str, bundles: Bundles) -> int:
    # Imported here so that `gatewright --help` and errors in options do not wait for it.
    from webhook.bundle import artifact
    from webhook.bundle.packing import UnpackError, files_of
    from webhook.cli.report.problems import warning_text
    from webhook.policy.load.loading import PolicyTreeError, load_tree
    from webhook.policy.load.treefiles import read_tree

    if among := [each for each in named if is_bundle(each)]:
        return fail(f"{among[0]} is a bundle already; expected folders or files")
    try:
        target = parse_version(version)
    except ValueError as error:
        return fail(f"--kubernetes-version: {error}, got {version!r}")
    try:
        annotations = _created(os.environ.get(_EPOCH))
        tree = read_tree(*named, commit=True, imports=imported(imports))
        policies = load_tree(tree, target)
    except NotGiven as error:
        return fail(str(error))
    except PolicyTreeError as error:
        return fail_with(error.problems)
    on_stderr, width = colored(Color.AUTO, sys.stderr), columns(sys.stderr)
    sys.stderr.write("".join(warning_text(problem, on_stderr, width) for problem in policies.warnings))
    sys.stderr.flush()
    if len(tree.revision) == _COMMIT_DIGITS:
        annotations[artifact.REVISION] = tree.revision
    try:
        made = artifact.made(files_of(tree), annotations)
    except UnpackError as error:
        return fail(str(error))
    return _put(made, output, bundles)


def _created(epoch: str | None) -> dict[str, str]:
    """The annotation of the time, in seconds since the epoch. Raises NotGiven."""
    from webhook.bundle.artifact import CREATED

    if not epoch:
        return {}
    try:
        return {CREATED: f"{datetime.fromtimestamp(int(epoch), UTC):%Y-%m-%dT%H:%M:%SZ}"}
    except (ValueError, OverflowError, OSError):
        raise NotGiven(f"{_EPOCH}: expected seconds since the epoch, got {epoch!r}") from None


def _put(made: Artifact, output: str, bundles: Bundles) -> int:
    """Write the bundle to its destination, and its name to stdout. Returns the exit code."""
    from webhook.bundle import layout, pulling
    from webhook.bundle.reference import parse
    from webhook.bundle.registry import Access
    from webhook.cli.streams import put
    from webhook.documents import files

    name = made.digest
    try:
        if is_bundle(output):
            reference = parse(output)
            if reference.digest and reference.digest != made.digest:
                return fail(f"--output: {output}: the tree has the digest {made.digest}")
            pulling.push(reference, made, Access(bundles.ca, bundles.plain_http))
            name = str(reference.with_digest(made.digest))
        elif output.endswith("/") or Path(output).is_dir():
            layout.write(made, "latest", Path(output))
        else:
            Path(output).write_bytes(layout.archive(made, "latest"))
    except OSError as error:
        return fail(f"--output: {output}: {files.unwritten(error)}")
    except (pulling.BundleError, ValueError) as error:
        return fail(f"--output: {error}")
    return 0 if put(f"{name}\n") else FAILED
