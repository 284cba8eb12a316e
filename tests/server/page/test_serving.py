"""/page: who may see it, what is in it, and how it behaves in a real browser."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from tests.browsers import CONTRAST, NAMELESS, launched
from tests.cli.report.reports import SCORED, written
from tests.server.page.asking import asked, state_of
from tests.server.running import POLICIES, Answer, Running, changed, end, launch, recorded, wait_for, write_policies
from tests.timing import HANGING
from webhook.cli.report.model import Past, Report, Rule
from webhook.server.page.serving import _dumped, document

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

POD = recorded("020")
HOSTILE = "<img src=x onerror=alert(1)>"
TREE = {
    **POLICIES,
    "hostile.yaml": f"""\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: hostile
  annotations:
    gatewright.dev/title: "{HOSTILE}"
    gatewright.dev/severity: high
spec:
  matchConstraints:
    resourceRules:
      - {{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [services]}}
  validations:
    - expression: "false"
      message: "{HOSTILE}"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: hostile}}
spec: {{policyName: hostile, validationActions: [Warn]}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: idle}}
spec:
  matchConstraints:
    resourceRules:
      - {{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [services]}}
  validations: [{{expression: "true"}}]
""",
    "exceptions.yaml": "---\n".join(
        f"""\
apiVersion: gatewright.dev/v1
kind: PolicyException
metadata: {{name: {name}}}
spec:
  policies: [{{name: no-host-path}}]
  objects: {{namespaces: [{name}-namespace]}}
  reason: "{HOSTILE}"
  approvedBy: security
  expires: {expires}
"""
        for name, expires in (("used", "2999-12-31"), ("unused", "2999-12-31"), ("expired", "2020-01-31"))
    ),
}
WHY = ("why: spec.validations[0].expression", f"└─ object.spec.image = '{HOSTILE}'", "   └─ no")
AUDIT = replace(
    SCORED,
    command="audit",
    findings=[replace(each, why=WHY) if each.message == "second" else each for each in SCORED.findings],
    rules={
        **SCORED.rules,
        "pinned-images": Rule("pinned-images", "Validating", severity="high", controls=("CIS 5.2.4",)),
    },
    at=f"{datetime.now(UTC) - timedelta(hours=5):%Y-%m-%dT%H:%M:%SZ}",
    history=[
        Past(at=f"2026-11-{day}T20:00:04Z", deny=40 - day, warn=2, audit=0, objects=20, policies=3, score=70.5 + day)
        for day in range(15, 29)
    ],
)
OPENED = ("/page", "/page/state", "/page/findings", "/page/audit")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the policies and the audit of the server `shown` are."""
    return tmp_path_factory.mktemp("shown")


@pytest.fixture(scope="module")
def shown(folder: Path) -> Iterator[Running]:
    """A server with the page that has answered some reviews; tests must not send it others."""
    tree = write_policies(folder / "policies", TREE)
    write_audit(folder, AUDIT)
    running = launch("--policies", str(tree), "--page", "--playground", "--page-audit", str(folder / "audit.json"))
    send(running)
    wait_for(lambda: state_of(running)["audit"]["version"], 60)
    yield running
    end(running)


def write_audit(folder: Path, of: Report) -> None:
    (folder / "new.json").write_text(written(of, "json"))
    (folder / "new.json").replace(folder / "audit.json")


def send(server: Running) -> None:
    for number in range(9):
        body = changed(POD, name=f"web-{number % 3}", namespace=("default", "shop")[number % 2])
        assert not server.post("/validate", body).response["allowed"]
    assert server.post("/validate", changed(POD, namespace="used-namespace")).response["allowed"]
    service = {"group": "", "version": "v1", "resource": "services"}
    kind = {"group": "", "version": "v1", "kind": "Service"}
    same = {"resource": service, "requestResource": service, "kind": kind, "requestKind": kind}
    of_service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "shop"}}
    answer = server.post("/validate", changed(POD, **same, name="s", namespace="shop", object=of_service))
    assert answer.response["warnings"]


def test_without_the_setting_there_is_no_page(server: Running) -> None:
    assert [server.get(path).status for path in OPENED] == [404, 404, 404, 404]


