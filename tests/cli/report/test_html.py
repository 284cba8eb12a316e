"""The page of HTML: what is in it, and how it behaves in a real browser, where one is installed."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from tests.browsers import CONTRAST, NAMELESS, launched
from tests.cli.report.reports import CHECK, HOSTILE, REPORTS, RULES, SCORED, finding, report, written
from webhook.cli.report.model import Finding, Past, Place, Report, Rule
from webhook.cli.report.scores import Environment, Gate, Threshold, scores
from webhook.offline.requests import Identity

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MANY = report(
    "check",
    findings=[
        finding(
            rule=f"rule-{number % 7}",
            level=("deny", "warn", "audit")[number % 3],
            message=f"finding number {number}",
            object=finding().object,
            owner=f"team-{number % 2}",
        )
        for number in range(1000)
    ],
    rules={
        f"rule-{number}": Rule(f"rule-{number}", "ValidatingAdmissionPolicy", controls=controls)
        for number, controls in ((1, ("CIS 5.2.4", "NSA-CISA <b>one</b>")), (2, ("CIS 5.2.4",)))
    },
    scope={"objects": 1000, "files": 1, "policies": 7},
)
TREND = replace(
    SCORED,
    at="2026-11-29T20:00:04Z",
    history=[
        Past(at=f"2026-11-{day}T20:00:04Z", deny=40 - day, warn=2, audit=day % 3, objects=20, policies=3,
             score=70.5 + day if day != 20 else None, complete=day != 21)
        for day in range(15, 29)
    ],
)  # fmt: skip

STANDING = replace(TREND, command="audit", standing={
    "policies": [
        {
            "name": name, "kind": kind, "language": "cel", "title": f"<img src=x> {name}", "description": "",
            "severity": "high", "category": "", "controls": [], "failurePolicy": "Fail", "file": "a.yaml", "line": 3,
            "isolation": None, "notSent": None,
            "bindings": [
                {"name": f"{name}-{action}", "actions": [action] if action else [],
                 "counted": {"deny": 2, "warn": 1, "audit": 0, "error": errors}}
                for action in actions
            ],
        }
        for name, kind, actions, errors in (
            ("pinned-images", "ValidatingAdmissionPolicy", ["Deny", "Warn"], 0),
            ("adds-owner", "MutatingAdmissionPolicy", [""], 0),
            ("idle", "ValidatingAdmissionPolicy", [], 0),
            ("fails", "ValidatingAdmissionPolicy", ["Audit"], 3),
        )
    ],
    "exceptions": [
        {"name": name, "policies": ["pinned-images"], "expires": expires, "inForce": expires > "2026-11-29",
         "reason": "<img src=x>", "approvedBy": "security", "file": "e.yaml", "line": 1, "used": used,
         "unknown": "this audit: <img src=x>" if name == "asked" else ""}
        for name, expires, used in (
            ("in-use", "2999-12-31", 4), ("idle-one", "2999-12-31", 0), ("over", "2026-01-31", 0),
            ("soon", "2026-12-09", 1), ("asked", "2999-12-31", 0),
        )
    ],
    "notShown": 0, "revisions": ["sha256:abc"],
})  # fmt: skip
"""An audit with what it judged by."""

CONTROLS = """() => {
  globalThis.controls = () => [...document.querySelectorAll("a[href], button, input, summary, [tabindex='0']")]
    .filter((each) => each.checkVisibility());
  return controls().length;
}"""
COLLECT = """() => {
  globalThis.reached = new Set();
  globalThis.unmarked = new Set();
  document.addEventListener("focusin", ({ target }) => {
    reached.add(target);
    if (getComputedStyle(target).outlineStyle === "none") unmarked.add(target.outerHTML);
  });
}"""


class Outline(HTMLParser):
    """The tags of a page with their attributes, and the text within each script and style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.contents: list[tuple[str, str]] = []
        self._within = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in ("script", "style"):
            self.contents.append((self._within, data))


