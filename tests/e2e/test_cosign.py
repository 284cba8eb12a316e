"""Bundles that cosign itself signs, in a real registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundle.registries import artifact, registry
from tests.e2e import cosigning
from webhook.bundle.pulling import BundleError, pull, push
from webhook.bundle.reference import parse
from webhook.bundle.registry import Access
from webhook.bundle.signatures import keys

NOBODY = Access(config=Path("/nonexistent/config.json"))


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    with registry() as address:
        yield address


@pytest.mark.parametrize("form", cosigning.FORMS)
def test_a_signature_of_cosign_is_verified(real: str, tmp_path: Path, form: str) -> None:
    own, other = cosigning.key_pair(tmp_path / "own"), cosigning.key_pair(tmp_path / "other")
    reference = parse(f"oci://{real}/team/{form}:v1")
    bundle = artifact()
    push(reference, bundle, NOBODY)
    with pytest.raises(BundleError, match=f"{reference}: is not signed; a signature by a key of {own} is required"):
        pull(reference, NOBODY, keys(own))
    cosigning.sign(f"{real}/team/{form}@{bundle.digest}", form, tmp_path / "own")
    kept = pull(reference, NOBODY, keys(own)).kept
    assert kept is not None and kept.signature is not None
    assert kept.signature.form == form
    with pytest.raises(BundleError, match=f"{reference}: is not signed by a key of {other}, but by 1 other"):
        pull(reference, NOBODY, keys(other))
    cosigning.sign(f"{real}/team/{form}@{bundle.digest}", form, tmp_path / "other")
    assert pull(reference, NOBODY, keys(other)) and pull(reference, NOBODY, keys(own))
    # Of another bundle in the same repository it says nothing.
    push(parse(f"oci://{real}/team/{form}:v2"), artifact(("c.yaml", b"")), NOBODY)
    with pytest.raises(BundleError, match="is not signed; a signature"):
        pull(parse(f"oci://{real}/team/{form}:v2"), NOBODY, keys(own))
