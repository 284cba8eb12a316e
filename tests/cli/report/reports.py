"""Reports of every command, with texts that a hostile policy or manifest could have."""

from __future__ import annotations

from typing import Final, get_args

from msgspec.structs import replace

from webhook.cli import testmutants
from webhook.cli.report.model import (
    Case,
    Diff,
    Edit,
    Exempted,
    Finding,
    Fix,
    Place,
    Report,
    Rule,
    Suppression,
    Unmatched,
    failed,
    fingerprinted,
)
from webhook.cli.report.scores import Environment, Gate, Threshold, Veto, scores
from webhook.cli.report.writing import pieces
from webhook.documents.document import Problem
from webhook.excerpts import Excerpt
from webhook.impact.summary import PolicySummary, Summary
from webhook.mutants.mutant import Mutant, Outcome, Shown, Status
from webhook.mutants.running import Mutated
from webhook.offline.background import LookedFor
from webhook.offline.leftout import LeftOut
from webhook.offline.requests import Identity

HOSTILE: Final = (
    "</script><script>alert(1)</script><!-- ]]> & \" ' <img src=x onerror=alert(2)> `code` ``more`` **bold** "
    "[link](http://evil.example) @everyone | cell | \x1b[31m\x00\u202e\udce9\ufffe 100%\n"
    "::error file=x::y\n##[error]z ##vso[task.x]\n  ::stop-commands::t\r\n"
)
"""What breaks out of HTML, XML, Markdown, a terminal, and GitHub's and Azure's commands, where it is not escaped."""

WEB: Final = Identity("apps/v1", "Deployment", "shop", "web")
EVIL: Final = Identity("v1", "ConfigMap", "<b>shop</b>", "x\x1b[0m`|")


def finding(**fields: object) -> Finding:
    """A finding on an object."""
    made: dict[str, object] = {
        "rule": "pinned-images",
        "level": "deny",
        "message": "image 'nginx' has no digest",
        "place": Place("deploy/web.yaml", 12, 9, None, 21),
        "excerpt": Excerpt("        image: nginx", 9, 12, 21),
        "path": "spec.template.spec.containers[0].image",
        "object": WEB,
        "owner": "shop",
        "operation": "CREATE",
        "kind": "ValidatingAdmissionPolicy",
        "policy": "pinned-images",
        "binding": "pinned-images-everywhere",
        "action": "Deny",
        "reason": "Invalid",
        **fields,
    }
    return Finding(**made)  # type: ignore[arg-type]


def report(command: str, **fields: object) -> Report:
    """A report, with the fingerprints of its findings."""
    made = Report(command=command, **fields)  # type: ignore[arg-type]
    found, covered = list(fingerprinted(made.findings)), list(fingerprinted(made.suppressed))
    return Report(command=command, **{**fields, "findings": found, "suppressed": covered})  # type: ignore[arg-type]


RULES: Final = {
    "pinned-images": Rule(
        "pinned-images",
        "ValidatingAdmissionPolicy",
        "Images are named by digest",
        "Images are named by digest.\n\nTags move.",
        "https://example.com/pinned?a=b",
        Place("policies/pinned.yaml", 3),
    ),
    "quiet": Rule("quiet", "ValidatingAdmissionPolicy", "Finds nothing"),
}
EXCEPTED: Final = Suppression("exception", "web-logs", "2999-12-31", "reads logs")
LOOKED_FOR: Final = LookedFor("v1", "ConfigMap", "limits", "", "shop", "by-name", "policies/limits.yaml", 17)

CHECK: Final = report(
    "check",
    findings=[
        finding(),
        finding(level="audit", action="Audit"),
        finding(level="warn", action="Warn", message="second", place=Place("deploy/web.yaml", 14, 3), excerpt=None),
        finding(
            rule=HOSTILE,
            policy=HOSTILE,
            message=HOSTILE,
            place=Place(HOSTILE, 1, 1),
            excerpt=Excerpt(HOSTILE, 3, 1, 9),
            path="metadata.labels['</script>']",
            object=EVIL,
            owner=HOSTILE,
            binding=HOSTILE,
            asides=(HOSTILE,),
            traceback=(HOSTILE,),
        ),
        finding(
            message="", place=Place("charts/web/templates/a b.yaml"), rendered=Place("<stdin>", 12, 9), error=True,
            looked_for=LOOKED_FOR,
        ),
        finding(place=Place("HEAD~1:deploy/gone.yaml", 3, 1), operation="DELETE", object=None),
        finding(place=Place("/abs/web.yaml", 7, 2, 9, 4), message="one\ntwo"),
    ],
    suppressed=[
        finding(suppression=EXCEPTED, message="excepted"),
        finding(suppression=Suppression("baseline", "known.json"), message="known"),
        finding(suppression=Suppression("comment", "", "", HOSTILE), message="silenced"),
    ],
    rules=RULES,
    problems=[
        Problem("broken.yaml", 3, 1, f"not YAML: {HOSTILE}"),
        Problem("absent.yaml", None, None, "cannot be read"),
    ],
    warnings=[Problem("policies/old.yaml", 4, 3, "no such field")],
    notes=["1 chart is not rendered", HOSTILE],
    left_out=[LeftOut("chart", "chart", "helm template chart"), LeftOut(HOSTILE, "excluded", by=HOSTILE)],
    diffs=[Diff(Place("deploy/web.yaml", 3), WEB, ("add-label",), ("--- a", "+++ b", "+  x: </script>```"))],
    scope={"objects": 3, "files": 2, "policies": 2},
    verbose=True,
    shows_diffs=True,
)  # fmt: skip

