"""Thirty policies on one Deployment, through the engine, beside as many bare evaluations by cel-expr-python.

The policies (bench/policies30) are files as they stand in any policy tree, read by the ordinary loader: half of them
match Deployments, ten have variables, two have params. What they are measured against does neither matching, nor
bindings, nor params, nor messages: 30 evaluations of one expression, the object converted once, outside the clock.
"""

from __future__ import annotations

from math import inf
from pathlib import Path

from bench.deployment import DEPLOYMENT
from bench.expressions import EXPRESSIONS, engines, microseconds
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
    for _ in range(ROUNDS):  # in turns, so that both find the machine as quiet as it gets
        ours = min(ours, microseconds(lambda: engine.validate(request(), policies, cluster)))
        theirs = min(theirs, 30 * microseconds(bare))
    making = microseconds(request)
    print(f"Policies: 30 on one Deployment, 15 of which match, {len(policies.validating)} loaded\n")
    print(f"engine.validate, all of it      {ours:8.1f} µs (making the Request, {making:.1f} µs of it, included)")
    print(f"30 evaluations, cel-expr-python {theirs:8.1f} µs")
    print(f"ratio {ours / theirs:.2f}; wanted: at most {WANTED}\n")
