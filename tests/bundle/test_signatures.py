"""Signatures: those of cosign itself, and forged ones."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.bundle.registries import Answering, answering, artifact, registry
from tests.bundle.signing import DIGEST, Signer, layer, simple, statement
from webhook.bundle.artifact import EMPTY, MANIFEST, NOTHING, ArtifactError, Descriptor, digest_of
from webhook.bundle.pulling import BundleError, pull, push
from webhook.bundle.reference import parse
from webhook.bundle.registry import Access, Registry
from webhook.bundle.signatures import (
    MOST_OF_ONE,
    SIGNED_BY_COSIGN,
    Keys,
    Signature,
    SignatureError,
    in_referrer,
    in_tag,
    keys,
    tag_of,
)

NOBODY = Access(config=Path("/nonexistent/config.json"))
SIGSTORE = "application/vnd.dev.sigstore.bundle.v0.3+json"
IN_TOTO = "application/vnd.in-toto+json"


@pytest.fixture
def held() -> Iterator[Answering]:
    with answering() as own:
        yield own


# What cosign 3.1.3 wrote; tests/e2e/test_cosign.py has it sign anew.
RECORDED_KEY = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEDRpH3NADV+wH2zOcHszwTlQ9jSgD
62td9NdGr3fPPgkaG7EtggIJ+DWBQPmdvtR1RpgHr9RIjCDcycyQ2uUlkA==
-----END PUBLIC KEY-----
"""
SIMPLE_DIGEST = "sha256:2ea28d6487d1f5a421420737390606f4d61f0404305f3ac7ad22c21a4da01def"
SIMPLE_TEXT = (
    b'{"critical":{"identity":{"docker-reference":"127.0.0.1:39807/team/policies"},"image":{"docker-manifest-digest":"'
    + SIMPLE_DIGEST.encode()
    + b'"},"type":"cosign container image signature"},"optional":null}'
)
SIMPLE_SIGNATURE = "MEUCIQC/IKrpvrxLOrG9weI4+XRQnu+JIpZSbhOw49JGOLk1fAIgcGMexKadHE/jDc91BYIhvJmPOPWs6XRC24Y1BfGdj5U="
DSSE_DIGEST = "sha256:ba6bf5c6a5a7aa684a0b1c124f33cb4c1f594364db7f7f70c5ad23d917f630e1"
DSSE_STATEMENT = (
    '{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"'
    + DSSE_DIGEST.removeprefix("sha256:")
    + '"},"annotations":{}}],"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{}}'
)
DSSE_SIGNATURE = "MEUCICoHBwOXkDQBASA/oq0mKrwVGrJphimxXyjc2Gg/79bdAiEAngvVySuW9HGV4DI7JOgBz9uwzPRmw1Pe+ChL2Hy6zGM="


def recorded() -> list[tuple[str, list[Signature]]]:
    """A digest and its signatures, in each form, as they are read from a registry."""
    annotations = {"dev.cosignproject.cosign/signature": SIMPLE_SIGNATURE}
    of_tag = {"layers": [layer(SIMPLE_TEXT, annotations=annotations)]}
    bundle = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": "7d03dfwic3bIgfX96kDPI2FTztzWqeqiPZDKmw+K9D8="}},
        "dsseEnvelope": {
            "payload": base64.b64encode(DSSE_STATEMENT.encode()).decode(),
            "payloadType": IN_TOTO,
            "signatures": [{"sig": DSSE_SIGNATURE}],
        },
    }
    text = json.dumps(bundle).encode()
    of_referrer = {"layers": [layer(text, mediaType=bundle["mediaType"])]}
    return [
        (SIMPLE_DIGEST, list(in_tag(json.dumps(of_tag).encode(), lambda _: SIMPLE_TEXT))),
        (DSSE_DIGEST, list(in_referrer(json.dumps(of_referrer).encode(), lambda _: text))),
    ]