@pytest.mark.parametrize("name", REPORTS)
def test_a_page_stands_alone_and_runs_its_own_script_only(name: str) -> None:
    page = Outline(written(REPORTS[name], "html"))
    assert [tag for tag, _ in page.tags if tag in ("script", "style", "link", "img", "iframe", "base", "form")] == [
        "style", "script", "script",
    ]  # fmt: skip
    assert not any(name in attributes for _, attributes in page.tags for name in ("src", "href", "onclick", "onerror"))
    (policy,) = (a["content"] or "" for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ")
    style, data, script = (text for _, text in page.contents)
    for kind, text in (("style", style), ("script", script)):
        assert f"{kind}-src 'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" in policy
    assert "unsafe" not in policy
    found = json.loads(data)
    assert len(found["findings"]) >= len({id(each) for each in REPORTS[name].suppressed})


def test_no_text_ends_the_data_or_shows_control_characters() -> None:
    text = written(CHECK, "html")
    assert text.count("<script") == text.count("</script>") == 2
    assert "<img" not in text and "\x1b" not in text and "\u202e" not in text


def many(count: int) -> Report:
    return report(
        "check",
        findings=[
            finding(rule=f"rule-{number % 7}", message=f"number {number:09}", owner=f"team-{number % 50}")
            for number in range(count)
        ],
        scope={"objects": count, "files": 1, "policies": 7},
    )


def test_a_finding_takes_the_same_bytes_however_many_there_are() -> None:
    """A page of 100,000 findings has 37 MB. What each holds is there once."""
    one, two, four = (len(written(many(count), "html")) for count in (500, 1000, 2000))
    assert (four - two) / 1000 == pytest.approx((two - one) / 500, rel=0.01)
    assert (four - two) / 1000 < 600


# ------------------------------------------------------------------------------------------------ in a real browser


def test_a_page_of_many_findings_has_no_more_elements_than_one_of_some(browser: Browser, tmp_path: Path) -> None:
    """A browser lays out what is shown, so a page of 100,000 findings opens in two seconds."""
    elements = []
    for count in (500, 5000):
        with opened(browser, many(count), tmp_path) as page:
            assert shown(page) == f"{count:,} shown"
            elements.append(page.evaluate("document.getElementsByTagName('*').length"))
    assert elements[0] == elements[1] < 10_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as started:
        yield started


@contextmanager
def opened(browser: Browser, of: Report, folder: Path, **options: Any) -> Iterator[Page]:
    """The page in a browser. Whatever else it asks for, and each error, fails the test."""
    file = folder / "report.html"
    file.write_text(written(of, "html"))
    context = browser.new_context(**options)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: said.append(request.url) if request.url != file.as_uri() else None)
    page.goto(file.as_uri())
    yield page
    context.close()
    assert said == []


def open_all(page: Page) -> None:
    """Open what is closed, but not the rows."""
    for summary in page.locator("summary").all():
        summary.click()
    page.get_by_role("region", name="Table of exceptions").wait_for()
    page.locator(".head.policy").last.wait_for()


def shown(page: Page) -> str:
    return page.locator("[role=status]").inner_text()


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_is_shown_as_text(name: str, browser: Browser, tmp_path: Path) -> None:
    of = REPORTS[name]
    with opened(browser, of, tmp_path) as page:
        assert page.title().startswith(f"gatewright {of.command}: ")
        if name in ("nothing", "broken"):
            assert page.get_by_text("Nothing was found.").is_visible()
            return
        for head in page.locator(".head").all():
            head.click()
        assert page.locator("img").count() == 0
        assert "<img src=x onerror=alert(2)>" in page.locator("main").inner_text()
        assert page.locator("a[href^=javascript]").count() == 0


def test_search(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, MANY, tmp_path) as page:
        assert shown(page) == "1,000 shown"
        page.keyboard.press("/")
        page.keyboard.type("NUMBER 99 rule-1")
        assert shown(page) == "3 of 1,000 shown"
        texts = page.locator(".message").all_text_contents()  # a row out of sight has no inner text yet
        assert sorted(texts) == [f"finding number {number}" for number in (799, 99, 995)]
        page.keyboard.type(" nowhere")
        assert page.get_by_text("Nothing matches. Press Escape to show all.").is_visible()
        page.keyboard.press("Escape")
        assert shown(page) == "1,000 shown"


def test_an_evaluation_error_is_marked_and_found(browser: Browser, tmp_path: Path) -> None:
    failing = [finding(message=f"message {number}", error=number == 3) for number in range(5)]
    with opened(browser, report("check", findings=failing), tmp_path) as page:
        marks = page.locator(".row", has_text="message 3").locator(".level").all_text_contents()
        assert marks == ["deny", "evaluation error"]
        assert page.get_by_text("evaluation error", exact=True).count() == 1
        page.get_by_role("searchbox").fill("evaluation error")
        assert page.locator(".message").all_text_contents() == ["message 3"]


