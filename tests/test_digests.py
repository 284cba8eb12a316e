"""SHA-256 without OpenSSL is hashlib's."""

from __future__ import annotations

import hashlib

from webhook.digests import sha256


def test_digests_are_those_of_hashlib() -> None:
    for content in (b"", b"a", bytes(range(256)) * 300):
        ours, theirs = sha256(content), hashlib.sha256(content)
        assert (ours.hexdigest(), ours.digest()) == (theirs.hexdigest(), theirs.digest())
    ours = sha256(b"one")
    ours.update(b"two")
    assert ours.copy().hexdigest() == hashlib.sha256(b"onetwo").hexdigest()
    assert type(ours) is not type(hashlib.sha256())
