"""The shipped policies, and the recorded reviews that they are tried on."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from webhook.admission import review
from webhook.admission.decision import Decision
from webhook.admission.engine import validate
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.load.loading import load
from webhook.policy.policyset import PolicySet

LIBRARY = Path(__file__).parent.parent.parent / "policies"
REVIEWS = Path(__file__).parent.parent / "fixtures" / "reviews"

Document = dict[str, Any]
Edit = Callable[[Document], None]


@pytest.fixture(scope="session")
def library() -> PolicySet:
    return load(LIBRARY)


@pytest.fixture(scope="session")
def served(library: PolicySet) -> PolicySet:
    """The policies that a server without a cluster runs."""
    return library.without_cluster()


@pytest.fixture(scope="session")
def cluster(library: PolicySet) -> ManifestsView:
    """As in the webhook without a cluster: params from the tree, and no Namespaces at all."""
    return ManifestsView(library.objects)


@pytest.fixture
def verdict(served: PolicySet, cluster: ManifestsView) -> Callable[..., Decision]:
    """The validating verdict on a recorded review, whose request `edit` has changed."""

    def judge(file: str, edit: Edit = lambda _request: None) -> Decision:
        document = copy.deepcopy(json.loads((REVIEWS / file).read_bytes()))
        edit(document["request"])
        return validate(review.parse(orjson.dumps(document)), served, cluster)

    return judge