def test_filters_by_chart_and_level_and_groups(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, MANY, tmp_path) as page:
        page.get_by_role("button", name=re.compile("^team-1")).click()
        assert shown(page) == "500 of 1,000 shown"
        page.get_by_role("button", name=re.compile("^warn [0-9]")).click()
        assert shown(page) == "167 of 1,000 shown"
        page.get_by_role("button", name="show all").click()
        assert shown(page) == "1,000 shown"
        page.get_by_role("button", name="Group by owner").click()
        assert page.locator(".group h3 .name").all_text_contents() == ["team-0", "team-1"]
        assert page.locator(".head").count() == 100  # of each group the first ones
        page.get_by_role("button", name=re.compile("^Show 200 more of 450")).first.click()
        assert page.locator(".head").count() == 300
        page.get_by_role("button", name="Group by policy").click()
        assert page.locator(".group").count() == 7
        assert page.locator(".head").count() == 100  # of the first groups; the others open when they are asked to
        page.get_by_role("button", name=re.compile("^Show 50 of 142")).first.click()
        assert page.locator(".head").count() == 150
        assert page.locator(".head:focus").count() == 1
        page.get_by_role("button", name="Group by control").click()
        groups = page.locator(".group h3").all_inner_texts()
        assert [each.split("\n") for each in groups] == [
            ["no control", "714"],
            ["CIS 5.2.4", "286"],
            ["NSA-CISA <b>one</b>", "143"],
        ]  # a policy may be about several
        page.get_by_role("button", name="NSA-CISA <b>one</b>").click()
        assert shown(page) == "143 of 1,000 shown"
        assert page.locator(".group h3 .name").all_text_contents() == ["CIS 5.2.4", "NSA-CISA <b>one</b>"]
        page.locator(".head").first.click()
        assert "CIS 5.2.4, NSA-CISA <b>one</b>" in page.locator(".more").inner_text()
        page.keyboard.press("Escape")
        page.get_by_role("searchbox").fill("cis 5.2.4")
        assert shown(page) == "286 of 1,000 shown"


def test_the_trend_is_a_chart_and_a_table(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, TREND, tmp_path) as page:
        assert "2026-11-29 20:00 UTC" in page.locator("header").inner_text()
        score = page.get_by_role("img", name="Score of the last 13 audits: 85.5 and then 98.5 of 100")
        assert score.locator("circle").count() == 13
        said = "Findings of the last 14 audits: 25 and then 12 denied, 2 and then 2 warned, 0 and then 1 noted"
        bars = page.get_by_role("img", name=said)
        assert bars.locator("rect.f-deny").count() == 14
        before = bars.get_attribute("viewBox")
        page.set_viewport_size({"width": 500, "height": 700})
        page.wait_for_function(
            "was => document.querySelector('.trend svg').getAttribute('viewBox') !== was", arg=before
        )
        page.get_by_text("As a table").click()
        rows = page.get_by_role("region", name="Table of audits").locator("tbody tr").all_inner_texts()
        assert len(rows) == 14
        assert rows[0] == "2026-11-28 20:00 UTC\t98.5\t12\t2\t1\t20\t3\t"
        assert rows[7].endswith("20\t3\tnot everything was read")
        assert rows[8] == "2026-11-20 20:00 UTC\t\t20\t2\t2\t20\t3\t"


def test_policies_are_shown_with_their_state_and_exceptions_with_their_use(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, STANDING, tmp_path) as page:
        summary = page.locator("summary", has_text="4 policies")
        said = "1 deny, 1 warn, 1 audit, 1 mutate, 1 unbound, 1 failed to be evaluated"
        assert summary.locator(".said").inner_text() == said
        assert page.locator(".head.policy").count() == 0  # until they are asked for
        summary.click()
        rows = page.locator(".head.policy")
        rows.last.wait_for()
        assert [each.split("\n")[0] for each in rows.all_inner_texts()] == [
            "pinned-images CEL high",
            "adds-owner CEL high",
            "idle CEL high",
            "fails CEL high",
        ]
        assert rows.locator(".modes").all_inner_texts() == ["Deny\nWarn", "mutates", "unbound", "Audit\nlook"]
        assert rows.nth(0).locator(".place").inner_text() == "4 denied, 2 warned or noted"
        assert "Revision sha256:abc." in page.locator(".standing").first.inner_text()
        rows.nth(3).click()
        more = page.locator(".standing .more")
        assert "failed 3 times to be evaluated" in more.inner_text()
        table = page.get_by_role("region", name="Bindings of fails").locator("tr")
        assert table.all_inner_texts() == [
            "Binding\tActions\tdeny\twarn\taudit\terror",
            "fails-Audit\tAudit\t2\t1\t0\t3",
        ]
        page.locator("summary", has_text="5 exceptions1 expired, 1 covered nothing, 1 unknown whether used").click()
        said = "Unknown whether 1 exception is used: this audit: <img src=x>"
        page.get_by_text(said, exact=True).wait_for()
        exceptions = page.get_by_role("region", name="Table of exceptions").locator("tbody tr")
        exceptions.last.wait_for()
        assert [
            each.replace("\n", " ").replace(" \t", "\t").split("\t")[:4] for each in exceptions.all_inner_texts()
        ] == [
            ["over e.yaml:1", "expired", "2026-01-31", "unused"],
            ["soon e.yaml:1", "9 days left", "2026-12-09", "1 object"],
            ["in-use e.yaml:1", "in force", "2999-12-31", "4 objects"],
            ["idle-one e.yaml:1", "in force", "2999-12-31", "unused"],
            ["asked e.yaml:1", "in force", "2999-12-31", "unknown"],
        ]
        assert page.locator("img").count() == 0