def test_signatures_of_cosign_are_verified(tmp_path: Path) -> None:
    (tmp_path / "cosign.pub").write_bytes(RECORDED_KEY)
    own = keys(tmp_path / "cosign.pub")
    (simple_digest, of_tag), (dsse_digest, of_referrer) = recorded()
    assert own.verify(simple_digest, of_tag).form == "simple"
    assert own.verify(dsse_digest, of_referrer).form == "dsse"
    for digest, signatures in ((dsse_digest, of_tag), (simple_digest, of_referrer)):
        with pytest.raises(SignatureError, match=r"but it is that of another bundle"):
            own.verify(digest, signatures)
    with pytest.raises(SignatureError, match=r"is not signed by a key of .*own.pub, but by 1 other"):
        keys(Signer(tmp_path).file).verify(simple_digest, of_tag)


@pytest.mark.parametrize("good", [simple(), statement()])
def test_one_of_the_keys_is_enough(tmp_path: Path, good: Signature) -> None:
    one, two = Signer(tmp_path, "one.pub"), Signer(tmp_path, "two.pub")
    both = tmp_path / "both.pub"
    both.write_bytes(b"# the old and the new\n" + one.pem + two.pem)
    for signer in (one, two):
        signature = signer.signed(good)
        assert keys(both).verify(DIGEST, [good, signature]) == signature
    with pytest.raises(SignatureError, match=r"is not signed by a key of .*one.pub, but by 1 other"):
        keys(one.file).verify(DIGEST, [two.signed(good)])


@pytest.mark.parametrize(
    "text",
    [
        simple("sha256:" + "0" * 64),
        simple("x" + DIGEST),
        Signature("simple", b'{"critical":{"image":[]}}', b""),
        Signature("simple", b'{"critical":null}', b""),
        Signature("simple", b"[]", b""),
        Signature("simple", b"no JSON", b""),
        Signature("simple", b"\xff", b""),
        Signature("simple", b"[" * 100_000, b""),
        Signature("simple", statement().text, b""),  # the other form's text
        Signature("dsse", simple().text, b""),
        statement("sha256:" + "0" * 64),
        statement(predicate="https://slsa.dev/provenance/v1"),  # an attestation by the same key
        Signature("dsse", json.dumps({"subject": {}, "predicateType": SIGNED_BY_COSIGN}).encode(), b""),
    ],
)
def test_a_good_signature_of_something_else_is_none(tmp_path: Path, text: Signature) -> None:
    signer = Signer(tmp_path)
    with pytest.raises(SignatureError, match=r"has a signature by a key of .*, but it is that of another bundle"):
        keys(signer.file).verify(DIGEST, [signer.signed(text)])


def test_what_was_changed_is_not_signed(tmp_path: Path) -> None:
    signer = Signer(tmp_path)
    good = signer.signed(simple())
    wrong = [
        Signature("simple", good.text + b" ", good.signature),
        Signature("simple", good.text, good.signature[:-1]),
        Signature("simple", good.text, b""),
        Signature("dsse", good.text, good.signature),
    ]
    with pytest.raises(SignatureError, match="but by 4 other"):
        keys(signer.file).verify(DIGEST, wrong)
    assert keys(signer.file).verify(DIGEST, [*wrong, good]) == good


@pytest.mark.parametrize(
    "content",
    [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"],
)
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pub").write_bytes(content)
    with pytest.raises(SignatureError, match=r"x.pub: expected (a public key|public keys)"):
        keys(tmp_path / "x.pub")


def test_other_kinds_of_keys_are_refused(tmp_path: Path) -> None:
    for key in (ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP384R1())):
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / "x.pub").write_bytes(pem)
        with pytest.raises(SignatureError, match=r"x.pub: expected public keys of ECDSA on P-256"):
            keys(tmp_path / "x.pub")
    with pytest.raises(SignatureError, match=r"absent.pub: cannot be read: No such file"):
        keys(tmp_path / "absent.pub")


# What a registry has


def test_signatures_are_looked_for_in_the_tag(held: Answering, tmp_path: Path) -> None:
    signer = Signer(tmp_path)
    bundle = held.hold(artifact(), "v1")
    good = signer.signed(simple())
    held.blobs[digest_of(good.text)] = good.text
    wrong = [layer(good.text), layer(good.text, mediaType="text/plain")]
    annotated = {"dev.cosignproject.cosign/signature": base64.b64encode(good.signature).decode()}
    held.manifest(tag_of(bundle.digest), [*wrong, layer(good.text, annotations=annotated)])
    assert pull(held.reference(), NOBODY, keys(signer.file)).digest == bundle.digest
    held.blobs[digest_of(good.text)] = good.text[:-1] + b" "
    with pytest.raises(BundleError, match="has the digest "):
        pull(held.reference(), NOBODY, keys(signer.file))


