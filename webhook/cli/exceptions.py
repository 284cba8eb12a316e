"""`gatewright exceptions`: a baseline of exceptions for the findings of reports, and the exceptions that have expired
or are unused."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from webhook.cli.options import (
    FAILED,
    Format,
    KubernetesVersion,
    Output,
    PlainRegistry,
    PolicyImports,
    PolicyTrees,
    RegistryCA,
    VerifyKey,
)
from webhook.cli.optionvalues import HELP_OPTIONS, Command, group
from webhook.cli.readoptions import Bundles, NotGiven
from webhook.cli.reporting import FAILING, PASSED, Level
from webhook.cli.rollout import inputs
from webhook.lazypatterns import lazily
from webhook.versions import NEWEST_TEXT

if TYPE_CHECKING:
    from webhook.policy.policyset import PolicySet
    from webhook.rollout.baseline import Terms
    from webhook.rollout.reports import Finding

exceptions = group("exceptions", no_args_is_help=True)


@exceptions.callback()
def _exceptions() -> None:
    """Write a baseline of exceptions for today's violations, and list exceptions that have expired or are unused."""


LONGEST: Final = 2 * 366
"""Days until an exception ends, at most: a later end is as good as none (GW305)."""

_DAYS: Final = lazily(r"([1-9][0-9]{0,3})d")


@exceptions.command(cls=Command, context_settings=dict(HELP_OPTIONS))
def baseline(
    reports: Annotated[
        list[str],
        typer.Argument(metavar="REPORT...", help="A report of check or audit with -o json; - for stdin."),
    ],
    approved_by: Annotated[str, typer.Option("--approved-by", metavar="NAME", help="Who approves the exceptions.")],
    expires: Annotated[
        str,
        typer.Option("--expires", metavar="WHEN", help="Their last day, such as 2027-03-31, or days from now: 90d."),
    ],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why they are needed. [default: violated before this day]")
    ] = "",
    only: Annotated[
        list[Level] | None, typer.Option("--only", help="Only for findings of this level; may be repeated.")
    ] = None,
    policy: Annotated[
        list[str] | None, typer.Option("--policy", metavar="NAME", help="Only for this policy; may be repeated.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="Write to this new file instead of stdout.")
    ] = None,
    policies: PolicyTrees = None,
    version: KubernetesVersion = NEWEST_TEXT,
    policy_imports: PolicyImports = "",
    verify_key: VerifyKey = None,
    registry_ca: RegistryCA = None,
    registry_plain_http: PlainRegistry = False,
) -> None:
    """Write PolicyExceptions for exactly what reports found: each for the objects of one namespace, by name, and the
    Pods of a workload by its labels.

    Exit code: **0** everything found has an exception, **1** something cannot have one, and is named, **2** the run
    itself failed, and nothing is written: a bad policy, a bad option, a report of an audit that could not read
    everything.
    """

    def run() -> int:
        tree = inputs.tree(policies, version, policy_imports, Bundles(registry_ca, registry_plain_http, verify_key))
        return _baseline(reports, tree, _terms(approved_by, expires, reason), only or (), policy or (), write)

    raise typer.Exit(inputs.code(run))


@exceptions.command("list", cls=Command, context_settings=dict(HELP_OPTIONS))
def listed(
    reports: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[REPORT]...",
            help="A report of check or audit with -o json, to find unused exceptions; - for stdin.",
        ),
    ] = None,
    within: Annotated[int, typer.Option("--within", metavar="DAYS", help="The days that about to expire means.")] = 30,
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on",
            metavar="STATES",
            help="The states that lead to exit code 1: expired, expiring, unused, unknown, comma-separated.",
        ),
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="Also list exceptions that are in order.")] = False,
    output: Output = Format.TEXT,
    policies: PolicyTrees = None,
    version: KubernetesVersion = NEWEST_TEXT,
    policy_imports: PolicyImports = "",
    verify_key: VerifyKey = None,
    registry_ca: RegistryCA = None,
    registry_plain_http: PlainRegistry = False,
) -> None:
    """List the exceptions of the policy tree that have expired or are about to, and, with reports, those that nothing
    in these needed, or of which the reports do not tell.

    Exit code: **0**; **1** there is one that `--fail-on` names; **2** the run itself failed: a bad policy, a bad
    option, a bad report.
    """

    def run() -> int:
        states = _states(fail_on, bool(reports))
        tree = inputs.tree(policies, version, policy_imports, Bundles(registry_ca, registry_plain_http, verify_key))
        return _list(reports or (), tree, within, states, everything=everything, output=output)

    raise typer.Exit(inputs.code(run))


