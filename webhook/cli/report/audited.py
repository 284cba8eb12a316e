"""Verdicts of `audit` → findings of the report's model (webhook.cli.report.model)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from webhook.audit.folding import Folding, Occurrences
from webhook.cli.report import explaintree
from webhook.cli.report.checked import Checked
from webhook.cli.report.model import Finding, Place
from webhook.cli.report.style import Style
from webhook.offline import podlabels
from webhook.policy.request import UPDATE

if TYPE_CHECKING:
    from webhook.audit.auditing import Judged
    from webhook.offline.verdicts import Located
    from webhook.policy.request import User

_LOOK: Final = explaintree.Look(Style(False), explaintree.PIPED_WIDTH)


class Audited:
    """Makes findings of verdicts on stored objects, and keeps them. cluster: its name. user: who makes the requests.

    `folded`: the number of findings on objects of controllers that were reported with their workloads already. `used`:
    on how many objects each exception covered something.
    """

    def __init__(self, checked: Checked, cluster: str, user: User) -> None:
        self._checked = checked
        self._cluster = cluster
        self._user = user
        self._place = Place(cluster)
        self._folding, self._excepted = Folding(), Folding()
        self._findings: list[tuple[Finding, Occurrences]] = []
        self._suppressed: list[tuple[Finding, Occurrences]] = []
        self.used: Counter[str] = Counter()

    @property
    def folded(self) -> int:
        return self._folding.folded

    def add(self, judged: Judged) -> None:
        """Keep the findings on an object, and nothing else of it."""
        verdict, workload = judged.verdict, judged.workload
        self.used.update(verdict.used)
        of = workload or verdict.identity
        member = verdict.identity if workload is not None else None

        document = verdict.document
        is_pod = member is not None and member.kind == "Pod"
        labels = podlabels.of_pod(document.value, of.name) if is_pod else None

        def made(finding: Finding, located: Located) -> Finding:
            why: tuple[str, ...] = ()
            if finding.explained is not None:
                # The lines alone: the explanation would keep the object, which is dropped when the next one is read.
                why = tuple(explaintree.why(finding.explained, _LOOK, in_file=False))
            return replace(
                finding,
                explained=None,
                why=why,
                place=self._place,
                rendered=None,
                excerpt=None,
                object=of,
                cluster=self._cluster,
                user=located.user or self._user,
                request=self._request(located),
                pod_labels=labels if labels is not None else finding.pod_labels,
            )

        for located, on in self._folding.new(verdict.findings, of, member):
            self._findings.append((made(self._checked.finding(located, document), located), on))
        exceptions = {id(located): exception for located, exception in verdict.excepted}
        for located, on in self._excepted.new((located for located, _ in verdict.excepted), of, member):
            found = self._checked.finding(located, document, exceptions[id(located)])
            self._suppressed.append((made(found, located), on))

    def findings(self) -> Iterator[Finding]:
        """The findings that count, by namespace and object; cluster-scoped objects come first."""
        return self._in_order(self._findings)

    def suppressed(self) -> Iterator[Finding]:
        """The findings that exceptions cover, in the same order."""
        return self._in_order(self._suppressed)

    def _in_order(self, found: list[tuple[Finding, Occurrences]]) -> Iterator[Finding]:
        for finding, on in sorted(found, key=lambda pair: _order(pair[0])):
            aside = on.aside()
            asides = (*finding.asides, *filter(None, (aside, finding.request)))
            yield replace(finding, asides=asides) if asides else finding

    def _request(self, located: Located) -> str:
        """The request in words; "" for what the note on the run says (`requests_note`)."""
        if located.operation == UPDATE:
            by = f" by {named(self._user)}" if self._user.username else ""
            return f"judged as an update{by} that changes nothing"
        if located.of_template and located.user is not None and self._user.username:
            return f"judged as a Pod created by {located.user.username}"
        return ""


def requests_note(user: User) -> str:
    """The note on what most requests of a run are."""
    if not user.username:
        return "judged as created by nobody in particular; --as and --as-group say who"
    return f"judged as created by {named(user)}; findings of other requests say so"


def named(user: User) -> str:
    """A user with its groups: `alice (a, b)`."""
    groups = f" ({', '.join(user.groups)})" if user.groups else ""
    return f"{user.username}{groups}"


def _order(finding: Finding) -> tuple[str, ...]:
    of = finding.object
    return ("",) if of is None else (of.namespace, of.kind, of.name)
