"""Shared by tests of findings: a workload, and the verdicts on manifests."""

from tests.policy.trees import loaded_text
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents.reader import parse
from webhook.offline.lookedup import looked_up
from webhook.offline.requests import Options, plan
from webhook.offline.verdicts import Verdict, verdicts

OPTIONS = Options()
WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      hostNetwork: true
      containers:
      - name: good
        image: registry.example.com/web
      - name: bad
        image: nginx
"""


def checked(tree: str, manifests: str, options: Options = OPTIONS, *, explain: bool = False) -> list[Verdict]:
    """The verdicts on manifests by the policies of a tree; its other objects are params."""
    policies = loaded_text(tree)
    planned = plan(parse(manifests, "f.yaml")[0], options, policies.objects)
    cluster = ManifestsView(looked_up(policies.objects, planned.objects), assume_namespaces=True)
    return list(verdicts(planned.requests, policies, cluster, explain=explain))
