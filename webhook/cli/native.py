"""`gatewright manifests --native` and `--static`: policies that the API server itself is to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from webhook.cli.options import fail, fail_with
from webhook.cli.readoptions import Bundles, NotGiven, loaded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from webhook.documents.document import Document, Problem
    from webhook.policy.load.treefiles import Tree
    from webhook.policy.policyset import PolicySet
    from webhook.registration.configurations import Options
    from webhook.registration.native import Handover

DIRECTORY: Final = "/etc/kubernetes/gatewright"
CONFIGURATION: Final = "admission-configuration.yaml"

File = tuple[Path | None, str]
"""A file, None for stdout, and its text."""


class Failed(Exception):
    """The run failed, and stderr says why."""

    def __init__(self, code: int) -> None:
        self.code = code


class Wanted(Struct, frozen=True, kw_only=True):
    """The files to write. `names`: the names of the policies. `static`: whether they are files that the API server
    reads from `directory`. `webhook`: whether the registration is included. `folder`: the destination; None for stdout.
    `command`: the command line in the headers.
    """

    names: tuple[str, ...]
    static: bool
    webhook: bool
    directory: str
    folder: Path | None
    command: str


def wrong(wanted: Wanted, options: Options) -> str | None:
    """The error in the options; None if there is none."""
    if not wanted.static:
        return None
    if not wanted.names and not wanted.webhook:
        return (
            "--static: expected policies, with --native, or the webhook, with --url: files of the API server cannot "
            "name a Service"
        )
    if not wanted.directory.startswith("/"):
        return f"--static-directory: expected an absolute path, got {wanted.directory!r}"
    if options.inject_from is not None and wanted.webhook:
        return "--static: nothing injects certificates into files; give --ca-bundle, or --no-ca for the host's own"
    return None


def files(
    wanted: Wanted,
    options: Options,
    named: Sequence[str],
    imports: str,
    bundles: Bundles,
    tell: Callable[[Iterable[Problem], Iterable[Problem]], None],
) -> list[File]:
    """The files and their texts. Notes and warnings go to `tell`. Raises Failed."""
    from webhook.policy.load.loading import PolicyTreeError
    from webhook.registration import native

    try:
        policies, tree = loaded(named, imports=imports, bundles=bundles)
        given = native.handover(
            policies, list(_documents(tree)), wanted.names, options.never_asked, static=wanted.static
        )
    except NotGiven as error:
        raise Failed(fail(str(error))) from None
    except (PolicyTreeError, native.NativeError) as error:
        raise Failed(fail_with(error.problems)) from None
    tell(given.notes, policies.warnings)
    if wanted.names and not given.names:
        raise Failed(fail(f"--native: the API server can run none of the policies of {', '.join(named)}"))
    if not wanted.static:
        objects = (*given.params, *given.validating, *given.mutating)
        return [(wanted.folder, native.text(objects, wanted.command, _words(given.names)))]
    found = dict(_static(wanted, options, given, policies))
    if wanted.folder is None:
        if len(found) != 1:
            raise Failed(
                fail("--static: these are files of several plugins; expected a folder, with --write or --check")
            )
        (text,) = found.values()
        return [(None, text)]
    configured = native.admission_configuration(wanted.directory, found, wanted.command)
    return [
        (wanted.folder / CONFIGURATION, configured),
        *((wanted.folder / native.FOLDERS[plugin] / "gatewright.yaml", text) for plugin, text in found.items()),
    ]


def _static(wanted: Wanted, options: Options, given: Handover, policies: PolicySet) -> Iterator[tuple[str, str]]:
    """The plugins of the API server that have a file, each with its text."""
    from msgspec.structs import replace

    from webhook.policy.written.policykinds import MUTATING, VALIDATING
    from webhook.registration import configurations, native
    from webhook.registration.webhooks import PHASES, webhooks

    for plugin, objects in ((VALIDATING, given.validating), (MUTATING, given.mutating)):
        if objects:
            yield plugin, native.text(objects, wanted.command, _words(given.names))
    if wanted.webhook:
        rest = webhooks(policies.without(given.names), ())
        named = replace(options, name=f"{options.name}{native.SUFFIX}")
        for phase in PHASES:
            of_phase = [each for each in rest if each.phase == phase]
            if any(each.rules for each in of_phase):
                yield native.WEBHOOKS[phase], configurations.document(phase, of_phase, named, wanted.command)


def _words(names: Sequence[str]) -> str:
    options = " ".join(f"--without {name}" for name in names)
    return (
        f"The policies {', '.join(names)}, which the API server runs itself. The registration leaves them out with "
        f"`gatewright manifests {options}`."
    )


def _documents(tree: Tree) -> Iterator[Document]:
    from webhook.documents import reader

    for file in tree.files:
        if not file.name.endswith(".py"):
            read, _ = reader.parse(file.content, file.name)
            good, _ = reader.objects(read)
            yield from good
