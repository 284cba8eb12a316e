"""`gatewright audit`: the verdicts on what a cluster already runs."""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct

from webhook.cli.options import (
    FAILED,
    AsGroups,
    AsUser,
    Authorizations,
    Bundles,
    Color,
    Colors,
    KubernetesVersion,
    NotGiven,
    PlainRegistry,
    PolicyImports,
    PolicyTrees,
    RegistryCA,
    SettingsFile,
    Verbose,
    VerifyKey,
    given,
    refuse,
    trees,
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
    from webhook.audit.sources import Source

QPS: Final = 20.0
"""Requests to the API server in a second."""

THE_CLUSTER: Final = "the cluster"
"""What reports call a cluster that no option names."""


def audit(
    policies: PolicyTrees = None,
    kubeconfig: Annotated[
        Path | None,
        typer.Option("--kubeconfig", metavar="FILE", help="[default: that of KUBECONFIG, else ~/.kube/config]"),
    ] = None,
    context: Annotated[
        str, typer.Option("--context", metavar="NAME", help="The context of the kubeconfig. [default: the current one]")
    ] = "",
    qps: Annotated[
        float, typer.Option("--qps", metavar="N", help="The most requests to the API server in a second; 0 for any.")
    ] = QPS,
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
    version: KubernetesVersion = NEWEST_TEXT,
    policy_imports: PolicyImports = "",
    verify_key: VerifyKey = None,
    registry_ca: RegistryCA = None,
    registry_plain_http: PlainRegistry = False,
    authorizations: Authorizations = None,
    verbose: Verbose = False,
    color: Colors = Color.AUTO,
) -> None:
    """Judge the objects of a live cluster by the policies, each as if it were created now: the cluster is only read.

    What is found on Pods and other objects of a controller is told once, of its workload. Exit code: **0** nothing
    would be denied (warnings do not count, unless `--fail-on` says so), **1** something would, **2** the run itself
    failed: a bad policy, a bad option, a kind that cannot be listed (the rest is judged all the same).
    """
    try:
        how = reporting(
            output, concise=concise, color=color, only=only, baseline=baseline, write_baseline=write_baseline
        )
        asked = _Asked(
            policies=trees(policies),
            kubeconfig=kubeconfig,
            context=context,
            qps=qps,
            user=user,
            groups=tuple(groups or ()),
            settings=settings,
            fail_on=fail_on,
            owner_label=owner_label,
            version=version,
            policy_imports=policy_imports,
            bundles=Bundles(registry_ca, registry_plain_http, verify_key),
            authorizations=authorizations,
            verbose=verbose,
            color=color,
        )
        code = _audit(asked, how)
    except NotGiven as error:
        code = refuse(error, color)
    except BrokenPipeError:  # of stderr: whoever read it has seen enough
        code = FAILED
    except KeyboardInterrupt:
        code = 130
    gc.freeze()  # nothing is collected when Python ends
    raise typer.Exit(code)


class _Asked(Struct, frozen=True, kw_only=True):
    """The values of the options."""

    policies: tuple[str, ...]
    kubeconfig: Path | None
    context: str
    qps: float
    user: str
    groups: tuple[str, ...]
    settings: Path | None
    fail_on: FailOn
    owner_label: str
    version: str
    policy_imports: str
    bundles: Bundles
    authorizations: Path | None
    verbose: bool
    color: Color


def _audit(asked: _Asked, how: Reporting) -> int:
    # Imported here so that `gatewright --help` and wrong options answer at once.
    from webhook.audit.auditing import Asked, Audit
    from webhook.cli.progress import ProgressBar
    from webhook.cli.report.audited import Audited
    from webhook.cli.report.checked import Checked, rules
    from webhook.cli.report.model import Report
    from webhook.cli.report.text import counted
    from webhook.offline.background import Background
    from webhook.offline.owners import owners
    from webhook.policy.python.raised import tracebacks

    fails = failing(asked.fail_on)
    try:
        if not 0 <= asked.qps < float("inf"):
            raise NotGiven(f"--qps: expected a number of 0 or more, got {asked.qps:g}")
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
        source = _cluster(asked)
    except NotGiven as error:
        if error.policies:
            scope = {"objects": 0, "kinds": 0, "policies": 0}
            return finish(Report(command="audit", problems=error.problems, scope=scope), how, fails, aborted=True)
        return refuse(error, asked.color)
    policies = run.policies
    bound = policies.where(lambda policy: bool(policy.bindings))
    audit = Audit(source, bound, Asked(run.user, run.access, custom))
    made = None
    began = time.monotonic()
    gc.freeze()  # the policies live to the end
    with ProgressBar(sys.stderr) as bar, tracebacks() as raised:
        for judged in audit.verdicts():
            if made is None:
                owning = owners(asked.owner_label, [*audit.namespaces, *policies.objects])
                among = f"in {source.name}"
                checked = Checked(Background(policies, raised, among), owning, asked.verbose)
                made = Audited(checked, source.name, run.user)
            made.add(judged)
            bar.step("judging", audit.objects)
    notes = [*map(str, policies.notes), *audit.notes]
    if made is not None and made.folded:
        notes.append(f"{counted(made.folded, 'finding')} on objects of controllers told once, of their workloads")
    if cost := source.cost():
        notes.append(f"{source.name} was read with {cost} in {time.monotonic() - began:,.0f} s")
    if audit.history:
        notes.append(f"{counted(audit.history, 'ReplicaSet')} of former templates left out")
    if not run.user.username:
        notes.append("judged as created by nobody in particular; --as and --as-group say who")
    report = Report(
        command="audit",
        findings=list(made.findings()) if made is not None else [],
        suppressed=list(made.suppressed()) if made is not None else [],
        rules=rules(policies),
        problems=audit.problems,
        warnings=policies.warnings,
        notes=notes,
        scope={"objects": audit.objects, "kinds": audit.kinds, "policies": len(bound.names)},
        verbose=asked.verbose,
    )
    return finish(report, how, fails)


def _cluster(asked: _Asked) -> Source:
    """The cluster that the options name, else that of the Pod in which this runs. Raises NotGiven."""
    import os

    from webhook.audit.reading import Reader
    from webhook.audit.sources import Cluster
    from webhook.cluster.connection import ConfigurationError, Connection, configuration, in_cluster

    named = asked.kubeconfig is not None or asked.context or os.environ.get("KUBECONFIG")
    try:
        where = configuration(
            "kubeconfig" if named or not in_cluster() else "in-cluster", asked.kubeconfig, asked.context
        )
    except ConfigurationError as error:
        raise NotGiven(f"no cluster to audit: {error}") from None
    return Cluster(Reader(Connection(where, 1), asked.qps), asked.context or THE_CLUSTER)