@pytest.mark.parametrize("path", OPENED)
def test_only_people_on_the_host_see_it(shown: Running, path: str) -> None:
    assert asked(shown, path).status == asked(shown, path, host="localhost:8080").status == 200
    assert asked(shown, path, host="[::1]:8080", sec_fetch_site="same-origin").status == 200
    for headers in (
        {"host": "evil.example"},  # a name that leads here: DNS rebinding
        {"host": "localhost.evil.example:8080"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},  # another port of localhost
        {"x_forwarded_for": "192.0.2.1"},
    ):
        refused = asked(shown, path, **headers)
        assert refused.status == 403, headers
        assert refused.json["error"].startswith("the page is ")


def test_the_page_asks_nothing_of_anybody_else(shown: Running) -> None:
    answer = asked(shown, "/page")
    text, policy = answer.body.decode(), answer.headers["content-security-policy"]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    assert policy.endswith("connect-src 'self'; frame-ancestors 'none'")
    assert f'content="{document()[1]}"' in text
    assert re.findall(r"""(?:src|href)=["'][^"']""", text) == []
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert answer.headers["cache-control"] == "no-store"


def test_policies_exceptions_and_counts(shown: Running) -> None:
    state = state_of(shown)
    by_name = {each["name"]: each for each in state["policies"]}
    (everywhere,) = by_name["no-host-path"]["bindings"]
    assert everywhere["counted"] == {"evaluations": 10, "deny": 9, "warn": 0, "audit": 0, "error": 0}
    assert by_name["hostile"]["bindings"][0]["counted"]["warn"] == 1
    assert (by_name["hostile"]["title"], by_name["hostile"]["severity"]) == (HOSTILE, "high")
    assert by_name["idle"]["bindings"] == []
    used = {each["name"]: (each["used"], each["inForce"]) for each in state["exceptions"]}
    assert used == {"used": (1, True), "unused": (0, True), "expired": (0, False)}
    assert state["verdicts"] == {"deny": 9, "allow": 2}
    assert (state["notReady"], state["refused"], state["notShown"]) == (None, None, 0)


def test_findings_hold_nothing_of_a_secret(start: Callable[..., Running], policies: Path) -> None:
    server = start("--policies", str(policies), "--page", "--workers", "2")
    secret = {"group": "", "version": "v1", "resource": "secrets"}
    kind = {"group": "", "version": "v1", "kind": "Secret"}
    held = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"token": "c2VjcmV0LXZhbHVl"}}
    same = {"resource": secret, "requestResource": secret, "kind": kind, "requestKind": kind}
    assert not server.post("/validate", changed(POD, **same, name="s", object=held)).response["allowed"]
    server.post("/validate", POD)
    # Workers report every two seconds, and when they are asked for metrics.
    found = wait_for(lambda: len(each := asked(server, "/page/findings").json["findings"]) == 2 and each)
    by_policy = {each["policy"]: each for each in found}
    assert (by_policy["quoting"]["resource"], by_policy["quoting"]["message"]) == ("secrets", "")
    assert by_policy["no-host-path"]["message"] == "hostPath is not allowed"
    assert "c2VjcmV0" not in json.dumps(found)
    state = state_of(server)
    assert state["verdicts"] == {"deny": 2}


def test_what_is_evaluated_is_sent_by_the_page_itself(shown: Running, server: Running) -> None:
    body = json.dumps({"policy": "", "object": ""}).encode()

    def sent(to: Running, body: bytes, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", to.plain_port, timeout=HANGING)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("POST", "/page/evaluate", body, named)
            answer = connection.getresponse()
            return Answer(answer.status, {}, answer.read())
        finally:
            connection.close()

    assert sent(server, body, content_type="application/json").status == 404
    assert sent(shown, body, content_type="text/plain").status == 415
    assert sent(shown, body, content_type="application/json", sec_fetch_site="cross-site").status == 403
    assert sent(shown, body, content_type="application/json", host="evil.example").status == 403
    assert sent(shown, b"{}", content_type="application/json").status == 400
    python = json.dumps({"policy": "", "object": "", "language": "python"}).encode()
    assert sent(shown, python, content_type="application/json").status == 403
    assert sent(shown, b" " * ((64 << 10) + 1), content_type="application/json").status == 413
    answer = sent(shown, body, content_type="application/json")
    assert (answer.status, answer.json["problems"][0]["message"]) == (200, "it has no policies")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_metrics_tell_of_the_last_audit(
    workers: str, tmp_path: Path, start: Callable[..., Running], policies: Path
) -> None:
    write_audit(tmp_path, AUDIT)
    page = ("--page", "--page-audit", str(tmp_path / "audit.json"), "--workers", workers)
    server = start("--policies", str(policies), *page)
    wait_for(lambda: state_of(server)["audit"]["version"], HANGING)
    text = server.get("/metrics").body.decode()
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name in ("gatewright_audit_timestamp_seconds", "gatewright_audit_complete")
    }
    ended = datetime.fromisoformat(AUDIT.at).timestamp()
    assert found == {"gatewright_audit_timestamp_seconds": ended, "gatewright_audit_complete": not AUDIT.problems}
    assert 'gatewright_audit_findings{namespace="shop",policy="pinned-images",result="fail",severity="high"}' in text


