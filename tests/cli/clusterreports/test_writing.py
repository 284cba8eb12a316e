"""Writing reports: what is written and what is not, against a scripted API server that fails on demand.

tests/e2e/test_clusterreports.py does the same against a real one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from kubernetes.client import Configuration

from tests.cli.clusterreports.definitions import definitions, schema
from tests.cli.clusterreports.found import RULES, on
from tests.cli.clusterreports.store import ROLE, Store
from tests.cli.report.reports import CHECK, report
from tests.cluster.apiserver import Exchange, playing
from webhook.cli.clusterreports.dialects import DIALECTS, OPENREPORTS, OWNER, POLICYREPORT, Dialect, manifests
from webhook.cli.clusterreports.results import Content, contents
from webhook.cli.clusterreports.writing import ReportsError, Written, chosen, write
from webhook.cli.report.model import Finding
from webhook.cluster.connection import APIError, Connection, Unreachable


@contextmanager
def connected(store: Store) -> Iterator[tuple[Connection, list[Exchange]]]:
    with playing(store.answer) as (url, exchanges):
        configured = Configuration()
        configured.host = url
        configured.retries = False
        yield Connection(configured, 1), exchanges


def made(*findings: Finding) -> list[Content]:
    found = report("check", findings=list(findings))
    return contents(found.findings, (), RULES)


def wrote(
    store: Store, found: list[Content], now: int = 1000, dialect: Dialect = OPENREPORTS, **options: Any
) -> Written:
    with connected(store) as (connection, _):
        return write(connection, found, dialect, now=now, **options)


def counts(done: Written) -> tuple[int, int, int]:
    assert done.failures == []
    return done.written, done.unchanged, done.deleted


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.name)
def test_reports_are_what_their_definitions_say(dialect: Dialect) -> None:
    """The texts are hostile; no field is unknown to the definition, and none of another type."""
    store = Store(DIALECTS)
    found = contents(CHECK.findings, CHECK.suppressed, {**CHECK.rules, **RULES})
    assert wrote(store, [*found, *made(on("node", namespace=""), on("a"))], dialect=dialect).failures == []
    kinds = {each["kind"] for each in store.objects.values()}
    assert kinds == {dialect.kind, dialect.cluster_kind}
    for each in store.objects.values():
        jsonschema.validate(each, schema(dialect, each["kind"]))
    assert {each["spec"]["names"]["plural"] for each in definitions(dialect)} == {
        dialect.plural,
        dialect.cluster_plural,
    }


def test_a_second_run_without_changes_writes_nothing() -> None:
    store = Store()
    found = made(on("a"), on("b", namespace="bank"), on("c", namespace=""))
    assert counts(wrote(store, found)) == (3, 0, 0)
    before = json.dumps(store.objects)
    with connected(store) as (connection, exchanges):
        assert counts(write(connection, found, OPENREPORTS, now=2000)) == (0, 3, 0)
    assert {each.method for each in exchanges} == {"GET"}
    assert json.dumps(store.objects) == before


def test_only_what_changes_is_written_and_times_are_kept() -> None:
    store = Store()
    wrote(store, made(on("a"), on("b", namespace="bank")), now=1000)
    assert counts(wrote(store, made(on("a"), on("z"), on("b", namespace="bank")), now=2000)) == (1, 1, 0)
    path = "/apis/openreports.io/v1alpha1/namespaces/shop/reports/gatewright-audit"
    times = {each["resources"][0]["name"]: each["timestamp"] for each in store.objects[path]["results"]}
    assert times == {"a": {"seconds": 1000, "nanos": 0}, "z": {"seconds": 2000, "nanos": 0}}


def test_what_nothing_stands_for_any_more_is_deleted_unless_the_audit_saw_not_everything() -> None:
    store = Store()
    wrote(store, made(on("a"), on("b", namespace="bank"), on("c", namespace="")))
    assert counts(wrote(store, made(on("a")), delete=False)) == (0, 3, 0)
    assert counts(wrote(store, made(on("a")))) == (0, 1, 2)
    assert list(store.objects) == ["/apis/openreports.io/v1alpha1/namespaces/shop/reports/gatewright-audit"]


def test_what_was_changed_by_hand_is_written_again() -> None:
    store = Store()
    wrote(store, made(on("a")))
    (there,) = store.objects.values()
    there["metadata"]["annotations"]["other.example/note"] = "theirs"
    assert counts(wrote(store, made(on("a")))) == (0, 1, 0)
    there["summary"]["fail"] = 0
    assert counts(wrote(store, made(on("a")))) == (1, 0, 0)


def test_the_role_owns_the_reports_where_it_is_there() -> None:
    store = Store()
    wrote(store, made(on("a")))
    store.owned = True
    assert counts(wrote(store, made(on("a")))) == (1, 0, 0)
    (there,) = store.objects.values()
    assert [each["uid"] for each in there["metadata"]["ownerReferences"]] == ["u-role"]
    assert not any("blockOwnerDeletion" in each for each in there["metadata"]["ownerReferences"])
    store.owned = False
    store.refused[("GET", ROLE)] = (403, "no")
    assert counts(wrote(store, made(on("a")))) == (1, 0, 0)


def test_a_namespace_that_went_is_no_failure() -> None:
    store = Store()
    path = "/apis/openreports.io/v1alpha1/namespaces/shop/reports/gatewright-audit"
    for refusal in ((404, 'namespaces "shop" not found'), (403, "unable to create: because it is being terminated")):
        store.refused[("PATCH", path)] = refusal
        done = wrote(store, made(on("a")))
        assert counts(done) == (0, 0, 0)
        assert done.notes == ["the Namespace shop is gone, and has no report"]


def test_what_must_not_be_written_is_told_and_the_rest_is_written() -> None:
    store = Store()
    names = [f"shop-{number}" for number in range(8)]
    for each in names:
        path = f"/apis/openreports.io/v1alpha1/namespaces/{each}/reports/gatewright-audit"
        store.refused[("PATCH", path)] = (403, "may not")
    done = wrote(store, made(*(on("a", namespace=each) for each in (*names, "bank"))))
    assert done.written == 1
    assert done.failures[0] == "Report shop-0/gatewright-audit cannot be written: 403: may not"
    assert done.failures[5:] == ["… and 3 more reports"]


def test_two_at_once_do_no_harm() -> None:
    """Another audit deletes, or writes anew, what this one is about to delete."""
    store = Store()
    wrote(store, made(on("a"), on("b", namespace="bank"), on("c", namespace="yard")))
    paths = [f"/apis/openreports.io/v1alpha1/namespaces/{each}/reports/gatewright-audit" for each in ("bank", "yard")]

    def meanwhile(exchange: Exchange) -> None:
        if exchange.method == "DELETE" and exchange.path == paths[0]:
            store.objects.pop(paths[0], None)
        if exchange.method == "DELETE" and exchange.path == paths[1]:
            store.objects[paths[1]]["metadata"]["resourceVersion"] = "99"

    store.then = meanwhile
    assert counts(wrote(store, made(on("a")))) == (0, 1, 0)
    assert paths[1] in store.objects


def test_a_deletion_that_is_forbidden_is_told() -> None:
    store = Store()
    wrote(store, made(on("c", namespace="")))
    store.refused[("DELETE", "/apis/openreports.io/v1alpha1/clusterreports/gatewright-audit")] = (403, "may not")
    assert wrote(store, []).failures == ["ClusterReport gatewright-audit cannot be deleted: 403: may not"]


def test_a_cluster_that_goes_in_the_middle() -> None:
    store = Store()
    seen = 0

    def leave(exchange: Exchange) -> None:
        nonlocal seen
        seen += exchange.method == "PATCH"
        if seen == 2:
            exchange.text(b"no json")
            exchange._handler.close_connection = True

    def answer(exchange: Exchange) -> None:
        leave(exchange)
        if seen < 2:
            store.answer(exchange)

    with playing(answer) as (url, _):
        configured = Configuration()
        configured.host = url
        configured.retries = False
        done = write(Connection(configured, 1), made(on("a"), on("b", namespace="z")), OPENREPORTS, now=1)
    assert done.written == 1
    assert done.failures == [
        "the cluster cannot be reached any more, and the remaining reports were not written: the response is not JSON"
    ]


def test_a_server_that_is_busy_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook.cli.clusterreports.writing.time.sleep", lambda _: None)
    store = Store()
    busy = 3

    def answer(exchange: Exchange) -> None:
        nonlocal busy
        if busy:
            busy -= 1
            exchange.refuse(429, "storage is (re)initializing")
        else:
            store.answer(exchange)

    with playing(answer) as (url, _):
        configured = Configuration()
        configured.host = url
        configured.retries = False
        connection = Connection(configured, 1)
        assert counts(write(connection, made(on("a")), OPENREPORTS, now=1)) == (1, 0, 0)
        busy = 1000
        with pytest.raises(APIError, match="429"):
            write(connection, made(on("a")), OPENREPORTS, now=1)


def test_a_list_that_is_forbidden_ends_it() -> None:
    store = Store()
    store.refused[("GET", "/apis/openreports.io/v1alpha1/reports")] = (403, "may not list")
    with pytest.raises(APIError, match="may not list"):
        wrote(store, made(on("a")))


@pytest.mark.parametrize(
    ("served", "wanted", "found"),
    [
        (DIALECTS, "auto", [OPENREPORTS]),
        ((POLICYREPORT,), "auto", [POLICYREPORT]),
        (DIALECTS, "both", list(DIALECTS)),
        (DIALECTS, "policyreport", [POLICYREPORT]),
        ((), "auto", "does not serve openreports.io/v1alpha1 nor wgpolicyk8s.io/v1alpha2: install"),
        ((OPENREPORTS,), "both", "does not serve wgpolicyk8s.io/v1alpha2: install"),
        ((OPENREPORTS,), "policyreport", "does not serve wgpolicyk8s.io/v1alpha2: install"),
    ],
)
def test_which_are_written(served: tuple[Dialect, ...], wanted: str, found: Any) -> None:
    with connected(Store(served)) as (connection, _):
        if isinstance(found, list):
            assert chosen(connection, wanted) == found
        else:
            with pytest.raises(ReportsError, match=found):
                chosen(connection, wanted)


def test_nobody_answers() -> None:
    configured = Configuration()
    configured.host = "http://127.0.0.1:1"
    configured.retries = False
    with pytest.raises(Unreachable):
        chosen(Connection(configured, 1), "auto")


def test_the_rights_are_for_reports_and_reading_their_owner() -> None:
    role, bound = manifests("gatewright-system", "gatewright-audit")
    assert {group for rule in role["rules"] for group in rule["apiGroups"]} == {
        "openreports.io", "wgpolicyk8s.io", "rbac.authorization.k8s.io",
    }  # fmt: skip
    assert role["rules"][-1]["resourceNames"] == [role["metadata"]["name"]] == [bound["roleRef"]["name"]] == [OWNER]
    assert role["rules"][-1]["verbs"] == ["get"]


def test_the_line_that_sums_it_up() -> None:
    assert Written(OPENREPORTS, 1, 1200, 3).said() == (
        "openreports.io/v1alpha1: 1 report written, 1,200 unchanged, 3 deleted"
    )


def test_the_documented_rights_are_these() -> None:
    """docs/audit.md names the file of the component."""
    root = Path(__file__).parents[3]
    file = "manifests/components/audit/reports.yaml"
    assert f"`{file}` has the rights that writing needs" in (root / "docs" / "audit.md").read_text()
    assert list(yaml.safe_load_all((root / file).read_text())) == manifests("gatewright-system", "gatewright-audit")