_CASES: Final = [
    Case(
        policy="pinned-images", name="a digest", place=Place("policies/tests.yaml", 6), expect="allow", verdict="allow"
    ),
    Case(
        policy="pinned-images",
        name=f"a tag {HOSTILE}",
        place=Place("policies/tests.yaml", 12),
        expect="deny",
        verdict="no-match",
        failures=("expected deny, got no-match", HOSTILE),
        texts=(HOSTILE,),
        excepted_by="web-logs",
        excepted=(Exempted("web-logs", "2999-12-31", "text"),),
        unmatched=(Unmatched("ValidatingAdmissionPolicy", "", "it is about pods"),),
        refused=("spec: Required value",),
        notes=(HOSTILE,),
    ),
]  # fmt: skip
_KNOWN: Final = Case(
    policy="pinned-images",
    name=f"known {HOSTILE}",
    place=Place("policies/tests.yaml", 20),
    expect="deny",
    verdict="allow",
    failures=(HOSTILE,),
    known=True,
)
TEST: Final = report(
    "test",
    cases=[*_CASES, _KNOWN],
    findings=[failed(each) for each in _CASES if not each.passed],
    suppressed=[replace(failed(_KNOWN), suppression=Suppression("baseline", "known.json"))],
    rules=RULES,
    untested=["quiet"],
)

LINT: Final = report(
    "lint",
    findings=[
        Finding(
            rule="GW101",
            level="error",
            message=f"this rule matches nothing {HOSTILE}",
            place=Place("policies/a.yaml", 9, 5, 9, 8),
            excerpt=Excerpt("    pod", 5, 9, 8),
            kind="lint",
            policy="a",
            fix=Fix("write pods", (Edit(Place("policies/a.yaml", 9, 5, 9, 8), "pods"),)),
        ),
        Finding(rule="GW102", level="note", message="no description", place=Place("policies/a.yaml", 1), kind="lint"),
        Finding(rule="GW103", level="warning", message="old version", place=Place("policies/b.yaml"), kind="lint"),
    ],
    rules={
        "GW101": Rule(
            "GW101", "lint", "It matches nothing", "# Help", "https://example.com/GW101", name="unknown-resource"
        )
    },
    scope={"files": 2, "policies": 1},
)

_MUTANTS: Final = [
    Outcome(
        Mutant(
            f"abcdef0{number}", (("ValidatingAdmissionPolicy", "a"),), "operator", "<", HOSTILE, lambda: None,
            lambda: Shown("policies/a.yaml", 7, 3, ("a < b",), (HOSTILE,)),
        ),
        status,
        "a case" if status == "killed" else "",
        HOSTILE if status == "explained" else "",
    )
    for number, status in enumerate(get_args(Status)[:4])
]  # fmt: skip
_REPORTED: Final = testmutants.reported(
    Report(command="test"),
    [Mutated("pinned-images", tuple(_MUTANTS), 1, stale=("12345678",)), Mutated("quiet", (), failing=True)],
    {"pinned-images": Place("policies/a.yaml", 3), "quiet": Place("policies/quiet.yaml", 1)},
)
MUTATED: Final = report(
    "test",
    findings=_REPORTED.findings,
    suppressed=_REPORTED.suppressed,
    mutated=_REPORTED.mutated,
    rules=RULES,
    untested=["quiet"],
    verbose=True,
)

IMPACT: Final = report(
    "impact",
    findings=[
        *(
            finding(change="newly denied", owner="team-a", place=Place(f"deploy/{number}.yaml", 3, 1), message=HOSTILE)
            for number in range(5)
        ),
        finding(change="newly allowed", owner="team-b", level="note"),
        finding(change="patch changed", level="note", owner="", diff=("--- old", "+++ new", "+a: ```", HOSTILE)),
    ],
    rules=RULES,
    scope={"objects": 9, "policies": 2},
    impact=Summary(
        "main (0123456789ab)",
        f"new {HOSTILE}",
        [
            PolicySummary("pinned-images", "validating", ("policy", "objects"), 9),
            PolicySummary(f"silent {HOSTILE}", "mutating", ("added",), 0, "it matches none of these objects"),
        ],
        2,
        9,
        7,
        5,
        1,
    ),
)

_SEVERE: Final = {name: replace(each, severity="high") for name, each in RULES.items()}
SCORED: Final = report(
    "check",
    findings=CHECK.findings,
    rules=_SEVERE,
    scope={"objects": 3, "files": 2, "policies": 2},
    scores=scores(
        CHECK.findings,
        {"shop": 4, "": 2, "quiet": 1, "empty": 0},
        _SEVERE,
        Gate(
            HOSTILE,
            vetoes=(Veto(HOSTILE, (), (), ("deny",)),),
            environments=(
                Environment(("<b>*",), Threshold(HOSTILE, 90)),
                Environment(("quiet", "shop"), Threshold("production", 80)),
                Environment(("none",), Threshold(HOSTILE)),
            ),
        ),
    ),
)

NOTHING: Final = report("check", scope={"objects": 1, "files": 1, "policies": 1}, rules=RULES)

BROKEN: Final = report("check", problems=[Problem("policies/broken.yaml", 2, 1, "not YAML")])

REPORTS: Final = {
    "check": CHECK,
    "test": TEST,
    "lint": LINT,
    "mutants": MUTATED,
    "impact": IMPACT,
    "scored": SCORED,
    "nothing": NOTHING,
    "broken": BROKEN,
}


def written(of: Report, name: str) -> str:
    """The report in a format. It can be encoded, as it has to be for a file."""
    text = "".join(pieces(of, name))
    return text.encode().decode()
