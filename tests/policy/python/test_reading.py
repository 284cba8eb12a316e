"""`request.cluster`, as a policy asks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatewright import Access, AccessDecision, Found
from tests.policy.trees import binding, messages, pod, request, tree
from webhook.access import AccessRule
from webhook.admission.engine import decide
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.python.reading import DeclaredView
from webhook.policy.request import User

ACCESS = frozenset({("authorization.k8s.io/v1", "SubjectAccessReview")})
ANN = User("ann", "1", ("b", "a"), {"k": ["v", "w"], "a": ["x"]})


class Asked(ManifestsView):
    """Keeps the questions, and answers yes."""

    def __init__(self) -> None:
        super().__init__([])
        self.questions: list[Access] = []

    def authorize(self, access: Access) -> AccessDecision:
        self.questions.append(access)
        return AccessDecision(True)


class TestAuthorize:
    def test_asks_about_the_user_of_the_request_as_cel_does(self) -> None:
        cluster = Asked()
        view = DeclaredView(cluster, ACCESS, ANN)
        view.authorize("get", group="apps", resource="deployments", namespace="shop", name="web", subresource="scale")
        view.authorize("get", path="/metrics")
        view.authorize("list", resource="pods", field_selector="a=b", label_selector="c", user=User("bob"))
        extra = (("a", ("x",)), ("k", ("v", "w")))
        ann = Access("ann", "get", "1", ("b", "a"), extra)
        assert cluster.questions == [
            ann._replace(group="apps", resource="deployments", namespace="shop", name="web", subresource="scale"),
            ann._replace(path="/metrics"),
            Access("bob", "list", resource="pods", field_selector="a=b", label_selector="c"),
        ]

    def test_asks_an_access_as_it_stands(self) -> None:
        cluster = Asked()
        access = Access("bob", "get", path="/metrics")
        DeclaredView(cluster, ACCESS, ANN).authorize(access)
        assert cluster.questions == [access]

    @pytest.mark.parametrize(
        ("call", "expected"),
        [
            ("'get'", "give what it is about, either resource='pods' or path='/metrics'"),
            ("'get', resource='pods', path='/x'", "either resource='pods' or path='/metrics'"),
            ("'get', resorce='pods'", "unknown argument 'resorce'; expected field_selector, group,"),
            ("'get', resource='pods', uid='1'", "unknown argument 'uid'"),
            ("Access('bob', 'get', path='/x'), path='/y'", "an Access must be the only argument"),
            ("None", "the first argument is the verb, such as 'get', or an Access, not NoneType"),
        ],
    )
    def test_says_what_is_wrong_with_a_question(self, tmp_path: Path, call: str, expected: str) -> None:
        code = (
            "from gatewright import Access\n"
            "@validate(resources=['*'], reads=['authorization.k8s.io/v1/SubjectAccessReview'])\n"
            f"def p(request): request.cluster.authorize({call})\n"
        )
        decision = decide(request(pod()), tree(tmp_path, code, binding("p")), Asked())
        assert "TypeError: authorize: " in messages(decision)[0]
        assert expected in messages(decision)[0]

    @pytest.mark.parametrize("allowed", [True, False])
    def test_gives_an_answer_that_is_true_if_it_is_allowed(self, tmp_path: Path, allowed: bool) -> None:
        code = (
            "@validate(resources=['*'], reads=['authorization.k8s.io/v1/SubjectAccessReview'])\n"
            "def p(request): return 'yes' if request.cluster.authorize('get', resource='pods') else 'no'\n"
        )
        cluster = ManifestsView([], assume_namespaces=True, access_rules=[AccessRule(AccessDecision(allowed))])
        decision = decide(request(pod()), tree(tmp_path, code, binding("p")), cluster)
        assert messages(decision) == ["yes" if allowed else "no"]


def test_what_is_not_found_is_false() -> None:
    assert not Found(None, 0.0)
    assert not Found([], 0.0)
    assert Found({"kind": "Pod"}, 0.0)
    assert Found([{"kind": "Pod"}], 0.0)
