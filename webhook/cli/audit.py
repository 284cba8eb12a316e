"""`gatewright audit`: the verdicts on the objects that a cluster already has."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec.structs import replace

from webhook.cli.auditconfigmap import IntoConfigMap, place_of, published, refuse_shards
from webhook.cli.auditmetrics import Metrics, measured
from webhook.cli.auditoptions import given as given_options
from webhook.cli.auditoptions import refuse as refuse_options
from webhook.cli.auditresults import (
    GateFile,
    History,
    Logs,
    MostReports,
    Scored,
    WriteReports,
    gate_of,
    history_of,
    of_logs,
    refuse_vetoes,
    remembered,
    reported,
    scored,
)
from webhook.cli.auditshards import OneShard, Shards, refuse_shard, said, shard_of
from webhook.cli.auditsources import THE_CLUSTER, Action, Asked, connection_to, judging, sources_of
from webhook.cli.options import (
    FAILED,
    TREES,
    AsGroups,
    AsUser,
    Authorizations,
    Color,
    Colors,
    KubernetesVersion,
    PlainRegistry,
    PolicyImports,
    PolicyTrees,
    RegistryCA,
    SettingsFile,
    Verbose,
    VerifyKey,
    fail_with,
)
from webhook.cli.readoptions import (
    Bundles,
    NotGiven,
    given,
    refuse,
    trees,
    twice,
    workloads_of,
)
from webhook.cli.reporting import (
    BaselineFile,
    Concise,
    Failing,
    FailOn,
    Only,
    Outputs,
    OwnerLabel,
    Reporting,
    WriteBaseline,
    failing,
    finish,
    reporting,
)
from webhook.versions import NEWEST_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.audit.auditing import Audit
    from webhook.cli.report.audited import Audited
    from webhook.cli.report.model import Finding, Namespace, Rule
    from webhook.documents.document import Problem
    from webhook.policy.policyset import PolicySet

QPS: Final = 20.0
"""Requests to the API server in a second."""


def audit(
    ctx: typer.Context,
    snapshots: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]", help="Judge the objects in these snapshots, and contact no cluster."),
    ] = None,
    policies: PolicyTrees = None,
    kubeconfig: Annotated[
        Path | None,
        typer.Option("--kubeconfig", metavar="FILE", help="[default: that of KUBECONFIG, else ~/.kube/config]"),
    ] = None,
    context: Annotated[
        list[str] | None,
        typer.Option(
            "--context",
            metavar="NAME",
            help="A context of the kubeconfig; several make one report. [default: the current one]",
        ),
    ] = None,
    qps: Annotated[
        float, typer.Option("--qps", metavar="N", help="The most requests to the API server in a second; 0 for any.")
    ] = QPS,
    snapshot: Annotated[
        Path | None,
        typer.Option(
            "--snapshot", metavar="FILE", help="Write everything that is read to a file, without the values of Secrets."
        ),
    ] = None,
    native: Annotated[
        bool,
        typer.Option("--native", help="Also judge by the cluster's own policies; without --policies, only by these."),
    ] = False,
    assume_bound: Annotated[
        Action | None,
        typer.Option(
            "--assume-bound",
            help="With --native: treat policies without a binding as bound everywhere, with this action.",
            case_sensitive=False,
        ),
    ] = None,
    rbac: Annotated[
        bool, typer.Option("--rbac", help="Write the roles that an audit with these policies needs, and audit nothing.")
    ] = False,
    user: AsUser = "",
    groups: AsGroups = None,
    settings: SettingsFile = None,
    output: Outputs = None,
    concise: Concise = False,
    fail_on: Failing = FailOn.DENY,
    only: Only = None,
    baseline: BaselineFile = "",
    write_baseline: WriteBaseline = False,
    owner_label: OwnerLabel = "",
    show_scores: Scored = False,
    gate: GateFile = None,
    write_reports: WriteReports = None,
    max_reports: MostReports = None,
    metrics: Metrics = None,
    history: History = None,
    configmap: IntoConfigMap = "",
    shard: OneShard = "",
    shards: Shards = 0,
    logs: Logs = None,
    version: KubernetesVersion = NEWEST_TEXT,
    policy_imports: PolicyImports = "",
    verify_key: VerifyKey = None,
    registry_ca: RegistryCA = None,
    registry_plain_http: PlainRegistry = False,
    authorizations: Authorizations = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show under each finding of a CEL policy the values that led to it.")
    ] = False,
    verbose: Verbose = False,
    color: Colors = Color.AUTO,
) -> None:
    """Judge the objects of live clusters by the policies, each as if it were created now. The cluster is only read,
    unless `--write-reports` or `--configmap` says otherwise.

    Findings on Pods and other objects of a controller are reported once, with its workload. With `--log`, findings are
    read from the API server's audit log. Exit code: **0** nothing would be denied (warnings do not
    count, unless `--fail-on` says so), **1** something would, or a score fails its `--gate`, **2** the run itself
    failed: a bad policy, a bad option, a kind that cannot be listed (the rest is judged all the same).
    """
    try:
        how = reporting(
            output, concise=concise, color=color, only=only, baseline=baseline, write_baseline=write_baseline
        )
        refuse_options(given_options(ctx), len(context or ()))
        asked = Asked(
            policies=() if native and not policies and not os.environ.get(TREES) else trees(policies),
            native=native,
            assume_bound=assume_bound,
            kubeconfig=kubeconfig,
            snapshots=tuple(snapshots or ()),
            snapshot=snapshot,
            contexts=tuple(context or ()),
            rbac=rbac,
            qps=qps,
            user=user,
            groups=tuple(groups or ()),
            settings=settings,
            fail_on=fail_on,
            owner_label=owner_label,
            scores=show_scores,
            gate=gate,
            write_reports=write_reports,
            max_reports=max_reports,
            metrics=metrics,
            history=history,
            configmap=place_of(configmap),
            shard=shard_of(shard, shards),
            logs=tuple(logs or ()),
            version=version,
            policy_imports=policy_imports,
            bundles=Bundles(registry_ca, registry_plain_http, verify_key),
            authorizations=authorizations,
            explain=explain,
            verbose=verbose,
            color=color,
        )
        code = _audit(asked, how)
    except NotGiven as error:
        code = refuse(error, color)
    except BrokenPipeError:  # the reader of stderr has closed it
        code = FAILED
    except KeyboardInterrupt:
        code = 130
    gc.freeze()  # no garbage is collected when Python ends
    raise typer.Exit(code)


def _audit(asked: Asked, how: Reporting) -> int:
    # Imported here so that `gatewright --help` and errors in options do not wait for it.
    from webhook.audit import auditing
    from webhook.audit.snapshots import SnapshotError, Writing
    from webhook.audit.sources import Cluster
    from webhook.cli.progress import ProgressBar
    from webhook.cli.report.audited import Audited, requests_note
    from webhook.cli.report.checked import Checked
    from webhook.cli.report.model import Report
    from webhook.counts import counted
    from webhook.offline.background import Background
    from webhook.owners import owners
    from webhook.policy.python.raised import tracebacks

    fails = failing(asked.fail_on)
    _refuse_bound(asked)
    if asked.logs:
        return _logged(asked, how, fails)
    try:
        if same := [each for each in asked.contexts if asked.contexts.count(each) > 1]:
            raise NotGiven(f"--context {same[0]}: given twice")
        if again := twice(asked.snapshots):
            raise NotGiven(f"{again}: given twice")
        if not 0 <= asked.qps < float("inf"):
            raise NotGiven(f"--qps: expected a number of 0 or more, got {asked.qps:g}")
        if asked.assume_bound is not None and not asked.native:
            raise NotGiven("--assume-bound needs --native")
        _of_one_cluster(asked)
        _of_a_whole(asked, how)
        gate = gate_of(asked.gate)
        history_of(asked.history)
        custom = workloads_of(asked.settings)
        run = given(
            asked.policies,
            asked.version,
            asked.user,
            asked.groups,
            asked.authorizations,
            asked.policy_imports,
            asked.bundles,
        )
        if not asked.native:
            refuse_vetoes(gate, run.policies.names)
        if asked.rbac and not asked.native:
            return _roles(run.policies, native=False)
        sources = sources_of(asked)
    except NotGiven as error:
        if error.policies:
            scope = {"objects": 0, "kinds": 0, "policies": 0}
            return finish(Report(command="audit", problems=error.problems, scope=scope), how, fails, aborted=True)
        return refuse(error, asked.color)
    notes, found, started = list[str](), _Found(), time.monotonic()
    gc.freeze()  # the policies live to the end
    try:
        with ExitStack() as written, ProgressBar(sys.stderr) as bar, tracebacks() as raised:
            for source in sources:
                writing = written.enter_context(source) if isinstance(source, Writing) else None
                policies = judging(source, run.policies, asked, notes) if asked.native else run.policies
                if asked.rbac:
                    return _roles(policies, native=True) if not source.problems else fail_with(source.problems)
                how_judged = auditing.Asked(run.user, run.access, custom, asked.shard, asked.explain)
                audit = auditing.Audit(source, policies, how_judged)
                made, began = None, time.monotonic()
                for judged in audit.verdicts():
                    if made is None:
                        owning = owners(asked.owner_label, [*audit.namespaces, *policies.objects])
                        background = Background(policies, raised, f"in {source.name}")
                        made = Audited(Checked(background, owning, asked.verbose), source.name, run.user)
                    made.add(judged)
                    bar.step("judging", found.objects + audit.objects)
                if writing is not None:
                    writing.finish()
                found.add(audit, made, policies)
                notes += [f"{source.name}: {each}" if len(sources) > 1 else each for each in audit.notes]
                if asked.shard.number > 1 and isinstance(source, Cluster):
                    notes.append(said(asked.shard, source.namespaces))
                if cost := source.cost():
                    notes.append(f"{source.name} was read with {cost} in {time.monotonic() - began:,.0f} s")
    except SnapshotError as error:
        return refuse(NotGiven(str(error)), asked.color)
    if found.folded:
        folded = counted(found.folded, "finding")
        notes.append(f"{folded} on objects of controllers reported once, with their workloads")
    if found.history:
        notes.append(f"{counted(found.history, 'ReplicaSet')} of former templates left out")
    notes.append(requests_note(run.user))
    scope = {"objects": found.objects, "kinds": len(found.kinds), "policies": len(found.policies)}
    if len(sources) > 1:
        scope["clusters"] = len(sources)
    if asked.shard.number > 1:
        scope["shards"] = asked.shard.number  # of which this is one, as a note says
    report = Report(
        command="audit",
        findings=found.findings,
        suppressed=found.suppressed,
        rules=found.rules,
        problems=[problem for source in sources for problem in source.problems],
        warnings=list(dict.fromkeys(found.warnings)),
        notes=[*dict.fromkeys(found.notes), *notes],
        exceptions_used=found.used,
        scope=scope,
        at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        namespaces=found.namespaces,
        verbose=asked.verbose,
    )
    if asked.scores or gate is not None:
        report = scored(report, found.judged, gate)
    if asked.write_reports is not None:
        context = asked.contexts[0] if asked.contexts else ""
        connection = connection_to(asked, context)
        most = asked.max_reports
        report = reported(report, asked.write_reports, connection, sources[0].name, asked.qps, asked.shard, most=most)
    if asked.metrics is not None:
        seconds = time.monotonic() - started
        report = measured(report, asked.metrics, found.judged, now=time.time(), seconds=seconds, shard=asked.shard)
    if asked.history is not None:
        report = remembered(report, asked.history)
    if asked.configmap is not None:
        context = asked.contexts[0] if asked.contexts else ""
        report = published(report, asked.configmap, connection_to(asked, context), sources[0].name, asked.shard)
    if any(each.format == "html" for each in how.targets):
        from webhook.cli.report import judgedby  # for the page alone

        report = replace(report, standing=judgedby.standing(found.judged_by, report))
    return finish(report, how, fails)


def _refuse_bound(asked: Asked) -> None:
    """Raises NotGiven if reports are bounded that are not written."""
    if asked.max_reports is not None and asked.write_reports is None:
        raise NotGiven("--max-reports needs --write-reports")


def _logged(asked: Asked, how: Reporting, fails: Callable[[Finding], bool]) -> int:
    """The audit of the API server's logs. Raises NotGiven."""
    writes = asked.write_reports is not None
    started = time.monotonic()
    if again := twice(asked.logs):  # whose events would be counted twice
        raise NotGiven(f"{again}: given twice")
    if writes and len(asked.contexts) > 1:
        raise NotGiven("--write-reports: is of one cluster; give the one --context whose logs these are")
    context = asked.contexts[0] if asked.contexts else ""
    connection = connection_to(asked, context) if writes else None
    report = of_logs(asked.logs, asked.version)
    if asked.write_reports is not None and connection is not None:
        source, most = context or THE_CLUSTER, asked.max_reports
        report = reported(report, asked.write_reports, connection, source, asked.qps, most=most, log=True)
    if asked.metrics is not None:
        report = measured(report, asked.metrics, None, now=time.time(), seconds=time.monotonic() - started)
    return finish(report, how, fails)