def test_half_characters_are_sent_all_the_same() -> None:
    assert json.loads(_dumped({"file": "a\udc80"})) == {"file": "a\\udc80"}


# ------------------------------------------------------------------------------------------------ in a real browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as started:
        yield started


@contextmanager
def opened(browser: Browser, server: Running, part: str = "", **options: Any) -> Iterator[Tab]:
    """The page in a browser. Whatever it asks of anybody else, and each error, fails the test."""
    context = browser.new_context(**options)
    tab = context.new_page()
    said: list[str] = []
    here = f"http://127.0.0.1:{server.plain_port}/page"
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("dialog", lambda dialog: said.append(dialog.message))
    tab.on("request", lambda request: None if request.url.startswith(here) else said.append(request.url))
    tab.goto(f"{here}{part}")
    tab.wait_for_selector("[role=tab][aria-selected=true]")
    yield tab
    context.close()
    assert said == []


def test_the_overview_counts_reviews_in_a_chart_and_as_a_table(browser: Browser, shown: Running) -> None:
    wait_for(lambda: any(step[2] for step in state_of(shown)["course"]["fine"]["steps"]), 30)
    with opened(browser, shown) as tab:
        assert tab.locator("h1").inner_text() == "6 policies, 2 of them deny"
        chart = tab.get_by_role("img", name="Reviews in the last hour: 2 allowed, 9 denied, 0 failed")
        assert chart.locator("rect.f-deny").count() == 1
        tab.get_by_text("As a table").click()
        assert "\t2\t9\t0" in tab.locator(".chart table tbody").inner_text()
        tab.get_by_role("button", name="denied").click()
        assert tab.locator("rect.f-deny").count() == 0 and tab.locator("rect.f-pass").count() == 1
        tab.get_by_role("button", name="Last day").click()
        assert tab.get_by_role("img", name=re.compile("^Reviews in the last day: 2 allowed")).is_visible()


def test_what_the_chart_shows_is_pressed_and_can_be_undone(browser: Browser, shown: Running) -> None:
    wait_for(lambda: any(step[2] for step in state_of(shown)["course"]["fine"]["steps"]), 30)
    with opened(browser, shown) as tab:
        names = ("Last hour", "Last day", "allowed", "denied", "failed")
        buttons = {name: tab.get_by_role("button", name=name) for name in names}

        def pressed() -> set[str]:
            return {name for name, each in buttons.items() if each.get_attribute("aria-pressed") == "true"}

        first = pressed()
        assert first == {"Last hour", "allowed", "denied", "failed"}
        buttons["Last day"].click()
        buttons["allowed"].click()
        assert pressed() == {"Last day", "denied", "failed"}
        assert tab.locator("rect.f-pass").count() == 0 and tab.locator("rect.f-deny").count() == 1
        tab.get_by_text("As a table").click()
        buttons["Last hour"].click()
        buttons["allowed"].click()
        assert pressed() == first
        assert tab.locator("rect.f-pass").count() == 1
        assert tab.locator(".chart table").is_visible(), "what was opened stays open"
        wide = tab.locator(".chart svg").bounding_box()
        tab.set_viewport_size({"width": 500, "height": 800})
        tab.wait_for_function("document.querySelector('.chart svg').getBoundingClientRect().width < 500")
        assert wide is not None and wide["width"] > 500


