"""`gatewright manifests`: writes the webhook configurations, and RBAC, for the policies."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webhook.cli import native
from webhook.cli.options import (
    DEFAULT_TREE,
    TREE,
    TREES,
    Color,
    PlainRegistry,
    PolicyImports,
    RegistryCA,
    VerifyKey,
    colored,
    fail,
    fail_with,
)
from webhook.cli.readoptions import (
    Bundles,
    NotGiven,
    is_bundle,
    loaded,
    trees,
)
from webhook.cli.renderedfiles import compared, written
from webhook.excerpts import columns
from webhook.nearest import nearest

if TYPE_CHECKING:
    from webhook.documents.reader import Problem
    from webhook.policy.policyset import PolicySet
    from webhook.registration.configurations import Options

_SERVICE = "gatewright-system/gatewright"
_NAME = "gatewright"
_TIMEOUT = 5  # seconds
_WHICH_NAMESPACES = (
    "exempt are the Service's namespace, kube-system, kube-public and kube-node-lease; name with --exempt-namespace "
    "what else a Pod of Gatewright needs to start: the namespaces of cert-manager and of network, storage and DNS "
    "drivers (if there are none, name kube-system)"
)


def manifests(
    policies: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TREE",
            help=f"The policy tree: {TREE}. Several make one tree. (default {DEFAULT_TREE}; {TREES})",
        ),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(
            "--check",
            metavar="FILE",
            help="Write nothing; compare with this file (`-`: stdin) and show the differences.",
        ),
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="Write to this file instead of stdout.")
    ] = None,
    service: Annotated[str, typer.Option(metavar="NS/NAME", help="The Service that the API server calls.")] = _SERVICE,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="URL to call instead of a Service: for development, with a server on your machine."
        ),
    ] = None,
    inject_ca_from: Annotated[
        str | None,
        typer.Option(
            metavar="NS/CERT",
            help=f"Certificate of cert-manager, which then sets caBundle. [default: {_SERVICE}, without --url]",
        ),
    ] = None,
    ca_bundle: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CA certificates for caBundle, PEM, instead of cert-manager.")
    ] = None,
    no_ca: Annotated[bool, typer.Option("--no-ca", help="Leave caBundle out: something else sets it.")] = False,
    exempt_namespace: Annotated[
        list[str] | None,
        typer.Option(
            "--exempt-namespace",
            "--exclude-namespace",
            metavar="NS",
            help="A namespace to exempt, besides the Service's, kube-system, kube-public and kube-node-lease: of "
            "cert-manager, and of network, storage and DNS drivers. It must exist: whoever may create it escapes all "
            "policies. May be repeated.",
        ),
    ] = None,
    bootstrap: Annotated[
        list[str] | None,
        typer.Option(
            "--bootstrap",
            metavar="RESOURCE",
            help="Ask about a resource that a cluster needs to start, because a policy has it in its rules by name: "
            "`nodes`, `certificatesigningrequests.certificates.k8s.io`. A cluster then cannot start without "
            "Gatewright. May be repeated.",
        ),
    ] = None,
    policy_imports: PolicyImports = "",
    verify_key: VerifyKey = None,
    registry_ca: RegistryCA = None,
    registry_plain_http: PlainRegistry = False,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="POLICY", help="A policy to leave out, because the API server runs it; may be repeated."),
    ] = None,
    timeout: Annotated[int, typer.Option(metavar="SECONDS", help="How long the API server waits, 1 to 30.")] = _TIMEOUT,
    name: Annotated[str, typer.Option(metavar="NAME", help="The name of the objects that are written.")] = _NAME,
    rbac: Annotated[
        bool, typer.Option("--rbac", help="Write the RBAC for the policies' lookups in the cluster instead.")
    ] = False,
    service_account: Annotated[
        str, typer.Option(metavar="NS/NAME", help="With --rbac or --all: the service account to bind the roles to.")
    ] = _SERVICE,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Everything that ships the tree. --write and --check then take the folder of "
            "webhookconfigurations.yaml and rbac.yaml; kustomization.yaml, with the lists of policies and params, is "
            "in the policy tree.",
        ),
    ] = False,
    steady_name: Annotated[
        bool,
        typer.Option(
            "--steady-name",
            help="With --all: the ConfigMap keeps its name when a policy changes (disableNameSuffixHash), so that "
            "running Pods take the change over, without a rollout.",
        ),
    ] = False,
    helm_values: Annotated[
        bool,
        typer.Option(
            "--helm-values",
            help="Write the values that the Helm chart needs of the tree instead: registration, RBAC, params; with "
            "--all the policies too. --write and --check take a file.",
        ),
    ] = False,
    native_policies: Annotated[
        list[str] | None,
        typer.Option(
            "--native",
            metavar="POLICY",
            help="Write instead this policy in CEL, its bindings and params, for the API server to run it, with the "
            "same exempt namespaces; may be repeated. `*`: all that have a binding and that it can run.",
        ),
    ] = None,
    static: Annotated[
        bool,
        typer.Option(
            "--static",
            help="With --native, or --url: write files for the API server's manifest-based admission configuration "
            "(Kubernetes 1.37). --write and --check take a folder.",
        ),
    ] = False,
    static_directory: Annotated[
        str,
        typer.Option(metavar="DIR", help="With --static: where the API server reads the files, on its own host."),
    ] = native.DIRECTORY,
) -> None:
    """Write the ValidatingWebhookConfiguration and the MutatingWebhookConfiguration for the requests that the policies
    can match, as YAML to stdout. With --rbac: the roles for the objects that the policies look up. With --all: both,
    and the lists of the files that go to the cluster. With --helm-values: all of this for the Helm chart. With
    --native: policies that the API server is to run itself.

    The same policies and options give the same text: commit it, and use `--check` to detect when it is out of date.

    Exit code: **0** written, or up to date; **1** out of date; **2** the run itself failed: a bad policy, a bad file, a
    bad option, a tree that does not fit into a ConfigMap.
    """
    from webhook.audit import roles as auditing
    from webhook.registration import chartvalues, configurations, roles, shipping
    from webhook.registration.configurations import OptionError
    from webhook.registration.webhooks import webhooks

    named, confirmed, without = trees(policies), bootstrap or [], without or []
    try:
        if check is not None and write is not None:
            raise OptionError("--check and --write exclude each other: --check writes nothing")
        if helm_values:
            if rbac or url or inject_ca_from or ca_bundle or no_ca or name != _NAME or service_account != _SERVICE:
                raise OptionError(_NOT_FOR_A_CHART)
            no_ca, service_account, name = True, service, service.partition("/")[2]
        elif everything and check is None and write is None:
            raise OptionError("--all: expected a folder, with --write or --check")
        if steady_name and (helm_values or not everything):
            raise OptionError("--steady-name is for --all without --helm-values: it is about the kustomization")
        if everything and rbac:
            raise OptionError("--all and --rbac exclude each other: --all writes the roles too")
        if everything and is_bundle(named[0]):
            raise OptionError(f"--all: {named[0]} is a bundle: the server pulls it, and no list of files ships it")
        if everything and len(named) > 1:
            raise OptionError(
                f"--all: expected one tree, got {len(named)}: a kustomization lists the files of its own folder. "
                "`gatewright bundle` packs several trees"
            )
        if (native_policies or static) and (everything or rbac or helm_values or without):
            raise OptionError(
                "--native and --static write the policies of the API server alone: leave out --all, --rbac, "
                "--helm-values and --without"
            )
        if sum((inject_ca_from is not None, ca_bundle is not None, no_ca)) > 1:
            raise OptionError("--inject-ca-from, --ca-bundle and --no-ca exclude each other: use one of them")
        account = configurations.namespaced_name(service_account) if rbac or everything or helm_values else ("", "")
        options = _options(service, url, inject_ca_from, ca_bundle, no_ca, exempt_namespace or [], timeout, name)
    except OptionError as error:
        raise typer.Exit(fail(str(error))) from None
    of_policies = (("--policy-imports", policy_imports or None), *(("--without", each) for each in without))
    shared = (*of_policies, ("--name", name if name != _NAME else None))
    registration = (
        ("--service", service if service != _SERVICE else None),
        ("--url", url),
        ("--inject-ca-from", inject_ca_from),
        ("--ca-bundle", str(ca_bundle) if ca_bundle else None),
        ("--no-ca", "" if no_ca else None),
        *(("--exempt-namespace", each) for each in exempt_namespace or []),
        *(("--bootstrap", each) for each in confirmed),
        ("--timeout", str(timeout) if timeout != _TIMEOUT else None),
    )
    of_account = ("--service-account", service_account if service_account != _SERVICE else None)

    bundles = Bundles(registry_ca, registry_plain_http, verify_key)
    if native_policies or static:
        own = (("--native", each) for each in native_policies or [])
        how = (
            ("--static", "" if static else None),
            ("--static-directory", static_directory if static_directory != native.DIRECTORY else None),
        )
        wanted = native.Wanted(
            names=tuple(native_policies or ()),
            static=static,
            webhook=static and url is not None,
            directory=static_directory.rstrip("/"),
            folder=write or check,
            command=_command(named, *own, *how, *registration, *shared),
        )
        raise typer.Exit(_native(wanted, options, named, policy_imports, bundles, check=check is not None))

    tree = Path(named[0])

    def registered(policies: PolicySet) -> str:
        command = _command(named, *registration, *shared)
        return configurations.text(webhooks(policies, confirmed), options, command)

    def permitted(policies: PolicySet) -> str:
        return roles.text(policies, account, name, _command(named, *shared, ("--rbac", ""), of_account))

    def shipped(policies: PolicySet) -> str:
        found = shipping.shipment(tree, policies)
        _tell(found.notes, shipping.warnings(found, tree))
        how = (("--all", ""), ("--steady-name", "" if steady_name else None))
        return shipping.text(found, name, _command(named, *shared, *how), steady=steady_name)

    def valued(policies: PolicySet) -> str:
        found = [(path, shipping.shipment(path, policies, files_too=everything)) for path in map(Path, named)]
        if everything:
            _tell((*found[0][1].notes, *chartvalues.still_denying(policies, found[0][1], tree)), ())
        how = (("--helm-values", ""), ("--all", "" if everything else None))
        own = tuple(each for each in registration if each[0] != "--no-ca")
        return chartvalues.text(
            found,
            webhooks(policies, confirmed),
            options,
            roles.roles(policies, account, name),
            _command(named, *own, *of_policies, *how),
            files=everything,
            audit=auditing.roles(policies, account=(account[0], f"{account[1]}-audit")),
        )

    if helm_values:
        texts: list[_Text] = [(write or check, valued)]
    elif everything:
        folder = write or check or tree
        texts = [
            (folder / "webhookconfigurations.yaml", registered),
            (folder / "rbac.yaml", permitted),
            (tree / shipping.FILE, shipped),
        ]
    else:
        texts = [(write or check, permitted if rbac else registered)]
    tells = not (exempt_namespace or rbac or check)
    try:
        rendered = _rendered(named, policy_imports, bundles, texts, without, confirmed, tells=tells)
        may_be_missing = everything and not helm_values
        code = (
            compared(rendered, may_be_missing=may_be_missing)
            if check is not None
            else written(rendered, folders=everything and not helm_values)
        )
    except _FailedError as error:
        code = error.code
    raise typer.Exit(code)


def _native(
    wanted: native.Wanted, options: Options, named: Sequence[str], imports: str, bundles: Bundles, *, check: bool
) -> int:
    if fault := native.wrong(wanted, options):
        return fail(fault)
    try:
        rendered = native.files(wanted, options, named, imports, bundles, _tell)
    except native.Failed as failed:
        return failed.code
    if check:
        return compared(rendered, may_be_missing=wanted.static)
    return written(rendered, folders=wanted.static)


_NOT_FOR_A_CHART = (
    "--helm-values: roles are part of the values, certificates are the chart's matter, and everything has the name of "
    "the release (--service NAMESPACE/RELEASE); leave out --rbac, --url, --inject-ca-from, --ca-bundle, --no-ca, "
    "--name and --service-account"
)


def _tell(notes: Iterable[Problem], warnings: Iterable[Problem]) -> None:
    """Write notes and warnings to stderr."""
    from webhook.cli.report.problems import note_line, warning_text

    on_stderr = colored(Color.AUTO, sys.stderr)
    for note in notes:
        sys.stderr.write(note_line(str(note), on_stderr))
    for warning in warnings:
        sys.stderr.write(warning_text(warning, on_stderr, columns(sys.stderr)))


def _options(
    service: str,
    url: str | None,
    inject_ca_from: str | None,
    ca_bundle: Path | None,
    no_ca: bool,
    namespaces: list[str],
    timeout: int,
    name: str,
) -> Options:
    """The registration's options. Raises OptionError, which names the option."""
    from webhook.documents import files
    from webhook.registration.configurations import OptionError, Options, namespaced_name

    try:
        bundle = ca_bundle.read_bytes() if ca_bundle else None
    except OSError as error:
        raise OptionError(f"--ca-bundle: {ca_bundle}: {files.reason(error)}") from None
    if inject_ca_from is None and not (no_ca or ca_bundle or url):
        inject_ca_from = _SERVICE

    def named(option: str, given: str) -> tuple[str, str]:
        try:
            return namespaced_name(given)
        except OptionError as error:
            raise OptionError(f"{option}: {error}") from None

    return Options(
        service=named("--service", service),
        url=url,
        namespaces=tuple(namespaces),
        inject_from=None if inject_ca_from is None else named("--inject-ca-from", inject_ca_from),
        ca_bundle=bundle,
        timeout=timeout,
        name=name,
    )