def test_findings_of_an_object_are_together(browser: Browser, tmp_path: Path) -> None:
    def about(rule: str, name: str, cluster: str) -> Finding:
        on = Identity("v1", "Pod", "shop", name)
        return finding(rule=rule, message=f"{rule} {name}", object=on, path="spec", place=Place(cluster), excerpt=None)

    found = [about(rule, name, "prod") for rule in ("one", "two") for name in ("web", "db")]
    with opened(browser, report("audit", findings=found), tmp_path) as page:
        page.get_by_role("button", name="Group by object").click()
        assert page.locator(".group h3 .name").all_inner_texts() == ["Pod shop/web", "Pod shop/db"]
        web = page.get_by_role("region", name="Pod shop/web")
        assert web.locator(".what").all_inner_texts() == ["one spec", "two spec"]
    with opened(browser, report("audit", findings=[*found, about("one", "web", "test")]), tmp_path) as page:
        page.get_by_role("button", name="Group by object").click()
        names = ["Pod shop/web in prod", "Pod shop/db in prod", "Pod shop/web in test"]
        assert page.locator(".group h3 .name").all_inner_texts() == names


def test_charts_count_what_each_choice_would_show(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, MANY, tmp_path) as page:
        page.get_by_role("button", name=re.compile("^team-1")).click()
        page.get_by_role("button", name=re.compile("^rule-3")).click()
        page.get_by_role("button", name=re.compile("^warn [0-9]")).click()
        expected = [n for n in range(1000) if n % 2 == 1 and n % 7 == 3 and n % 3 == 1]
        assert shown(page) == f"{len(expected)} of 1,000 shown"
        for name, count in (
            ("team-0", sum(n % 2 == 0 and n % 7 == 3 and n % 3 == 1 for n in range(1000))),
            ("rule-5", sum(n % 2 == 1 and n % 7 == 5 and n % 3 == 1 for n in range(1000))),
            ("deny", sum(n % 2 == 1 and n % 7 == 3 and n % 3 == 0 for n in range(1000))),
        ):
            assert page.get_by_role("button", name=re.compile(rf"^{name} {count}$")).count() == 1