def test_an_address_leads_to_its_part_and_the_colours_are_exchanged(browser: Browser, shown: Running) -> None:
    with opened(browser, shown, "#exceptions") as tab:
        panel = tab.locator("[role=tabpanel]:visible")
        assert panel.get_attribute("id") == "panel-exceptions"
        tab.evaluate("location.hash = '#policies'")
        tab.locator("#panel-policies").wait_for()
        assert panel.get_attribute("id") == "panel-policies"
        tab.evaluate("location.hash = '#elsewhere'")
        assert panel.get_attribute("id") == "panel-policies"
        tab.go_back()
        tab.go_back()
        tab.locator("#panel-exceptions").wait_for()
        before = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        tab.locator("button.theme").click()
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_policies_are_searched_and_opened(browser: Browser, shown: Running) -> None:
    with opened(browser, shown, "#policies") as tab:
        rows = tab.locator("#panel-policies .head")
        assert rows.count() == 6
        assert rows.filter(has_text="idle").locator(".level").inner_text() == "unbound"
        assert HOSTILE in rows.filter(has_text="hostile").inner_text()
        tab.get_by_role("searchbox", name="Search policies").fill("deny host")
        assert tab.locator("#panel-policies [role=status]").inner_text() == "1 of 6 shown"
        rows.first.click()
        assert "everywhere\tDeny\t10\t9\t0\t0\t0" in tab.locator("#panel-policies .more table").inner_text()
        rows.first.click()
        assert tab.locator("#panel-policies .more").count() == 0


def test_findings_are_shown_as_text_and_filtered(browser: Browser, shown: Running) -> None:
    with opened(browser, shown, "#findings") as tab:
        heads = tab.locator("#panel-findings .head")
        status = tab.locator("#panel-findings [role=status]")
        tab.wait_for_selector("#panel-findings .head")
        assert status.inner_text() == "7 shown"  # nine denials of six Pods, and a warning
        tab.get_by_role("button", name=re.compile("^shop")).click()
        assert status.inner_text() == "4 of 7 shown"
        tab.get_by_role("button", name=re.compile("^high")).click()
        assert status.inner_text() == "1 of 7 shown"
        assert HOSTILE in heads.inner_text()
        tab.evaluate("document.querySelector('#panel-findings .list').dataset.before = ''")
        tab.get_by_role("button", name="Refresh").click()
        tab.wait_for_selector("#panel-findings .list:not([data-before])", state="attached")  # the new one is there
        assert status.inner_text() == "1 of 7 shown"  # what was chosen stays
        tab.keyboard.press("Escape")
        assert status.inner_text() == "7 shown"
        tab.keyboard.press("j")
        tab.keyboard.press("Enter")
        assert "asked by" in tab.locator("#panel-findings .more").inner_text()
        assert tab.locator("img:not([role])").count() == 0


def test_exceptions_say_which_are_unused_and_expired(browser: Browser, shown: Running) -> None:
    with opened(browser, shown, "#exceptions") as tab:
        panel = tab.locator("#panel-exceptions")
        assert "3 exceptions, 1 expired, 1 not used since the server started." in panel.inner_text()
        rows = [each.inner_text() for each in panel.locator("tbody tr").all()]
        assert "expired" in rows[0] and "2020-01-31" in rows[0]
        assert sorted("unused\t" in row for row in rows) == [False, True, True]
        assert HOSTILE in rows[1]


def test_the_keyboard_goes_from_tab_to_tab(browser: Browser, shown: Running) -> None:
    with opened(browser, shown) as tab:
        tab.get_by_role("tab", name="Overview").focus()
        ways = (
            ("ArrowRight", "Policies"),
            ("End", "Playground"),
            ("ArrowRight", "Overview"),
            ("ArrowLeft", "Playground"),
        )
        for key, name in ways:
            tab.keyboard.press(key)
            assert tab.locator("[role=tab]:focus").inner_text().startswith(name)
            assert tab.locator("[role=tabpanel]:visible").count() == 1
        assert tab.url.endswith("#playground")
        assert tab.locator("[role=tabpanel]:visible").get_attribute("aria-labelledby") == "tab-playground"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_are_readable_and_nothing_is_wider_than_the_window(scheme: str, browser: Browser, shown: Running) -> None:
    with opened(browser, shown, color_scheme=scheme, viewport={"width": 360, "height": 700}) as tab:
        for name in ("Overview", "Policies", "Findings", "Audit", "Exceptions", "Playground"):
            tab.get_by_role("tab", name=name).click()
            tab.locator("[role=tabpanel]:visible > *:visible").first.wait_for()
            if name == "Audit":
                tab.get_by_role("region", name="Table of scores").wait_for()
            ratio, where = tab.evaluate(CONTRAST)
            assert ratio >= 4.5, where  # WCAG 2, AA
            for width in (360, 768, 1280):
                tab.set_viewport_size({"width": width, "height": 700})
                assert tab.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
            tab.set_viewport_size({"width": 360, "height": 700})