def _command(trees: Sequence[str], *options: tuple[str, str | None]) -> str:
    """The command line that writes the same text, for its header."""
    words = ["gatewright", "manifests", *trees]
    for option, value in options:
        if value is not None:
            words += [option, value] if value else [option]
    return shlex.join(words)


_Text = tuple[Path | None, Callable[["PolicySet"], str]]
"""A file, None for stdout, and what is in it."""


class _FailedError(Exception):
    """The run failed, and stderr says why."""

    def __init__(self, code: int) -> None:
        self.code = code


def _rendered(
    named: Sequence[str],
    imports: str,
    bundles: Bundles,
    texts: Sequence[_Text],
    without: list[str],
    confirmed: list[str],
    *,
    tells: bool,
) -> list[tuple[Path | None, str]]:
    """The texts of all files; warnings and notes go to stderr. Raises _FailedError.

    `tells`: whether the operator is asked which namespaces are exempt.
    """
    # Imported here so that `gatewright --help` and errors in options do not wait for it.
    from webhook.cli.report.problems import note_line
    from webhook.policy.load.loading import PolicyTreeError
    from webhook.registration import bootstrap, shipping
    from webhook.registration.webhooks import never_asked

    try:
        policies, _ = loaded(named, imports=imports, bundles=bundles)
    except NotGiven as error:
        raise _FailedError(fail(str(error))) from None
    except PolicyTreeError as error:
        raise _FailedError(fail_with(error.problems)) from None
    names = {policy.name for policy in policies.policies}
    if unknown := sorted(set(without) - names):
        near = nearest(unknown[0], names)
        advice = f"did you mean {near}?" if near else f"expected one of {', '.join(sorted(names))}"
        raise _FailedError(fail(f"--without: there is no policy {unknown[0]!r}; {advice}"))
    policies = policies.without(without)
    if wrong := bootstrap.unconfirmable(confirmed, policies):
        raise _FailedError(fail(f"--bootstrap: {wrong}"))
    _tell((*policies.notes, *never_asked(policies)), ())
    if tells:
        sys.stderr.write(note_line(_WHICH_NAMESPACES, colored(Color.AUTO, sys.stderr)))
    _tell((), (*policies.warnings, *bootstrap.warnings(policies, confirmed)))
    try:
        return [(file, render(policies)) for file, render in texts]
    except shipping.ShippingError as error:
        raise _FailedError(fail_with(error.problems)) from None
