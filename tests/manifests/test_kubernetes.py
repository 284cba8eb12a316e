"""What the API server's own packages say: its types, strictly decoded, and which webhook it would call.

Built here with Go. Without Go, or modules to build it from, this is skipped.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import goprograms
from tests.manifests import kustomize, registrations
from tests.manifests.kustomize import BASE, MUTATING, OVERLAYS, VALIDATING, webhooks
from tests.manifests.requests import NEVER, recorded, request, variants

SOURCE = Path(__file__).parent / "kubernetes"


@pytest.fixture(scope="module")
def kubernetes() -> Path:
    """The program that answers as a kube-apiserver would."""
    return goprograms.built(SOURCE)


asked = goprograms.answers


@pytest.mark.parametrize("folder", [BASE, *OVERLAYS])
def test_every_object_is_of_its_type(kubernetes: Path, folder: str) -> None:
    objects = [each for each in kustomize.objects(folder) if not each["apiVersion"].startswith("cert-manager.io/")]
    answers = asked(kubernetes, [{"object": each} for each in objects])
    assert [answer["error"] for answer in answers] == [""] * len(objects)


def test_an_unknown_field_is_an_error(kubernetes: Path) -> None:
    webhooks = kustomize.one(BASE, "ValidatingWebhookConfiguration")
    (answer,) = asked(kubernetes, [{"object": webhooks | {"webhook": []}}])
    assert 'unknown field "webhook"' in answer["error"]


@pytest.mark.parametrize("kind", [VALIDATING, MUTATING])
def test_it_calls_each_webhook_for_the_requests_that_we_think(kubernetes: Path, kind: str) -> None:
    registered = webhooks(kind)
    ours = registrations.as_policies(registered)
    raws = [*recorded().values(), *(raw for _, raw in variants())]
    questions = [{"webhook": webhook, "request": raw} for raw in raws for webhook in registered]
    answers = iter(asked(kubernetes, questions))
    calls = 0
    for raw in raws:
        theirs = []
        for webhook in registered:
            answer = next(answers)
            assert answer["error"] == ""
            theirs += [webhook["name"]] if answer["called"] else []
        assert sorted(theirs) == sorted(registrations.called(ours, request(raw))), raw
        calls += len(theirs)
    assert calls > 20


@pytest.mark.parametrize("kind", [VALIDATING, MUTATING])
def test_it_never_calls_for_what_keeps_a_cluster_alive(kubernetes: Path, kind: str) -> None:
    questions = [{"webhook": webhook, "request": raw} for raw in NEVER.values() for webhook in webhooks(kind)]
    assert [answer for answer in asked(kubernetes, questions) if answer != {"called": False, "error": ""}] == []


def test_it_is_the_conditions_that_leave_reviews_of_identity_out(kubernetes: Path) -> None:
    bare = [{**webhook, "matchConditions": []} for webhook in webhooks(VALIDATING)[1:]]
    (answer,) = asked(kubernetes, [{"webhook": bare[0], "request": NEVER["TokenReview"]}])
    assert answer == {"called": True, "error": ""}
