"""`gatewright explain`: why a policy refuses an object, or lets it pass."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from msgspec import Struct
from msgspec.structs import replace

from webhook.cli.inputs import SubresourceName, asked_of, excluding, operation_on, rendering_of, sent_to
from webhook.cli.options import (
    FAILED,
    SETTINGS_PATHS,
    AsGroups,
    AsUser,
    Authorizations,
    Color,
    Colors,
    Exclude,
    Format,
    KubernetesVersion,
    Namespace,
    Old,
    Operation,
    Output,
    PlainRegistry,
    PolicyImports,
    PolicyTrees,
    RegistryCA,
    Render,
    SettingsFile,
    Since,
    Tool,
    Until,
    Values,
    Verbose,
    VerifyKey,
    colored,
    draws,
    fail,
    fail_with,
)
from webhook.cli.readoptions import (
    Bundles,
    NotGiven,
    assumed,
    given,
    is_bundle,
    operation_of,
    refuse,
    trees,
    workloads_of,
)
from webhook.excerpts import columns
from webhook.versions import NEWEST_TEXT
from webhook.visible import visible

if TYPE_CHECKING:
    from webhook.cli.report.explaintext import Report
    from webhook.cli.report.style import Style
    from webhook.documents.ignoring import Ignoring
    from webhook.documents.reader import Problem
    from webhook.paths import Path as ObjectPath
    from webhook.policy.load.treefiles import Tree
    from webhook.policy.policyset import Policy


def explain(
    ctx: typer.Context,
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="The name of a policy in the tree.")] = "",
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="MANIFEST", help="Files, folders (*.yaml, *.yml, *.json) or `-` for stdin."),
    ] = None,
    policies: PolicyTrees = None,
    test: Annotated[
        str,
        typer.Option(
            "--test",
            metavar="NAME",
            help="Explain a case of a PolicyTest in place of manifests: its name, a part of it, or FILE:LINE.",
        ),
    ] = "",
    namespace: Namespace = "default",
    user: AsUser = "",
    groups: AsGroups = None,
    operation: Annotated[
        Operation | None,
        typer.Option(
            help="The default is CREATE. UPDATE: the same objects were there before. DELETE: they are removed.",
            case_sensitive=False,
        ),
    ] = None,
    old: Old = "",
    since: Since = "",
    until: Until = "",
    render: Render = None,
    values: Values = None,
    subresource: SubresourceName = "",
    exclude: Exclude = None,
    settings: SettingsFile = None,
    output: Output = Format.TEXT,
    version: KubernetesVersion = NEWEST_TEXT,
    policy_imports: PolicyImports = "",
    verify_key: VerifyKey = None,
    registry_ca: RegistryCA = None,
    registry_plain_http: PlainRegistry = False,
    authorizations: Authorizations = None,
    full: Annotated[bool, typer.Option("--full", help="Also show the parts that did not matter.")] = False,
    verbose: Verbose = False,
    color: Colors = Color.AUTO,
) -> None:
    """Explain how a policy decides on manifests, or on a case of its tests: the verdict, and the values that led to it,
    step by step.

    Exit code: **0** nothing is denied, **1** something is denied, **2** the run itself failed: a bad policy, a bad
    file, a bad option.
    """
    show = _Show(output, full, verbose, color)
    try:
        if test:
            beside = {
                "manifests": paths,
                "--namespace": namespace != "default",
                "--as": user,
                "--as-group": groups,
                "--operation": operation,
                "--old": old,
                "--since": since,
                "--until": until,
                "--render": render,
                "--values": values,
                "--subresource": subresource,
                "--exclude": exclude,
                "--settings": settings,
                "--authorizations": authorizations,
            }
            if given_beside := [name for name, value in beside.items() if value]:
                message = f"--test: the case says what is sent, and by whom; leave {', '.join(given_beside)} out"
                raise typer.Exit(fail(message, color))
            raise typer.Exit(_explain_case(policy, test, trees(policies), version, policy_imports, show))
        if not policy or not paths:
            missing = "MANIFEST" if policy else "POLICY"
            more = f"; or set {SETTINGS_PATHS}" if policy else ""
            raise typer.Exit(
                fail(f"Missing argument '{missing}': name a policy and manifests, or a case by --test{more}")
            )
        code = _explain(
            policy,
            paths,
            trees(policies),
            namespace=namespace,
            user=user,
            groups=groups or [],
            operation=operation,
            old=old,
            since=since,
            until=until,
            render=render or [],
            values=values or [],
            subresource=subresource,
            exclude=excluding(ctx, exclude),
            settings=settings,
            version=version,
            policy_imports=policy_imports,
            bundles=Bundles(registry_ca, registry_plain_http, verify_key),
            authorizations=authorizations,
            show=show,
        )
    except NotGiven as error:
        code = refuse(error, color)
    except BrokenPipeError:  # the reader of stderr has closed it
        code = FAILED
    except KeyboardInterrupt:
        code = 130
    raise typer.Exit(code)


def _explain(
    name: str,
    paths: list[str],
    named: tuple[str, ...],
    *,
    namespace: str,
    user: str,
    groups: list[str],
    operation: Operation | None,
    old: str,
    since: str,
    until: str,
    render: list[Tool],
    values: list[str],
    subresource: str,
    exclude: Ignoring | None,
    settings: Path | None,
    version: str,
    policy_imports: str,
    bundles: Bundles,
    authorizations: Path | None,
    show: _Show,
) -> int:
    # Imported here so that `gatewright --help` and errors in options do not wait for it.
    from webhook.cli.report import explainjson, explaintext
    from webhook.cli.streams import put
    from webhook.cluster.manifestsview import ManifestsView
    from webhook.offline.background import Background
    from webhook.offline.inputs import Inputs
    from webhook.offline.lookedup import Overlaps, looked_up
    from webhook.offline.policyexplained import explain_requests
    from webhook.offline.requests import Options
    from webhook.policy.python.raised import tracebacks

    try:
        compared = bool(old or since)
        done = operation_of(operation_on(subresource, operation, compared=compared), old, paths, since, until)
        rendering = rendering_of(render, values, namespace)
        custom = workloads_of(settings)
        run = given(named, version, user, groups, authorizations, policy_imports, bundles)
    except NotGiven as error:
        if error.policies and show.output is Format.JSON:
            put(explainjson.report((), (), error.problems))
            return FAILED
        return refuse(error, show.color)
    policies = run.policies
    chosen = [policy for policy in policies.policies if policy.name == name]
    if not chosen:
        return fail(
            _unknown(name, [policy.name for policy in policies.policies], run.tree, policies.warnings), show.color
        )

    inputs = Inputs(paths, old, since, until, exclude, rendering=rendering, verbose=show.verbose)
    try:
        found = asked_of(
            inputs, Options(namespace, run.user, done.value, custom=custom, target=policies.target), policies
        )
    except NotGiven as error:
        return refuse(error, show.color)
    policies, planned, problems = found.policies, found.planned, found.problems
    requests, without = sent_to(subresource, found, policies, compared=compared)
    chosen = [policy for policy in policies.policies if policy.name == name]
    notes = [*found.notes, *map(str, found.warnings), *without]
    notes += Overlaps(policies.objects).notes(requests)
    objects = looked_up(policies.objects, planned.objects)
    cluster = ManifestsView(objects, planned.kinds, assume_namespaces=True, access_rules=run.access)
    revisions = "" if requests or not since else f"between {since} and {until}" if until else f"from {since}"
    with tracebacks() as raised:
        background = Background(policies, raised)
        reports = [
            explaintext.Report(
                policy,
                list(explain_requests(policy, requests, policies, cluster)),
                _places(policy, run.tree),
                background,
                show.verbose,
                revisions,
            )
            for policy in chosen
        ]
    notes += assumed(cluster.assumed, requests, policies)
    if not requests and not problems and not without and (found.empty or not since):  # equal revisions are no problem
        problems.append(found.nothing(paths, "explain"))
    return _reported(reports, notes, problems, show)


def _explain_case(name: str, text: str, named: tuple[str, ...], version: str, policy_imports: str, show: _Show) -> int:
    """Explain one case of a PolicyTest."""
    from webhook.cli.report import explainjson, explaintext
    from webhook.cli.report.casestext import case_lines
    from webhook.cli.report.tested import case
    from webhook.cli.streams import put
    from webhook.offline.background import Background
    from webhook.offline.cases import explained, policytest, runs, selection
    from webhook.offline.cases.setup import Setups
    from webhook.policy.python.raised import tracebacks

    if bundles := [each for each in named if is_bundle(each)]:
        return fail(f"--policies: {bundles[0]}: tests are in folders, not in bundles", show.color)
    try:
        run = given(named, version, "", [], None, policy_imports)
        planned, problems = policytest.plan(named, run.policies)
        if problems:
            raise NotGiven(problems=problems, policies=True)
        chosen = selection.one((each for each in planned if name in ("", each.policy)), text)
    except selection.NoTests as error:
        code = fail(f"{error.where}: {error}", show.color)
        names = (f"{each.file}:{each.line}: {each.policy}: {each.case.name}" for each in error.among)
        sys.stderr.write("".join(f"  {visible(name)}\n" for name in names))
        return code
    except NotGiven as error:
        if error.policies and show.output is Format.JSON:
            put(explainjson.report((), (), error.problems))
            return FAILED
        return refuse(error, show.color)
    setup = Setups(run.policies).of(chosen)
    with tracebacks() as raised:
        result = runs.run_one(setup, run.policies)
        background = Background(run.policies, raised, "in the case")
        reports = [
            explaintext.Report(policy, [request], _places(policy, run.tree), background, show.verbose)
            for policy, request in explained.explain_case(setup)
        ]
    head = case_lines(case(result, None, show.verbose), show.style)
    return _reported(reports, (), (), show, head="\n".join(head) + "\n\n")


class _Show(Struct, frozen=True):
    """The options for the output."""

    output: Format
    full: bool
    verbose: bool
    color: Color

    @property
    def style(self) -> Style:
        from webhook.cli.report.style import Style

        return Style(colored(self.color, sys.stdout))


def _reported(
    reports: Sequence[Report], notes: Sequence[str], problems: Sequence[Problem], show: _Show, *, head: str = ""
) -> int:
    """Write the report. head: lines before it, in text. Returns the exit code."""
    from webhook.cli.report import explainjson, explaintext
    from webhook.cli.report.explaintree import PIPED_WIDTH, Look
    from webhook.cli.report.problems import note_line
    from webhook.cli.streams import put, put_text

    if show.output is Format.JSON:
        written = put(explainjson.report(reports, notes, problems))
    else:
        sys.stderr.write("".join(note_line(note, colored(show.color, sys.stderr)) for note in notes))
        fail_with(problems, show.color)
        width = columns(sys.stdout) or PIPED_WIDTH
        look = Look(show.style, width, show.full, ascii=not draws(sys.stdout))
        written = put_text(head + "\n".join(explaintext.report(_without_unmatched(each), look) for each in reports))
    if not written or problems:
        return FAILED
    return 1 if any(report.denied for report in reports) else 0


def _without_unmatched(report: Any) -> Any:
    """The report without the requests that the policy does not match, for documents with a request that it matches."""
    about = {id(each.planned.document) for each in report.requests if each.matched}
    kept = [each for each in report.requests if each.matched or each.refused or id(each.planned.document) not in about]
    # If a policy matches neither a workload nor its Pod, only the workload is reported.
    once = [
        each
        for place, each in enumerate(kept)
        if each.matched or each.refused or not place or each.planned.document is not kept[place - 1].planned.document
    ]
    return replace(report, requests=once)


_REFUSAL: Final = "schema"  # `check` shows this in place of a policy for refusals of the API server
_NAMED: Final = 20  # the most policies that an error names


def _unknown(name: str, known: list[str], tree: Tree, warnings: Sequence[Problem]) -> str:
    from webhook.nearest import nearest

    trees = ", ".join(tree.names)
    foreign = next((each for each in warnings if f" '{name}' is a policy of " in each.message), None)
    if foreign is not None:
        return f"no policy {name!r} in {trees} that Gatewright evaluates; {foreign}"
    if name == _REFUSAL:
        return (
            f"'{_REFUSAL}' is not a policy: it stands for what the API server refuses before any policy; the message "
            "of `gatewright check` says what is wrong, and docs/check.md lists what it checks"
        )
    near = nearest(name, set(known))
    names = sorted(set(known))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    hint = f"; did you mean {near}?" if near else f"; there are {', '.join(names[:_NAMED]) or 'none'}{more}"
    return f"no policy {name!r} in {trees}{hint}"


def _places(policy: Policy[Any], tree: Tree) -> Callable[[ObjectPath], str]:
    """Where an expression stands in the policy's file: `FILE:LINE`."""
    from webhook.documents import reader

    text = next((file.content for file in tree.files if file.name == policy.file), b"")
    read, _ = reader.parse(text, policy.file) if policy.language == "cel" else ([], [])
    for document in read:
        value = document.value
        if isinstance(value, dict) and value.get("kind") == policy.kind and document.line == policy.line:
            return lambda path: f"{policy.file}:{document.position(path).line}"
    return lambda _: f"{policy.file}:{policy.line}"
