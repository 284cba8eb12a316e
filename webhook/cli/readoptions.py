"""Reads what the options that subcommands share name: policy trees, a user, a Kubernetes version, custom workloads."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from webhook.cli.options import DEFAULT_TREE, NO_SETTINGS, TREES, Color, Operation, fail, fail_with
from webhook.versions import NEWEST, Version, parse_version

if TYPE_CHECKING:
    from webhook.access import AccessRule
    from webhook.documents.reader import Problem
    from webhook.offline.customworkloads import CustomWorkloads
    from webhook.offline.requests import PlannedRequest
    from webhook.policy.load.treefiles import Packed, Tree
    from webhook.policy.policyset import PolicySet
    from webhook.policy.request import User


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


def twice(files: Iterable[str | Path]) -> str:
    """The first file that is named a second time, perhaps by another path; "" if there is none."""
    seen: set[str] = set()
    for each in files:
        path = os.path.realpath(each)
        if path in seen:
            return str(each)
        seen.add(path)
    return ""


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