@pytest.mark.parametrize("part", ["overview", "policies", "findings", "audit", "playground", "exceptions"])
def test_a_screen_reader_has_a_name_for_every_control(part: str, browser: Browser, shown: Running) -> None:
    with opened(browser, shown, f"#{part}") as tab:
        tab.locator(f"#panel-{part}").wait_for()
        assert tab.evaluate(NAMELESS) == []
        labels = tab.evaluate("() => document.querySelectorAll('[role=tab]').forEach((each) => each.textContent = '')")
        assert labels is None and len(tab.evaluate(NAMELESS)) >= 5  # the look at it is able to fail


def test_the_last_audit_is_shown_with_its_age_scores_and_trend(browser: Browser, shown: Running) -> None:
    with opened(browser, shown) as tab:
        assert "5 hours ago: score " in tab.get_by_role("region", name="The server").inner_text()
        tab.get_by_role("tab", name="Audit").click()
        panel = tab.locator("#panel-audit")
        panel.get_by_role("img", name="Score of the last 14 audits: 85.5 and then 98.5 of 100").wait_for()
        said = panel.locator(".said").inner_text()
        assert (
            said.startswith("Audited 5 hours ago, ") and "3 objects, 2 policies; 5 denied, 1 warned, 1 noted." in said
        )
        scores = panel.get_by_role("region", name="Table of scores").inner_text()
        assert "<b>shop</b>\t 85.0\tfails below 90" in scores
        assert re.search(r"shop\t 90\.0\tfails veto .*?\t80\t4\t1\t1\n", scores, re.DOTALL)
        status = panel.locator(".status [role=status]")
        assert status.inner_text() == "6 shown"
        panel.get_by_role("button", name="CIS 5.2.4").click()
        assert status.inner_text() == "5 of 6 shown"
        tab.keyboard.press("Escape")
        assert status.inner_text() == "6 shown"
        assert "<img src=x onerror=alert(2)>" in panel.inner_text()
        assert tab.locator("img:not([role])").count() == 0
        tab.get_by_role("tab", name="Audit").focus()
        tab.keyboard.press("ArrowRight")
        assert tab.locator("[role=tab]:focus").inner_text().startswith("Exceptions")


def test_a_finding_of_the_last_audit_shows_what_led_to_it(browser: Browser, shown: Running) -> None:
    with opened(browser, shown, "#audit") as tab:
        panel = tab.locator("#panel-audit")
        panel.get_by_role("searchbox").fill("second")
        panel.locator(".status [role=status]").filter(has_text="1 of 6 shown").wait_for()
        panel.locator(".head").click()
        assert panel.locator(".more pre").last.inner_text().splitlines() == list(WHY)
        assert tab.locator("img:not([role])").count() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_findings_are_grouped_by_the_owner_that_a_label_names(workers: str, browser: Browser, tmp_path: Path) -> None:
    tree = write_policies(tmp_path / "policies", TREE)
    running = launch("--policies", str(tree), "--page", "--page-owner-label", "team", "--workers", workers)
    try:
        for name, labels in (("web", {"team": HOSTILE}), ("db", {})):
            value = json.loads(POD)["request"]["object"]
            value["metadata"]["labels"] = labels
            body = changed(POD, name=name, namespace="default", object=value)
            assert not running.post("/validate", body).response["allowed"]
        wait_for(lambda: len(asked(running, "/page/findings").json["findings"]) >= 2, 60)
        with opened(browser, running, "#findings") as tab:
            tab.get_by_role("button", name="Group by owner").click()
            names = tab.locator("#panel-findings .group h3 .name").all_text_contents()
            assert sorted(names) == sorted([HOSTILE, "default"])
    finally:
        end(running)


def test_a_torn_audit_leaves_the_last_one_and_is_named(browser: Browser, shown: Running, folder: Path) -> None:
    state = state_of(shown)["audit"]
    with opened(browser, shown, "#audit") as tab:
        panel = tab.locator("#panel-audit")
        panel.get_by_role("region", name="Table of scores").wait_for()
        (folder / "audit.json").write_text(written(AUDIT, "json")[:-100])
        try:
            trouble = panel.get_by_text(
                "The file of the audit cannot be used: it is not what `gatewright audit -o json`"
            )
            trouble.wait_for(timeout=90_000)
            assert "What it held before is shown." in trouble.inner_text()
            assert panel.locator(".status [role=status]").inner_text() == "6 shown"
            assert state_of(shown)["audit"]["version"] == state["version"]
        finally:
            write_audit(folder, AUDIT)
        panel.get_by_text("The file of the audit cannot be used").wait_for(state="detached", timeout=90_000)