def _of_one_cluster(asked: Asked) -> None:
    """Whether scores and reports are of one cluster. Raises NotGiven if they are not."""
    if max(len(asked.contexts), len(asked.snapshots)) > 1:
        for option, was in (
            ("--scores", asked.scores),
            ("--gate", asked.gate is not None),
            ("--write-reports", asked.write_reports is not None),
            ("--metrics", asked.metrics is not None),
            ("--configmap", asked.configmap is not None),
        ):
            if was:
                raise NotGiven(f"{option}: is of one cluster; audit each by itself")


def _of_a_whole(asked: Asked, how: Reporting) -> None:
    """Raises NotGiven if a shard is given an option that needs the whole cluster."""
    given = (
        ("FILE", bool(asked.snapshots)),
        ("--snapshot", asked.snapshot is not None),
        ("--gate", asked.gate is not None),
        ("--history", asked.history is not None),
        ("--write-baseline", bool(how.write)),
    )
    refuse_shard(asked.shard, given)
    if asked.configmap is not None:
        refuse_shards(asked.shard)


class _Found:
    """The results of the audits of all clusters."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.suppressed: list[Finding] = []
        self.objects = self.folded = self.history = 0
        self.kinds: set[str] = set()
        self.policies: set[str] = set()
        self.rules: dict[str, Rule] = {}
        self.notes: list[str] = []
        self.warnings: list[Problem] = []
        self.judged: Counter[str] = Counter()
        self.used: dict[str, int] = {}
        self.namespaces: list[Namespace] = []
        self.judged_by: list[PolicySet] = []

    def add(self, audit: Audit, made: Audited | None, policies: PolicySet) -> None:
        from webhook.cli.report.checked import rules
        from webhook.cli.report.model import Namespace
        from webhook.policy.matching import labels_of

        self.judged_by.append(policies)
        self.policies |= policies.where(lambda policy: bool(policy.bindings)).names
        self.rules |= {**rules(policies), **self.rules}
        self.notes += map(str, policies.notes)
        self.warnings += policies.warnings
        self.objects += audit.objects
        self.history += audit.history
        self.kinds |= audit.kinds
        self.judged += audit.judged
        for exception in policies.exceptions:
            more = made.used[exception.name] if made is not None else 0
            self.used[exception.name] = self.used.get(exception.name, 0) + more
        for value in audit.namespaces:
            self.namespaces.append(Namespace(audit.source.name, value["metadata"]["name"], labels_of(value)))
        if made is not None:
            self.findings += made.findings()
            self.suppressed += made.suppressed()
            self.folded += made.folded


def _roles(policies: PolicySet, *, native: bool) -> int:
    from webhook.audit import roles
    from webhook.cli.streams import put

    return 0 if put([roles.text(policies, native=native)]) else FAILED
