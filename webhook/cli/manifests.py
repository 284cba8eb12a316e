"""`gatewright manifests`: writes the webhook configurations, and RBAC, for the policies."""

from __future__ import annotations

import difflib
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webhook.cli.options import FAILED, Color, NotGiven, PolicyImports, colored, fail, fail_with, imported
from webhook.excerpts import columns

if TYPE_CHECKING:
    from webhook.policy.policyset import PolicySet
    from webhook.registration.configurations import Options

_SERVICE = "gatewright-system/gatewright"
_NAME = "gatewright"
_TIMEOUT = 5  # seconds


def manifests(
    policies: Annotated[
        Path, typer.Argument(metavar="POLICIES", help="The policy tree.", envvar="GATEWRIGHT_POLICIES")
    ] = Path("policies"),
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
    exclude_namespace: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NS",
            help="A namespace to exempt, besides the Service's, kube-system, kube-node-lease and cert-manager; may be "
            "repeated.",
        ),
    ] = None,
    policy_imports: PolicyImports = "",
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
        str, typer.Option(metavar="NS/NAME", help="With --rbac: the service account to bind the roles to.")
    ] = _SERVICE,
) -> None:
    """Write the ValidatingWebhookConfiguration and the MutatingWebhookConfiguration for the requests that the policies
    can match, as YAML to stdout. With --rbac: the roles for the objects that the policies look up.

    The same policies and options give the same text: commit it, and use `--check` to detect when it is out of date.

    Exit code: **0** written, or up to date; **1** out of date; **2** the run itself failed: a bad policy, a bad file, a
    bad option.
    """
    from webhook.registration import configurations, roles
    from webhook.registration.configurations import OptionError
    from webhook.registration.webhooks import webhooks

    try:
        if check is not None and write is not None:
            raise OptionError("--check and --write exclude each other: --check writes nothing")
        if sum((inject_ca_from is not None, ca_bundle is not None, no_ca)) > 1:
            raise OptionError("--inject-ca-from, --ca-bundle and --no-ca exclude each other: use one of them")
        account = configurations.namespaced_name(service_account) if rbac else None
        options = _options(service, url, inject_ca_from, ca_bundle, no_ca, exclude_namespace or [], timeout, name)
    except OptionError as error:
        raise typer.Exit(fail(str(error))) from None
    command = _command(
        policies,
        ("--service", service if service != _SERVICE else None),
        ("--url", url),
        ("--inject-ca-from", inject_ca_from),
        ("--ca-bundle", str(ca_bundle) if ca_bundle else None),
        ("--no-ca", "" if no_ca else None),
        *(("--exclude-namespace", each) for each in exclude_namespace or []),
        ("--policy-imports", policy_imports or None),
        *(("--without", each) for each in without or []),
        ("--timeout", str(timeout) if timeout != _TIMEOUT else None),
        ("--name", name if name != _NAME else None),
        ("--rbac", "" if rbac else None),
        ("--service-account", service_account if service_account != _SERVICE else None),
    )

    def render(loaded: PolicySet) -> str:
        if account is not None:
            return roles.text(loaded, account, name, command)
        return configurations.text(webhooks(loaded), options, command)

    raise typer.Exit(_manifests(policies, render, policy_imports, check=check, write=write, without=without or []))


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


def _command(policies: Path, *options: tuple[str, str | None]) -> str:
    """The command line that writes the same text, for its header."""
    words = ["gatewright", "manifests", str(policies)]
    for option, value in options:
        if value is not None:
            words += [option, value] if value else [option]
    return shlex.join(words)


def _manifests(
    tree: Path,
    render: Callable[[PolicySet], str],
    policy_imports: str,
    *,
    check: Path | None,
    write: Path | None,
    without: list[str],
) -> int:
    # Imported here so that `gatewright --help` and errors in options do not wait for it.
    from webhook.cli.report.problems import note_line, warning_text
    from webhook.cli.streams import put
    from webhook.documents import files
    from webhook.policy.load.loading import PolicyTreeError, load
    from webhook.registration.webhooks import never_asked

    try:
        policies = load(tree, imports=imported(policy_imports))
    except NotGiven as error:
        return fail(str(error))
    except PolicyTreeError as error:
        return fail_with(error.problems)
    names = {policy.name for policy in policies.policies}
    if unknown := sorted(set(without) - names):
        return fail(f"--without: there is no policy {unknown[0]!r}; expected one of {', '.join(sorted(names))}")
    warnings = policies.warnings
    policies = policies.without(without)
    on_stderr = colored(Color.AUTO, sys.stderr)
    for note in (*policies.notes, *never_asked(policies)):
        sys.stderr.write(note_line(str(note), on_stderr))
    for warning in warnings:
        sys.stderr.write(warning_text(warning, on_stderr, columns(sys.stderr)))
    rendered = render(policies)
    if check is not None:
        return _compared(check, rendered)
    if write is None:
        return 0 if put(rendered) else FAILED
    try:
        write.write_text(rendered, encoding="utf-8")
    except OSError as error:
        return fail(f"--write: {write}: {files.reason(error)}")
    return 0


def _compared(check: Path, rendered: str) -> int:
    from webhook.cli.streams import put
    from webhook.documents import files

    try:
        current = sys.stdin.read() if str(check) == "-" else check.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = files.reason(error) if isinstance(error, OSError) else "not UTF-8"
        return fail(f"--check: {check}: {reason}")
    if current == rendered:
        return 0
    lines = difflib.unified_diff(
        current.splitlines(keepends=True), rendered.splitlines(keepends=True), str(check), "the policies' registration"
    )
    diff = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    return 1 if put(diff) else FAILED