def test_nothing_unsigned_is_unpacked(held: Answering, tmp_path: Path) -> None:
    bundle = held.hold(artifact(), "v1")
    with pytest.raises(BundleError, match="is not signed"):
        pull(held.reference(), NOBODY, keys(Signer(tmp_path).file))
    assert not any(digest_of(bundle.layer) in path for _, path, _ in held.asked)


def test_a_registry_that_fails_is_not_one_without_signatures(held: Answering, tmp_path: Path) -> None:
    held.hold(artifact(), "v1")
    held.instead = lambda handler: handler.answer(503) if ".sig" in handler.path else False
    with pytest.raises(BundleError, match="answered 503"):
        pull(held.reference(), NOBODY, keys(Signer(tmp_path).file))


def test_what_is_no_signature_is_passed_over_or_refused() -> None:
    def blob(_: Descriptor) -> bytes:
        return b'{"dsseEnvelope":{"payloadType":"text/plain","payload":"","signatures":[{"sig":"eA=="}]}}'

    assert list(in_tag(b"{}", blob)) == list(in_referrer(b"{}", blob)) == []
    entry = {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "digest": DIGEST, "size": 5}
    assert list(in_referrer(json.dumps({"layers": [entry]}).encode(), blob)) == []
    many = {"payloadType": IN_TOTO, "payload": "eA==", "signatures": [{"sig": "eA=="}] * 100}
    envelope = json.dumps({"dsseEnvelope": many}).encode()
    found = list(in_referrer(json.dumps({"layers": [entry] * 3}).encode(), lambda _: envelope))
    assert len(found) == 3 * MOST_OF_ONE and found[0] == Signature("dsse", b"x", b"x")
    for wrong in ({**entry, "size": 1 << 30}, {**entry, "digest": "x"}):
        with pytest.raises(ArtifactError, match="its signature has"):
            list(in_referrer(json.dumps({"layers": [wrong]}).encode(), blob))
    bad = {"dsseEnvelope": {**many, "payload": "%"}}
    with pytest.raises(ArtifactError, match="its signature is not base64"):
        list(in_referrer(json.dumps({"layers": [entry]}).encode(), lambda _: json.dumps(bad).encode()))


def test_no_key_signs_nothing() -> None:
    with pytest.raises(SignatureError, match="is not signed; a signature by a key of x is required"):
        Keys("x", ()).verify(DIGEST, [])


def test_signatures_are_looked_for_in_what_refers_to_the_bundle(tmp_path: Path) -> None:
    """As cosign 3 writes them; other things that refer to it are passed over."""
    signer, bundle = Signer(tmp_path), artifact()
    envelope = signer.signed(statement())
    payload, signature = (base64.b64encode(each).decode() for each in (envelope.text, envelope.signature))
    signed = {"payload": payload, "payloadType": IN_TOTO, "signatures": [{"sig": signature}]}
    text = json.dumps({"mediaType": SIGSTORE, "dsseEnvelope": signed}).encode()
    with registry() as address:
        reference = parse(f"oci://{address}/team/policies:v1")
        push(reference, bundle, NOBODY)
        client = Registry(reference, NOBODY, push=True)
        subject = {"mediaType": MANIFEST, "digest": bundle.digest, "size": len(bundle.manifest)}
        for content in (b"a bill of materials", text):
            with pytest.raises(BundleError, match="is not signed; a signature"):
                pull(reference, NOBODY, keys(signer.file))
            client.push(content)
            entry = layer(content, mediaType=SIGSTORE if content == text else "text/plain")
            config = {"mediaType": EMPTY, "digest": digest_of(NOTHING), "size": len(NOTHING)}
            about = {"schemaVersion": 2, "mediaType": MANIFEST, "subject": subject}
            manifest = json.dumps({**about, "config": config, "layers": [entry]}).encode()
            client.push_manifest(manifest, digest_of(manifest))
        assert pull(reference, NOBODY, keys(signer.file)).digest == bundle.digest
