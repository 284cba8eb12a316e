"""What subcommands share: options, colours, and error output."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TextIO

import typer
from msgspec import Struct

from webhook.excerpts import columns
from webhook.versions import NEWEST, Version, parse_version

if TYPE_CHECKING:
    from webhook.access import AccessRule
    from webhook.documents.reader import Problem
    from webhook.offline.customworkloads import CustomWorkloads
    from webhook.offline.requests import PlannedRequest
    from webhook.policy.load.treefiles import Packed, Tree
    from webhook.policy.policyset import PolicySet
    from webhook.policy.request import User

DEFAULT_TREE: Final = "policies"
TREES: Final = "GATEWRIGHT_POLICIES"
NO_SETTINGS: Final = "GATEWRIGHT_NO_SETTINGS"
TREE: Final = "a folder or file, or a bundle, oci://REGISTRY/REPOSITORY:TAG or …@sha256:DIGEST"

KubernetesVersion = Annotated[
    str,
    typer.Option(
        "--kubernetes-version",
        metavar="VERSION",
        envvar="GATEWRIGHT_KUBERNETES_VERSION",
        help="Kubernetes version of the cluster. Policies that use a later feature are refused; manifests are judged "
        "as that version judges them.",
    ),
]

PolicyImports = Annotated[
    str,
    typer.Option(
        "--policy-imports",
        metavar="MODULES",
        envvar="GATEWRIGHT_POLICY_IMPORTS",
        help="Modules that Python policies may import beside the default list, comma-separated.",
    ),
]

VerifyKey = Annotated[
    Path | None,
    typer.Option(
        "--verify-key",
        metavar="FILE",
        envvar="GATEWRIGHT_VERIFY_KEY",
        help="Public keys of cosign, PEM; a bundle must be signed by one of them.",
    ),
]

RegistryCA = Annotated[
    Path | None,
    typer.Option(
        "--registry-ca",
        metavar="FILE",
        envvar="GATEWRIGHT_REGISTRY_CA",
        help="CA certificates to trust for registries, PEM, instead of the system's.",
    ),
]

PlainRegistry = Annotated[
    bool,
    typer.Option(
        "--registry-plain-http",
        envvar="GATEWRIGHT_REGISTRY_PLAIN_HTTP",
        help="Use HTTP without TLS for registries. Registries on loopback always use it.",
    ),
]

Authorizations = Annotated[
    Path | None,
    typer.Option(
        "--authorizations", metavar="FILE", help="YAML file with the authorizer's answers, under `authorizations`."
    ),
]

SETTINGS_PATHS: Final = "`paths` in .gatewright.toml"

MISSING_PATH: Final = f"Missing argument 'PATH': name files and folders with manifests, or set {SETTINGS_PATHS}"

Manifests = Annotated[
    list[str] | None, typer.Argument(metavar="PATH", help="Files, folders (*.yaml, *.yml, *.json) or `-` for stdin.")
]

PolicyTrees = Annotated[
    list[str] | None,
    typer.Option(
        "--policies",
        metavar="TREE",
        help=f"The policy tree: {TREE}. May be repeated; several make one tree. (default {DEFAULT_TREE}; {TREES})",
    ),
]

Namespace = Annotated[
    str, typer.Option("--namespace", "-n", metavar="NS", help="The namespace of objects that name none.")
]

AsUser = Annotated[
    str, typer.Option("--as", metavar="USER", help="The user who applies them. [default: an empty user]")
]

AsGroups = Annotated[
    list[str] | None, typer.Option("--as-group", metavar="GROUP", help="A group of that user; may be repeated.")
]

Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="GLOB",
        help="Leave these files and folders out, as a line of .gitignore would; may be repeated.",
    ),
]

Strict = Annotated[bool, typer.Option("--strict", help="A file of a folder that cannot be checked is an error.")]

Old = Annotated[
    str,
    typer.Option(
        "--old",
        metavar="PATH",
        help="The file or folder with the old objects: each object is updated, created or deleted.",
    ),
]

Since = Annotated[
    str,
    typer.Option(
        "--since",
        metavar="REV",
        help="Take the objects that differ from a git revision: each is created, updated or deleted.",
    ),
]

Until = Annotated[
    str, typer.Option("--until", metavar="REV", help="With --since: compare with this revision, not the work tree.")
]


class Tool(StrEnum):
    """What renders charts and kustomizations."""

    KUSTOMIZE = "kustomize"
    HELM = "helm"


Render = Annotated[
    list[Tool] | None,
    typer.Option(
        "--render",
        help="Check the output of charts or kustomizations, by the installed tool; may be repeated.",
    ),
]

Values = Annotated[
    list[str] | None,
    typer.Option("--values", metavar="FILE", help="A file with values for --render helm; may be repeated."),
]

SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="FILE",
        help="A file with podTemplates of custom workloads. [default: gatewright.yaml, if it is there]",
    ),
]

Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Also name every file that is left out, and show tracebacks of Python policies."
    ),
]


Watch = Annotated[
    bool, typer.Option("--watch", help="Run again whenever a file of the policies or of the input changes.")
]


class Format(StrEnum):
    """The format of the report."""

    TEXT = "text"
    JSON = "json"


class Color(StrEnum):
    """When the report has colours. `auto`: on a terminal, unless NO_COLOR is set or TERM is dumb."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Operation(StrEnum):
    """The operation of the requests."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


Output = Annotated[Format, typer.Option("--output", "-o", help="The format of the report.")]

Colors = Annotated[Color, typer.Option(help="When the report has colours.")]


FAILED = 2


class Bundles(Struct, frozen=True):
    """The values of the options about bundles: --registry-ca, --registry-plain-http, --verify-key."""

    ca: Path | None = None
    plain_http: bool = False
    verify_key: Path | None = None


NO_BUNDLES: Final = Bundles()


class Given(Struct, frozen=True):
    """The values of the options that `check` and `explain` share: the policies and the tree that they were loaded from,
    the user who applies the manifests, and the authorizer's declared answers."""

    policies: PolicySet
    tree: Tree
    user: User
    access: tuple[AccessRule, ...]


