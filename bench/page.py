"""Interactions with the page of findings, with the findings of a whole cluster: the time until the browser has drawn
again.

The script that shows findings is one for `-o html` and for the page of the server. Interactions are those of people: a
letter in the search, a filter, another grouping, opening a finding. What is promised is processor time of the page's
thread, from the event until two frames later; beside it stands how long that was, which the load of the machine makes
longer.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from statistics import median

from bench import figures
from webhook.cli.report import html
from webhook.cli.report.model import Finding, Place, Report, Rule
from webhook.offline.requests import Identity

FINDINGS = 10_000
ROUNDS = 5
WANTED = 100.0  # milliseconds
SEVERITIES = ("low", "medium", "high", "critical")
CONTROLS = tuple(f"CIS 5.2.{number}" for number in range(1, 11))  # of each policy four, as of those of the library

_TIMED = """async (act) => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const by = (key) => document.querySelector(`.by button[data-key=${key}]`);
  const acts = {
    "a letter in the search": () => {
      const field = document.querySelector("input[type=search]");
      field.value += "9";
      field.dispatchEvent(new Event("input"));
    },
    "all shown again": () => document.body.dispatchEvent(
      new KeyboardEvent("keydown", { key: "Escape", bubbles: true })),
    "a filter by level": () => document.querySelector(".chips button").click(),
    "a filter by namespace": () => document.querySelector("section[aria-label='By namespace'] button").click(),
    "a filter by control": () => document.querySelector("section[aria-label='By control'] button").click(),
    "groups by control": () => by("control").click(),
    "groups by namespace": () => by("namespace").click(),
    "groups by policy": () => by("rule").click(),
    "a finding opened": () => document.querySelector(".head").click(),
  };
  await frame();
  const begun = performance.now();
  acts[act]();
  await frame();
  await frame();
  return performance.now() - begun;
}"""
ACTS = (
    "a letter in the search", "all shown again", "a filter by level", "all shown again", "a filter by namespace",
    "all shown again", "a filter by control",
    "all shown again", "groups by control", "groups by namespace", "groups by policy", "a finding opened",
)  # fmt: skip


def _report() -> Report:
    rules = {
        f"policy-{number}": Rule(
            f"policy-{number}", "ValidatingAdmissionPolicy", f"Policy {number}",
            severity=SEVERITIES[number % 4], controls=CONTROLS[number % 7 : number % 7 + 4],
        )
        for number in range(40)
    }  # fmt: skip
    findings = [
        Finding(
            rule=f"policy-{number % 40}",
            level=("deny", "warn", "audit")[number % 3],
            message=f"spec.containers[0].image: images name a version, never latest: example/app-{number}",
            place=Place(f"Deployment shop-{number % 200}/app-{number}"),
            object=Identity("apps/v1", "Deployment", f"shop-{number % 200}", f"app-{number}"),
        )
        for number in range(FINDINGS)
    ]
    return Report(command="audit", findings=findings, rules=rules, scope={"objects": FINDINGS})


def main() -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print("The page: no Chromium is installed\n")
        return
    from playwright.sync_api import sync_playwright

    print(f"The page with {FINDINGS} findings: milliseconds of its thread, the median of {ROUNDS}\n")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        file = Path(scratch, "report.html")
        file.write_text("".join(html.text(_report())))
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=sandbox)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(file.as_uri())
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})

        def used() -> float:
            """Milliseconds of processor time of the page's thread."""
            metrics = session.send("Performance.getMetrics")["metrics"]
            return next(1000.0 * each["value"] for each in metrics if each["name"] == "TaskDuration")

        times: dict[str, list[float]] = {act: [] for act in ACTS}
        waited: dict[str, list[float]] = {act: [] for act in ACTS}
        for _ in range(ROUNDS):
            for act in ACTS:
                before = used()
                waited[act].append(page.evaluate(_TIMED, act))
                times[act].append(used() - before)
        browser.close()
    for act, each in times.items():
        print(f"  {act}: drawn after {median(waited[act]):.0f} ms")
        figures.figure(f"page of {FINDINGS} findings: {act}", median(each), "ms", at_most=WANTED)
