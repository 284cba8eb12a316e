"""`gatewright mutate`: manifests as mutating policies leave them, to be piped on."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webhook.cli.inputs import asked_of, excluding, rendering_of
from webhook.cli.options import (
    FAILED,
    MISSING_PATH,
    AsGroups,
    AsUser,
    Authorizations,
    Color,
    Colors,
    Exclude,
    KubernetesVersion,
    Manifests,
    Namespace,
    Operation,
    PlainRegistry,
    PolicyImports,
    PolicyTrees,
    RegistryCA,
    Render,
    SettingsFile,
    Values,
    VerifyKey,
    colored,
    fail,
)
from webhook.cli.readoptions import (
    Bundles,
    NotGiven,
    assumed,
    given,
    refuse,
    trees,
    workloads_of,
)
from webhook.excerpts import columns
from webhook.versions import NEWEST_TEXT

if TYPE_CHECKING:
    from webhook.documents.ignoring import Ignoring
    from webhook.offline.rendering import Rendering


def mutate(
    ctx: typer.Context,
    paths: Manifests = None,
    policies: PolicyTrees = None,
    show_pods: Annotated[
        bool, typer.Option("--show-pods", help="Print the Pods that workloads will create, in place of the objects.")
    ] = False,
    namespace: Namespace = "default",
    user: AsUser = "",
    groups: AsGroups = None,
    render: Render = None,
    values: Values = None,
    settings: SettingsFile = None,
    exclude: Exclude = None,
    version: KubernetesVersion = NEWEST_TEXT,
    policy_imports: PolicyImports = "",
    verify_key: VerifyKey = None,
    registry_ca: RegistryCA = None,
    registry_plain_http: PlainRegistry = False,
    authorizations: Authorizations = None,
    color: Colors = Color.AUTO,
) -> None:
    """Print the objects of manifests as mutating policies leave them, as YAML: what policies change, and the rest as it
    is written, values of Secrets too. Nothing is validated.

    Exit code: **0** all objects are printed, **1** a policy or the API server refuses one, which is left out, **2** the
    run itself failed: a bad policy, a bad file, a bad option.
    """
    if not paths:
        raise typer.Exit(fail(MISSING_PATH, color))
    try:
        code = _mutate(
            paths,
            trees(policies),
            show_pods=show_pods,
            namespace=namespace,
            user=user,
            groups=groups or [],
            rendering=rendering_of(render or [], values or [], namespace),
            settings=settings,
            exclude=excluding(ctx, exclude),
            version=version,
            policy_imports=policy_imports,
            bundles=Bundles(registry_ca, registry_plain_http, verify_key),
            authorizations=authorizations,
            color=color,
        )
    except NotGiven as error:
        code = refuse(error, color)
    except BrokenPipeError:  # the reader of stderr has closed it
        code = FAILED
    raise typer.Exit(code)


def _mutate(
    paths: list[str],
    named: tuple[str, ...],
    *,
    show_pods: bool,
    namespace: str,
    user: str,
    groups: list[str],
    rendering: Rendering | None,
    settings: Path | None,
    exclude: Ignoring | None,
    version: str,
    policy_imports: str,
    bundles: Bundles,
    authorizations: Path | None,
    color: Color,
) -> int:
    # Imported here so that `gatewright --help` and errors in options do not wait for it.
    from webhook.cli.report import text
    from webhook.cli.report.model import Report
    from webhook.cli.streams import put
    from webhook.cluster.manifestsview import ManifestsView
    from webhook.counts import counted
    from webhook.documents.document import Problem
    from webhook.documents.yamlwriting import dumped
    from webhook.offline.inputs import Inputs
    from webhook.offline.lookedup import looked_up
    from webhook.offline.mutating import mutations
    from webhook.offline.requests import Options

    custom = workloads_of(settings)
    run = given(named, version, user, groups, authorizations, policy_imports, bundles)
    options = Options(namespace, run.user, Operation.CREATE.value, custom=custom, target=run.policies.target)
    found = asked_of(Inputs(paths, exclude=exclude, rendering=rendering), options, run.policies)
    planned, policies, problems = found.planned, found.policies, found.problems
    if found.empty:
        problems.append(found.nothing(paths, "mutate"))
    cluster = ManifestsView(
        looked_up(policies.objects, planned.objects),
        planned.kinds,
        assume_namespaces=True,
        access_rules=run.access,
    )
    refused: list[Problem] = []
    changed, objects, numbers, written = 0, 0, count(), True
    for each in mutations(found.requests, policies, cluster):
        refused += [Problem(at.stream, at.line, at.column, at.message, at.excerpt) for at in each.refused]
        if each.value is None:
            continue
        objects, changed = objects + 1, changed + each.changed
        for value in each.pods if show_pods else [each.value]:
            separator = "---\n" if next(numbers) else ""
            written = written and put(separator + dumped(value, wrapped=False))
    notes = [
        *map(str, policies.notes),
        *found.notes,
        *assumed(cluster.assumed, found.requests, policies),
        f"{changed:,} of {counted(objects, 'object')} changed",
    ]
    report = Report(
        command="mutate",
        notes=notes,
        warnings=[*policies.warnings, *found.warnings],
        problems=sorted([*problems, *refused], key=lambda problem: (problem.file, problem.line or 0)),
    )
    sys.stderr.writelines(text.asides(report, colored(color, sys.stderr), columns(sys.stderr)))
    sys.stderr.flush()
    if problems or not written:
        return FAILED
    return 1 if refused else 0
