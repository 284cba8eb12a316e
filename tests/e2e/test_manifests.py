"""The rendered manifests, validated and admitted by a real API server in a dry run."""

from __future__ import annotations

import pytest

from tests.e2e.controlplane import ControlPlane, manifests
from tests.e2e.objects import namespace
from tests.e2e.webhooks import rendered
from tests.manifests.kustomize import BASE, OVERLAYS


@pytest.mark.parametrize("folder", [BASE, *OVERLAYS])
def test_the_server_takes_every_object_that_needs_no_crd(cluster: ControlPlane, folder: str) -> None:
    cluster.apply(namespace("gatewright-system"))  # a dry run makes none
    objects = [each for each in rendered(cluster, folder) if not each["apiVersion"].startswith("cert-manager.io/")]
    strict = ("--dry-run=server", "--validate=strict", "--filename", "-")
    applied = cluster.kubectl("apply", *strict, stdin=manifests(*objects))
    assert applied.stdout.count("(server dry run)") == len(objects) > 8
    warnings = [line for line in applied.stderr.splitlines() if "last-applied-configuration" not in line]
    assert warnings == []


def test_a_misspelt_field_is_refused(cluster: ControlPlane) -> None:
    strict = ("--dry-run=server", "--validate=strict", "--filename", "-")
    (first, *_) = rendered(cluster, BASE)
    refused = cluster.kubectl("apply", *strict, stdin=manifests({**first, "spek": {}}), check=False)
    assert refused.returncode == 1
    assert 'unknown field "spek"' in refused.stderr