def evaluated(tab: Tab) -> str:
    """What the playground says, once it has evaluated."""
    status = tab.locator(".playground [role=status]").filter(has_text=re.compile("^(Denied|Allowed|Not evaluated)"))
    status.wait_for(timeout=60_000)
    return status.inner_text()


def test_the_playground_evaluates_and_explains(browser: Browser, shown: Running) -> None:
    with opened(browser, shown, "#playground") as tab:
        panel = tab.locator("#panel-playground")
        panel.get_by_role("button", name="Evaluate").click()
        assert evaluated(tab) == "Denied"
        results = panel.locator(".results")
        assert "no-latest: CREATE Pod default/web" in results.inner_text()
        assert "images name a version, never latest object, line 8, spec.containers[0].image" in results.inner_text()
        assert re.search("Cost: [0-9]+ units, [0-9.]+ % of the API server's budget", results.inner_text())
        assert "object.spec.containers.all(c, !c.image.endsWith(':latest')) = false" in results.inner_text()
        assert 'c.image = "nginx:latest"' not in results.inner_text()
        panel.get_by_text("!c.image.endsWith(':latest')", exact=True).first.click()
        panel.get_by_text("c.image.endsWith(':latest')", exact=True).first.click()
        panel.get_by_text('= "nginx:latest"').wait_for()


def test_the_playground_evaluates_python_where_the_server_allows_it(
    browser: Browser, shown: Running, folder: Path
) -> None:
    with opened(browser, shown, "#playground") as tab:
        assert tab.get_by_label("Language").count() == 0
    allowing = launch("--policies", str(folder / "policies"), "--page", "--playground", "--playground-python")
    try:
        with opened(browser, allowing, "#playground") as tab:
            tab.get_by_label("Language").select_option("python")
            tab.get_by_role("button", name="Example").click()
            tab.get_by_role("button", name="Evaluate").click()
            assert evaluated(tab) == "Denied"
            said = tab.locator(".results").inner_text()
            assert "images name a version, never latest" in said and "line 8" in said and "Cost" not in said
            tab.get_by_role("button", name="Share as a link").click()
            tab.get_by_text("It holds everything above").wait_for()
            link = tab.url
        fragment = link[link.index("#") :]
        with opened(browser, allowing, fragment) as tab:
            assert tab.get_by_label("Language").input_value() == "python"
        with opened(browser, shown, fragment) as tab:
            tab.get_by_text("This server evaluates no policies in Python.").wait_for()
    finally:
        end(allowing)


def test_the_playground_shows_where_a_policy_is_wrong_and_hostile_texts_as_texts(
    browser: Browser, shown: Running
) -> None:
    with opened(browser, shown, "#playground") as tab:
        policy = tab.get_by_label("Policy", exact=True)
        right = policy.input_value()
        policy.fill(right.replace("endsWith", "endWith"))
        tab.keyboard.press("Control+Enter")
        assert evaluated(tab) == "Not evaluated: 1 problem"
        assert "did you mean 'endsWith'?" in tab.locator(".results").inner_text()
        assert "endWith" in policy.evaluate("field => field.value.slice(field.selectionStart, field.selectionEnd)")
        policy.fill(right.replace("images name", f"{HOSTILE} images name"))
        tab.keyboard.press("Control+Enter")
        assert evaluated(tab) == "Denied"
        assert HOSTILE in tab.locator(".results").inner_text()
        assert tab.locator("#panel-playground img").count() == 0


def test_the_playground_is_shared_as_a_fragment_and_evaluates_nothing_by_itself(
    browser: Browser, shown: Running
) -> None:
    with opened(browser, shown, "#playground") as tab:
        tab.get_by_label("Object", exact=True).fill("kind: Bœf <img>")
        tab.get_by_label("Operation").select_option("DELETE")
        tab.get_by_label("User").fill("ann")
        tab.get_by_role("button", name="Share as a link").click()
        tab.locator(".playground [role=status]").filter(has_text="It holds everything above.").wait_for()
        fragment = tab.url.partition("#")[2]
    with opened(browser, shown, f"#{fragment}") as tab:
        assert tab.get_by_label("Object", exact=True).input_value() == "kind: Bœf <img>"
        assert tab.get_by_label("Operation").input_value() == "DELETE"
        assert tab.get_by_label("User").input_value() == "ann"
        assert tab.locator(".playground [role=status]").inner_text() == ""
    with opened(browser, shown, "#playground=%%%") as tab:
        assert "no-latest" in tab.get_by_label("Policy", exact=True).input_value()
