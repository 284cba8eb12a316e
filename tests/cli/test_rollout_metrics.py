"""`gatewright rollout --metrics`: what servers have counted speaks against a step, and never for one."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.rollouts import (
    BINDINGS,
    DAYS,
    EVIDENCE,
    audited,
    commit,
    config,
    logged,
    namespace,
    now,
    repository,
    rollout,
    states,
)
from tests.cli.running import gatewright
from tests.recordings.making import review
from tests.rollout.scrapes import Process
from webhook.policy.load.loading import load

LONG = review(config("too-long"))
SHORT = review(config("web"))
DAY = timedelta(days=1)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return repository(tmp_path)


def process(folder: Path, days: float, *bodies: bytes) -> Process:
    """A process that started so many days ago, and has answered reviews."""
    made = Process(load(folder / "policies"), now() - timedelta(days=days))
    made.decide(bodies)
    return made


def test_what_the_metrics_count_and_no_log_has_is_a_hit(here: Path) -> None:
    one = process(here, 2, SHORT, LONG, LONG)
    one.scraped(here / "one.prom", now())
    found = rollout(here, "--metrics", "one.prom")
    assert states(found) == {"audited": "hit", "warned": "hit", "unheard": "ready", "enforced": "done"}
    assert found["audited"]["why"] == "the metrics count findings that are in no log: 2 audit"
    assert found["audited"]["counted"] == {"audit": 2}
    assert found["warned"]["counted"] == {"audit": 2, "warn": 2}
    assert found["enforced"]["counted"] == {"deny": 2}
    logged(here, (1, "audited"))
    assert rollout(here, "--metrics", "one.prom")["audited"]["why"] == "1 object of shop (1)"


def test_metrics_that_count_nothing_do_not_speak_for_a_step(here: Path) -> None:
    process(here, 2, SHORT).scraped(here / "one.prom", now() - timedelta(hours=12))
    process(here, 1).scraped(here / "two.prom", now())
    found = rollout(here, "--metrics", "one.prom", "--metrics", "two.prom")
    said = "nobody was hit in 3 days; metrics of 2 processes cover 2.0 of them"
    assert (found["audited"]["state"], found["audited"]["why"]) == ("ready", said)
    found = rollout(here, "--metrics", "one.prom", evidence=EVIDENCE[:2])
    assert (found["audited"]["state"], found["audited"]["why"]) == ("unknown", "no audit log (--log)")


def test_what_was_counted_before_the_time_is_over(here: Path) -> None:
    one = process(here, DAYS + 2, LONG)
    one.scraped(here / "first.prom", now() - DAY * (DAYS + 1))
    one.scraped(here / "last.prom", now())
    found = rollout(here, "--metrics", "first.prom", "--metrics", "last.prom")
    assert found["audited"]["why"] == "nobody was hit in 3 days; metrics of 1 process cover 3.0 of them"
    why = rollout(here, "--metrics", "last.prom")["audited"]["why"]
    assert why.startswith("the metrics count findings that are in no log: 1 audit; some may be older than ")
    one.decide([LONG])
    one.scraped(here / "last.prom", now())
    found = rollout(here, "--metrics", "first.prom", "--metrics", "last.prom")
    assert found["audited"]["counted"] == {"audit": 1}
    assert "older" not in found["audited"]["why"]


def test_a_restart_is_not_read_as_zero_hits(here: Path) -> None:
    """Neither where the new process says when it started, nor where it says that it is the old one."""
    process(here, 10, LONG, LONG, LONG).scraped(here / "old.prom", now() - DAY * (DAYS + 1))
    process(here, 1, LONG).scraped(here / "new.prom", now())
    files = ("--metrics", "old.prom", "--metrics", "new.prom")
    assert rollout(here, *files)["audited"]["counted"] == {"audit": 1}
    process(here, 10, LONG).scraped(here / "new.prom", now())
    assert rollout(here, *files)["audited"]["counted"] == {"audit": 1}
    process(here, 10, LONG, LONG).scraped(here / "between.prom", now() - DAY)
    assert rollout(here, *files, "--metrics", "between.prom")["audited"]["counted"] == {"audit": 3}


def test_what_a_prometheus_has_of_several_servers(here: Path) -> None:
    """As /federate answers: with the labels of targets, and timestamps, also of several times in one file."""
    lines = []
    for instance, bodies in (("a", [LONG]), ("b", [LONG, LONG])):
        one = process(here, 20, *bodies)
        for days in (DAYS + 1, 0):
            at = int((now() - DAY * days).timestamp() * 1000)
            for line in one.text().splitlines():
                if line.startswith(("process_start_time", "gatewright_policies ", "gatewright_policy_findings_total")):
                    name, _, value = line.rpartition(" ")
                    labels = name.removesuffix("}").partition("{")[2]
                    of = f'{labels}{"," if labels else ""}instance="{instance}"'
                    lines.append(f"{name.partition('{')[0]}{{{of}}} {value} {at}\n")
            one.decide([LONG])
    (here / "federated.prom").write_text("".join(lines))
    found = rollout(here, "--metrics", "federated.prom")
    assert found["audited"]["counted"] == {"audit": 2}
    done = gatewright("rollout", *EVIDENCE, "-o", "json", "--metrics", "federated.prom", cwd=here)
    assert json.loads(done.stdout)["metrics"] == {"processes": 2, "daysCovered": 3.0}


def test_in_the_format_of_openmetrics_and_from_stdin(here: Path) -> None:
    one = process(here, 2, LONG)
    one.scraped(here / "one.prom", now(), openmetrics=True)
    assert rollout(here, "--metrics", "one.prom")["audited"]["counted"] == {"audit": 1}
    done = gatewright("rollout", *EVIDENCE, "-o", "json", "--metrics", "-", cwd=here, stdin=one.text())
    assert json.loads(done.stdout)["bindings"][0]["counted"] == {"audit": 1}


def test_by_ring_nobody_knows_in_which_namespaces(here: Path) -> None:
    process(here, 2, LONG).scraped(here / "one.prom", now())
    (here / "policies" / "the bindings.yaml").write_text(BINDINGS.partition("---\n")[0])
    commit(here, now() - DAY * 20)
    audited(here, *(namespace(name, env=name) for name in ("dev", "prod")))

    def said(*rings: str) -> dict[str, tuple[str, str]]:
        given = [word for ring in rings for word in ("--ring", ring)]
        done = gatewright("rollout", *EVIDENCE, "-o", "json", "--metrics", "one.prom", *given, cwd=here)
        return {each["ring"]: (each["state"], each["why"]) for each in json.loads(done.stdout)["bindings"]}

    counted = "the metrics count findings that are in no log: 1 audit"
    assert said("env=dev", "env=prod") == {
        "env=dev": ("unknown", f"{counted}; nobody knows in which namespaces"),
        "env=prod": ("later", "env=dev comes first"),
        "the rest": ("later", "env=dev comes first"),
    }
    of_dev = f"{BINDINGS.partition('---')[0]}  matchResources: {{namespaceSelector: {{matchLabels: {{env: dev}}}}}}\n"
    (here / "policies" / "the bindings.yaml").write_text(of_dev)
    commit(here, now() - DAY * 19)
    assert said("env=dev", "env=prod") == {"env=dev": ("hit", counted)}  # all of it is in the ring


def wrong(folder: Path, text: str | bytes) -> str:
    (folder / "wrong.prom").write_bytes(text if isinstance(text, bytes) else text.encode())
    done = gatewright("rollout", *EVIDENCE, "--metrics", "wrong.prom", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


def test_what_is_no_scrape_is_refused(here: Path) -> None:
    text = process(here, 2, LONG).text()
    started = next(line for line in text.splitlines() if line.startswith("process_start_time_seconds "))
    count = next(line for line in text.splitlines() if line.startswith("gatewright_policy_findings_total{"))
    cases: tuple[tuple[Any, str], ...] = (
        ("", "expected /metrics of gatewright serve, in Prometheus' text format"),
        ("up 1\n", "expected /metrics of gatewright serve"),
        ("{", "expected metrics in Prometheus' text format"),
        (b"\xff", "not UTF-8 at byte 0"),
        (text.replace(started, ""), "process_start_time_seconds of the server is missing; expected all of /metrics"),
        (f"{started}\n{count}\n", "gatewright_policies of the server is missing; expected all of /metrics"),
        (text + text, "is there twice"),
        (f"{text}{count}\n", "gatewright_policy_findings_total is there twice for audited"),
        (text.replace(count, count.rpartition(" ")[0] + " -1"), "is -1; expected a number of 0 or more"),
        (text.replace(count, count.rpartition(" ")[0] + " NaN"), "is nan; expected a number of 0 or more"),
        (text.replace(started, started + " -5"), "has a timestamp that is no time"),
        (text + "up{a=" + r'"\"' * 10_000 + "} 1\n", "and no line of 30,008 characters"),
        (text + "up{" + ",".join(f'l{number}="{number}"' for number in range(2_000)) + "} 1\n", "and no line of "),
        (text + "up{a=" + "x" * 16_000, "could not convert string to float"),
    )
    for content, said in cases:
        told = wrong(here, content)
        assert said in told
        assert len(told) < 500
    done = gatewright("rollout", *EVIDENCE, "--metrics", "none.prom", cwd=here)
    assert (done.returncode, "--metrics none.prom: " in done.stderr) == (2, True)