def _today() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def _terms(approved_by: str, expires: str, reason: str) -> Terms:
    """What all exceptions say. Raises NotGiven."""
    from webhook.policy.exceptions import moment
    from webhook.rollout.baseline import Terms

    if not approved_by.strip():
        raise NotGiven("--approved-by: expected who approves the exceptions")
    days = _DAYS.fullmatch(expires)
    last = (_today() + timedelta(days=int(days[1]))).date().isoformat() if days else expires
    ends = moment(last)
    if ends is None:
        raise NotGiven(f"--expires: expected a day such as 2027-03-31, or days from now such as 90d, got {expires!r}")
    left = ends - time.time()
    if left <= 0:
        raise NotGiven(f"--expires: {last} is over; expected a day to come")
    if left > LONGEST * 86400:
        raise NotGiven(f"--expires: {last} is more than {LONGEST} days away, which is as good as never")
    text = reason.strip() or f"violated before {_today().date().isoformat()}, when this baseline was written"
    return Terms(approved_by.strip(), last, text)


def _baseline(
    files: Sequence[str],
    policies: PolicySet,
    terms: Terms,
    only: Sequence[Level],
    named: Sequence[str],
    write: Path | None,
) -> int:
    from webhook.cli.report.writing import to_file
    from webhook.cli.streams import put
    from webhook.counts import counted
    from webhook.rollout import baseline as baselines
    from webhook.schema import Kinds

    if unknown := sorted({*named} - policies.names):
        raise NotGiven(f"--policy: the policy tree has no policy {unknown[0]!r}")
    if write is not None and write.exists():
        raise NotGiven(f"--write: {write} already exists; exceptions that it has are not written again")
    reports = inputs.saved(files)
    for file, report in zip(files, reports, strict=True):
        if report.errors:
            why = report.errors[0].message
            raise NotGiven(f"{file}: the run could not read everything, so it is no baseline: {why}")
        if report.of_log:
            raise NotGiven(f"{file}: is a report on requests in audit logs; expected a report on objects")
    levels = {str(each) for each in only}
    findings = [
        each
        for report in reports
        for each in report.findings
        if (not levels or each.level in levels) and (not named or each.policy in named)
    ]
    kinds = Kinds.builtin(policies.target).with_crds(policies.objects)
    made = baselines.baseline(findings, policies, kinds, terms)
    if made.exceptions:
        text = baselines.text(made)
        if not (put(text) if write is None else to_file(text, str(write))):
            return FAILED
    for each in made.left_out:
        inputs.say(f"no exception for {_about(each.finding)}: {each.why}")
    where = f" in {write}" if write is not None and made.exceptions else ""
    inputs.say(f"{counted(len(made.exceptions), 'exception')} for {counted(made.covered, 'finding')}{where}")
    return FAILING if made.left_out else PASSED


def _shown(file: str) -> str:
    return "stdin" if file == "-" else file


def _about(finding: Finding) -> str:
    of = finding.object
    if of is None:
        return finding.policy or finding.kind
    name = f"{of.namespace}/{of.name}" if of.namespace else of.name
    return f"{of.kind} {name} ({finding.policy or finding.kind})"


def _states(text: str, reports: bool) -> frozenset[str]:
    """The states of --fail-on. Raises NotGiven."""
    from webhook.rollout.standing import STATES

    found = [each.strip() for each in text.split(",") if each.strip()]
    for each in found:
        if each not in STATES:
            raise NotGiven(f"--fail-on: expected {', '.join(STATES)}, got {each!r}")
    for each in ("unused", "unknown"):
        if each in found and not reports:
            raise NotGiven(f"--fail-on {each}: reports say what is used; name one at least")
    return frozenset(found)


def _list(
    files: Sequence[str],
    policies: PolicySet,
    within: int,
    fails: frozenset[str],
    *,
    everything: bool,
    output: Format,
) -> int:
    from webhook.cli.rollout import standingtext
    from webhook.cli.streams import put_text
    from webhook.rollout import standing

    if within < 0:
        raise NotGiven(f"--within: expected a number of days, 0 or more, got {within}")
    reports = list(zip(map(_shown, files), inputs.saved(files), strict=True)) if files else None
    found = standing.standings(policies, time.time(), within, reports)
    shown = [each for each in found if everything or each.states]
    written = standingtext.as_json if output is Format.JSON else standingtext.as_text
    if not put_text(written(shown, found)):
        return FAILED
    return FAILING if any(fails & {*each.states} for each in found) else PASSED
