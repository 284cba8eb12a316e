"""SHA-256 without OpenSSL is hashlib's."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from tests.unmeasured import unmeasured
from webhook.digests import MUCH, sha256


@pytest.mark.parametrize("loaded", [False, True])
def test_digests_are_those_of_hashlib(loaded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not loaded:  # as in a process that has not imported hashlib
        monkeypatch.delitem(sys.modules, "_hashlib")
    for content in (b"", b"a", bytes(range(256)) * 300):
        ours, theirs = sha256(content), hashlib.sha256(content)
        assert (ours.hexdigest(), ours.digest()) == (theirs.hexdigest(), theirs.digest())
    ours = sha256(b"one")
    ours.update(b"two")
    assert ours.copy().hexdigest() == hashlib.sha256(b"onetwo").hexdigest()


@pytest.mark.parametrize(("size", "loaded"), [(MUCH - 4, False), (MUCH, True)])
def test_openssl_is_loaded_for_much_alone(size: int, loaded: bool) -> None:
    code = f"""
import sys
from webhook.digests import sha256
hashed = sha256(b"one", {size})
hashed.update(b"two")
print(hashed.hexdigest(), "_hashlib" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=unmeasured())
    assert done.stdout.split() == [hashlib.sha256(b"onetwo").hexdigest(), str(loaded)]
