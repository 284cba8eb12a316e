"""What is taken for a credential, and what is not."""

from __future__ import annotations

import orjson
import pytest

from webhook.recordings.recognising import fill, is_about_credential, may_hold_secrets, without_credentials

VALUE = "correct-horse-battery"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"

# {} is the credential.
TEXTS = [
    ("Authorization: Bearer {}", VALUE),
    ("authorization: bearer {}; more", VALUE),
    ("BEARER {}", VALUE),
    ("Basic {}", "YW5uOmNvcnJlY3Q="),
    ("BASIC {}", "YW5uOmNvcnJlY3Q="),
    ("--jwt={} --verbose", JWT),
    ("-----BEGIN RSA PRIVATE KEY-----{}-----END RSA PRIVATE KEY-----", "\nMIIabc-def\n"),
    ("-----BEGIN PGP PRIVATE KEY BLOCK-----{}-----END", "\nComment: a-b\n\nabc\n"),
    ("postgres://{}@db/shop", f"ann:{VALUE}"),
    ("https://{}@h/x@y", f"u:p@{VALUE}"),
]


@pytest.mark.parametrize(("text", "credential"), TEXTS)
def test_a_credential_in_a_text_is_replaced_and_noted(text: str, credential: str) -> None:
    noted: list[str] = []
    shown = text.format(credential)
    found = without_credentials(shown, noted.append)
    assert found == text.format(fill(len(credential)))
    assert noted == [credential]
    assert may_hold_secrets(orjson.dumps({"spec": shown}))


@pytest.mark.parametrize(
    "text", ["Bearer short", "a bearer of news", "https://ann@db/shop", "-----BEGIN CERTIFICATE-----abc", "eyJ.eyJ", ""]
)
def test_other_texts_stay(text: str) -> None:
    noted: list[str] = []
    assert without_credentials(text, noted.append) == text
    assert noted == []


def test_a_patch_is_about_a_credential_if_a_step_of_its_path_is_named_so() -> None:
    assert is_about_credential({"op": "add", "path": "/spec/password/value", "value": 1})
    assert not is_about_credential({"op": "add", "path": "/spec/passwords", "value": 1})
    assert not is_about_credential({"op": "add", "path": 1}) and not is_about_credential(["path"])


def test_values_without_a_sign_are_not_searched() -> None:
    assert not may_hold_secrets(orjson.dumps({"kind": "Pod", "spec": {"image": "nginx", "passwords": "none"}}))
    assert may_hold_secrets(orjson.dumps({"spec": {"password": 1}}))
    assert may_hold_secrets(orjson.dumps({"annotation": '{"password":1}'}))


def test_what_stands_in_place_of_a_text_has_its_length() -> None:
    assert [fill(length) for length in (0, 3, 8, 10)] == ["", "RED", "REDACTED", "REDACTEDRE"]
