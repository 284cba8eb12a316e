import pytest

from tests.offline.judged import WORKLOAD, checked

BOTH = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: both}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: ["", apps, batch], apiVersions: [v1], operations: ["*"], resources: [pods, deployments, cronjobs]}
  validations:
VALIDATIONS
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: both}
spec: {policyName: both, validationActions: [Deny]}
"""
CRON_JOB = """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: web}
spec:
  schedule: "@daily"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
          - {name: good, image: registry.example.com/web}
          - {name: bad, image: nginx}
"""


@pytest.mark.parametrize("manifest", [WORKLOAD, CRON_JOB])
@pytest.mark.parametrize(
    "validations",
    [
        # One validation, which no place tells of.
        "  - {expression: 'false', message: never}",
        # One for each kind, in the same words.
        "  - {expression: \"object.kind != 'Pod'\", message: never}\n"
        "  - {expression: \"object.kind == 'Pod'\", message: never}",
        # The same, each in the words of its kind: spec.template.spec.containers[1], and spec.containers[1].
        "  - {expression: \"object.kind != 'Pod'\", message: 'see spec.containers[1]'}\n"
        "  - {expression: \"object.kind == 'Pod'\", messageExpression: \"object.kind == 'CronJob'"
        " ? 'see spec.jobTemplate.spec.template.spec.containers[1]' : 'see spec.template.spec.containers[1]'\"}",
    ],
)
def test_a_finding_that_holds_for_a_workload_and_for_its_pod_is_one(validations: str, manifest: str) -> None:
    (verdict,) = checked(BOTH.replace("VALIDATIONS", validations), manifest)
    assert len(verdict.findings) == 1


def test_of_the_two_that_is_kept_which_knows_its_place() -> None:
    expression = "object.kind != 'Pod' ? false : object.spec.containers.all(c, c.image.startsWith('registry'))"
    (verdict,) = checked(BOTH.replace("VALIDATIONS", f'  - {{expression: "{expression}", message: images}}'), WORKLOAD)
    (located,) = verdict.findings
    assert (located.line, located.path) == (14, ("spec", "template", "spec", "containers", 1, "image"))


def test_two_validations_of_which_one_fails_for_the_workload_and_one_for_the_pod_are_two_findings() -> None:
    validations = (
        "  - {expression: \"object.kind != 'Pod'\", message: the Pod is wrong}\n"
        "  - {expression: \"object.kind == 'Pod'\", message: the workload is wrong}"
    )
    (verdict,) = checked(BOTH.replace("VALIDATIONS", validations), WORKLOAD)
    assert sorted(located.message for located in verdict.findings) == ["the Pod is wrong", "the workload is wrong"]