def test_the_keyboard_reaches_everything(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, CHECK, tmp_path) as page:
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("k")
        head = page.locator(".head:focus")
        assert head.count() == 1
        first = page.locator(".head").first
        assert head.text_content() == first.text_content()
        page.keyboard.press("Enter")
        assert first.get_attribute("aria-expanded") == "true"
        assert page.locator(".more pre mark").first.text_content() == "image: nginx"
        page.keyboard.press("Enter")
        assert page.locator(".more").count() == 0
    with opened(browser, STANDING, tmp_path) as page:
        open_all(page)
        page.locator("header h1").click()  # Tab goes on from there
        wanted = page.evaluate(CONTROLS)
        assert wanted > 20
        page.evaluate(COLLECT)
        for _ in range(wanted):
            page.keyboard.press("Tab")
        missed = page.evaluate("controls().filter((each) => !reached.has(each)).map((each) => each.outerHTML)")
        assert missed == [] and page.evaluate("[...unmarked]") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_are_readable_in_light_and_in_dark(scheme: str, browser: Browser, tmp_path: Path) -> None:
    with opened(browser, STANDING, tmp_path, color_scheme=scheme) as page:
        open_all(page)
        page.locator(".list .head").first.click()
        page.locator(".standing .head").first.click()
        ratio, where = page.evaluate(CONTRAST)
        assert ratio >= 4.5, where  # WCAG 2, AA
        assert page.evaluate(NAMELESS) == []
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        other = "Light" if scheme == "dark" else "Dark"
        page.get_by_role("button", name=f"{other} colours").click()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
        ratio, where = page.evaluate(CONTRAST)
        assert ratio >= 4.5, where


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_window(width: int, browser: Browser, tmp_path: Path) -> None:
    with opened(browser, STANDING, tmp_path, viewport={"width": width, "height": 700}) as page:
        open_all(page)
        for head in page.locator(".head").all():
            head.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_a_score_that_fails_says_why_without_scrolling(width: int, browser: Browser, tmp_path: Path) -> None:
    gate = Gate("gate.yaml", environments=(Environment(("*",), Threshold("production", 90)),))
    found = [finding(level="deny", object=Identity("v1", "Pod", f"team-{each}", "web")) for each in range(14)]
    of = scores(found, {f"team-{each}": 1 for each in range(14)}, RULES, gate)
    with opened(
        browser, replace(SCORED, findings=found, scores=of), tmp_path, viewport={"width": width, "height": 700}
    ) as page:
        table = page.get_by_role("region", name="Table of scores")
        for row in table.get_by_role("row").all()[1:]:
            for seen in (row.get_by_role("rowheader"), row.get_by_role("cell").nth(0), row.get_by_role("cell").nth(1)):
                box = seen.bounding_box()
                assert box is not None and box["x"] + box["width"] <= width, seen.inner_text()
        assert table.get_by_text("below 90 (production)").count() == 10
        more = page.get_by_role("button", name="Show 4 more", exact=True)
        more.click()
        assert table.get_by_role("row").count() == 16 and not more.count()


def test_of_nothing_the_page_shows_no_score(browser: Browser, tmp_path: Path) -> None:
    gate = Gate("gate.yaml", environments=(Environment(("quiet",), Threshold("production", 90)),))
    of = scores([], {"quiet": 0, "other": 0}, RULES, gate)
    with opened(browser, replace(SCORED, scores=of), tmp_path) as page:
        table = page.get_by_role("region", name="Table of scores")
        assert [row.split("\t")[:3] for row in table.locator("tbody tr").all_inner_texts()] == [
            ["all objects", "none", ""],
            ["quiet", "none", "fails nothing was judged, for 90 (production)"],
            ["other", "none", ""],
        ]
        assert not table.locator("meter").count()


@pytest.mark.parametrize("width", [768, 1280])
def test_a_long_path_leaves_room_for_the_object(width: int, browser: Browser, tmp_path: Path) -> None:
    long = "/".join(["charts", *("a-folder-with-a-name",) * 12, "deployment.yaml"])
    of = report("check", findings=[finding(place=Place(long, 3, 1)), finding(place=Place("a.yaml", 3, 1))])
    with opened(browser, of, tmp_path, viewport={"width": width, "height": 700}) as page:
        for head in page.locator(".head").all():
            what, all_of_it = head.locator(".what").bounding_box(), head.bounding_box()
            assert what is not None and all_of_it is not None
            assert what["width"] > 0.3 * all_of_it["width"]
        short = page.locator(".place").last.bounding_box()
        assert short is not None and short["width"] < 100


def test_an_explanation_is_shown_as_its_lines(browser: Browser, tmp_path: Path) -> None:
    tree = [
        "why: spec.validations[0].expression",
        f"└─ object.spec.image = '{HOSTILE.replace(chr(10), '')}'",
        "   └─ no",
    ]
    of = report("audit", findings=[finding(why=tuple(tree))])
    with opened(browser, of, tmp_path, viewport={"width": 360, "height": 700}) as page:
        page.locator(".head").click()
        first, second, third = page.locator(".more pre").last.inner_text().splitlines()
        assert (first, third) == (tree[0], tree[2])
        assert "<img src=x onerror=alert(2)>" in second and "\\x1b" in second
        assert page.locator("img").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_lines_of_a_message_are_lines_before_it_is_opened(browser: Browser, tmp_path: Path) -> None:
    of = report("check", findings=[finding(message="expected warn, got deny\nfound: no")])
    with opened(browser, of, tmp_path) as page:
        assert page.locator(".message").first.inner_text().splitlines() == ["expected warn, got deny", "found: no"]


def test_the_heading_of_impact_says_what_happens_and_the_line_below_of_what() -> None:
    page = written(REPORTS["impact"], "html")
    heading, _, below = page.partition("<h1>")[2].partition("</header>")[0].partition("</h1>")
    assert heading.startswith("5 objects newly denied, 1 object newly allowed, ") and "from" not in heading
    assert below.startswith("<p>9 objects, 2 of 2 policies differ, from main ")