class NotGiven(Exception):
    """Options that cannot be used. The reason is str(error), or the `problems` of the files that they name.

    policies: whether these files are the policies. elsewhere: those among them that are named at a revision, see
    `webhook.cli.report.model.Report`.
    """

    def __init__(
        self,
        message: str = "",
        problems: Sequence[Problem] = (),
        *,
        policies: bool = False,
        elsewhere: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.problems = problems
        self.policies = policies
        self.elsewhere = elsewhere or {}


def trees(named: Sequence[str] | None) -> tuple[str, ...]:
    """The policy trees: those that options or arguments name, else those of the variable, which commas separate, as in
    the settings of the server."""
    if named:
        return tuple(named)
    return tuple(each for each in os.environ.get(TREES, "").split(",") if each) or (DEFAULT_TREE,)


def loaded(
    named: Sequence[str],
    version: Version = NEWEST,
    imports: str = "",
    bundles: Bundles = NO_BUNDLES,
) -> tuple[PolicySet, Tree]:
    """The policies of the trees. Raises NotGiven, and PolicyTreeError."""
    from webhook.policy.load.loading import load_tree

    tree = read(named, imports, bundles)
    return load_tree(tree, version), tree


def read(named: Sequence[str], imports: str = "", bundles: Bundles = NO_BUNDLES) -> Tree:
    """The files of the trees, whether they load or not. Raises NotGiven."""
    from webhook.policy.load.treefiles import NONE_PACKED, read_tree

    packed = pulled(named, bundles) if any(map(is_bundle, named)) else NONE_PACKED
    return read_tree(*named, imports=imported(imports), packed=packed)


def is_bundle(tree: str) -> bool:
    """Whether the name of a policy tree is that of a bundle in a registry."""
    return tree.startswith("oci://")


def pulled(named: Sequence[str], bundles: Bundles) -> dict[str, Packed]:
    """The trees of those that are bundles, by name. Raises NotGiven."""
    from webhook.bundle import pulling, signatures
    from webhook.bundle.reference import is_reference, parse
    from webhook.bundle.registry import Access

    access = Access(bundles.ca, bundles.plain_http)
    try:
        keys = None if bundles.verify_key is None else signatures.keys(bundles.verify_key)
    except signatures.SignatureError as error:
        raise NotGiven(f"--verify-key: {error}") from None
    try:
        return {each: pulling.pull(parse(each), access, keys).packed for each in named if is_reference(each)}
    except (pulling.BundleError, ValueError) as error:
        raise NotGiven(str(error)) from None


def given(
    named: Sequence[str],
    version: str,
    user: str,
    groups: Sequence[str],
    authorizations: Path | None,
    imports: str = "",
    bundles: Bundles = NO_BUNDLES,
) -> Given:
    """Read the files and values that the options name. Raises NotGiven."""
    # Imported here so that `gatewright --help` and errors in options do not wait for it.
    from webhook.offline import authorizations as access
    from webhook.offline.requests import impersonated
    from webhook.policy.load.loading import PolicyTreeError

    try:
        as_user = impersonated(user, groups)
    except ValueError as error:
        raise NotGiven(str(error)) from None
    try:
        target = parse_version(version)
    except ValueError as error:
        raise NotGiven(f"--kubernetes-version: {error}, got {version!r}") from None
    try:
        policies, tree = loaded(named, target, imports, bundles)
    except PolicyTreeError as error:
        raise NotGiven(problems=error.problems, policies=True) from None
    rules, wrong = access.read(str(authorizations)) if authorizations is not None else ((), [])
    if wrong:
        raise NotGiven(problems=wrong)
    return Given(policies, tree, as_user, rules)


def imported(modules: str) -> frozenset[str]:
    """The modules that --policy-imports names. Raises NotGiven."""
    from webhook.policy.python import allowed

    try:
        return allowed.modules(modules)
    except ValueError as error:
        raise NotGiven(f"--policy-imports: {error}") from None


def refuse(error: NotGiven, color: Color) -> int:
    """Write the error, or its problems, to stderr. Returns the exit code."""
    return fail_with(error.problems, color) if error.problems else fail(str(error), color)


def assumed(namespaces: Collection[str], requests: Iterable[PlannedRequest], policies: PolicySet) -> list[str]:
    """A note on Namespaces that are not among the inputs; empty if none of them could change a verdict."""
    from webhook.offline.unknownnamespaces import that_matter

    return assumed_note(that_matter(namespaces, (each.request for each in requests), policies))


def assumed_note(namespaces: Collection[str]) -> list[str]:
    """A note on Namespaces whose labels verdicts depend on and that are not among the inputs; empty if all are."""
    if not namespaces:
        return []
    return [
        f"no Namespace among the inputs for {', '.join(sorted(namespaces))}: taken to have no labels but "
        "kubernetes.io/metadata.name"
    ]


def operation_of(
    operation: Operation | None, old: str, paths: Sequence[str], since: str = "", until: str = ""
) -> Operation:
    """The operation of the requests, before they are compared with --old or --since. Raises NotGiven."""
    if until and not since:
        raise NotGiven("--until needs --since")
    if since and old:
        raise NotGiven("--since and --old both say what was before; leave one of them out")
    if since and operation is not None:
        raise NotGiven("--since says itself what is created, updated and deleted; leave --operation out")
    if since and "-" in paths:
        raise NotGiven("stdin has no revisions; with --since name files and folders of a git repository")
    if old and operation not in (None, Operation.UPDATE):
        raise NotGiven("--old says itself what is created, updated and deleted; leave --operation out")
    if old == "-" and "-" in paths:
        raise NotGiven("stdin cannot be both the manifests and what they were before")
    return Operation.CREATE if old or since else operation or Operation.CREATE


def workloads_of(settings: Path | None) -> CustomWorkloads:
    """The custom workloads of the settings file, or of the repository's settings. Raises NotGiven."""
    from webhook.cli import podtemplatesfile, repositorysettings

    found, wrong = podtemplatesfile.read(settings)
    if wrong:
        raise NotGiven(problems=wrong)
    if settings is not None or os.environ.get(NO_SETTINGS):
        return found
    here, wrong = repositorysettings.read()
    if here.workloads.named and found.named:
        where = f"{here.file} has pod-templates, and {podtemplatesfile.DEFAULT} podTemplates; keep one of them"
        raise NotGiven(where)
    if wrong:
        raise NotGiven(problems=wrong)
    return found if found.named else here.workloads


def fail(message: str, color: Color = Color.AUTO) -> int:
    """Write an error to stderr. Returns the exit code."""
    from webhook.cli.report.problems import error_line

    sys.stderr.write(error_line(message, colored(color, sys.stderr)))
    return FAILED


def fail_with(problems: Iterable[Problem], color: Color = Color.AUTO) -> int:
    """Write problems to stderr, each with its line of the file. Returns the exit code."""
    from webhook.cli.report.problems import error_text

    with_colors, width = colored(color, sys.stderr), columns(sys.stderr)
    sys.stderr.write("".join(error_text(problem, with_colors, width) for problem in problems))
    sys.stderr.flush()
    return FAILED


def colored(color: Color, stream: TextIO) -> bool:
    """Whether output on a stream has colours."""
    if color is Color.AUTO:
        return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return color is Color.ALWAYS


def draws(stream: TextIO) -> bool:
    """Whether line art can be written to a stream."""
    try:
        "✗├│└─…".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
