"""The engine with thirty policies on one Deployment, in comparison with thirty evaluations by cel-expr-python.

The policies (bench/policies30) are an ordinary policy tree: half of them match Deployments, ten have variables, two
have params. cel-expr-python evaluates one expression 30 times, without matching, bindings, params and messages, on an
object that was converted before the measurement.
"""

from __future__ import annotations

from math import inf
from pathlib import Path

from bench.deployment import DEPLOYMENT
from bench.expressions import EXPRESSIONS, engines, microseconds
from bench.figures import figure
from webhook.admission import engine
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.load.loading import load
from webhook.policy.request import GroupVersionKind, GroupVersionResource, Request

ROUNDS = 6
TREE = Path(__file__).parent / "policies30"
WANTED = 0.7


def main() -> None:
    policies = load(TREE)
    cluster = ManifestsView(policies.objects, assume_namespaces=True)
    kind, resource = GroupVersionKind("apps", "v1", "Deployment"), GroupVersionResource("apps", "v1", "deployments")

    def request() -> Request:
        return Request(
            operation="UPDATE",
            resource=resource,
            kind=kind,
            name="checkout",
            namespace="shop",
            object=DEPLOYMENT,
            old_object=DEPLOYMENT,
        )

    decision = engine.validate(request(), policies, cluster)
    if not decision.allowed or len(decision.evaluated) != 15:
        raise SystemExit(f"{len(decision.evaluated)} of 15 policies evaluated; denied: {decision.causes}")
    bare = engines(EXPRESSIONS["no hostPath"])["cel-expr-python"]
    ours = theirs = inf
    for _ in range(ROUNDS):  # in turn, because other processes use the machine too
        ours = min(ours, microseconds(lambda: engine.validate(request(), policies, cluster)))
        theirs = min(theirs, 30 * microseconds(bare))
    construction = microseconds(request)
    print(f"Policies: 30 on one Deployment, 15 of which match, {len(policies.validating)} loaded\n")
    print(f"engine.validate                 {ours:8.1f} µs (including {construction:.1f} µs to make the Request)")
    print(f"30 evaluations, cel-expr-python {theirs:8.1f} µs")
    figure("30 policies beside 30 evaluations of cel-expr-python", ours / theirs, at_most=WANTED)
