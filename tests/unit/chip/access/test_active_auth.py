from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import ecdsa
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa as pyca
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from ecdsa.util import sigencode_der, sigencode_string
from tests.shared import shared
from tests.unit.chip.access.scripted import ScriptedCard, feed
from tests.vectors import load, unhex

from idverify.chip.access.active_auth import ActiveAuthEvidence, run_active_auth, verify_active_auth
from idverify.chip.iso7816.apdu import CommandAPDU
from idverify.chip.lds.dg15 import DG15
from idverify.errors import (
    AccessDeniedError,
    ConfigurationError,
    IdVerifyError,
    MalformedDataError,
    ProtocolError,
    StatusWordError,
    UnsupportedAlgorithmError,
)
from idverify.oids import PlainSignature, Signature

CHALLENGE = "f173589974bf40c6"
P256 = ecdsa.SigningKey.generate(ecdsa.NIST256p)
CURVES = [ecdsa.NIST256p, ecdsa.BRAINPOOLP256r1, ecdsa.BRAINPOOLP224r1, ecdsa.BRAINPOOLP320r1, ecdsa.NIST521p]


def spki(key: ecdsa.SigningKey) -> bytes:
    return bytes(key.verifying_key.to_der())


def run(key: bytes, response: str, **options: object) -> ActiveAuthEvidence:
    card = ScriptedCard([(f"0088000008{CHALLENGE}00", response + "9000")])
    return run_active_auth(card, key, rng=feed(CHALLENGE), **options)  # type: ignore[arg-type]


def test_real_chips() -> None:
    """Genuine signatures of a passport verify, the two altered ones do not."""
    for case in json.loads(shared("vectors/aa/rsa_iso9796_signatures.json").read_text())["vectors"]:
        key = DG15.parse(unhex(case["dg15"])).public_key if "dg15" in case else unhex(case["subject_public_key_info"])
        card = ScriptedCard([(f"0088000008{case['rnd_ifd']}00", case["signature"] + "9000")])
        evidence = run_active_auth(card, key, rng=feed(case["rnd_ifd"]))
        assert evidence.verified == case["must_verify"]
        if evidence.verified:
            assert evidence.algorithm == "rsa-1024 iso9796-2 sha1 bc"


def test_published_representative_signed_by_a_key_of_ours() -> None:
    example = load("aa_rsa_sha1")
    private = pyca.generate_private_key(65537, 1024)
    numbers = private.private_numbers()
    key = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    data = int(example["message_representative_f"], 16)
    signature = pow(data, numbers.d, numbers.public_numbers.n).to_bytes(128, "big").hex()
    assert example["rnd_ifd"] == CHALLENGE
    evidence = run(key, signature)
    assert evidence.verified
    assert verify_active_auth(key, evidence)
    assert not run(key, signature[:-2] + f"{int(signature[-2:], 16) ^ 1:02x}").verified


def test_key_with_a_negative_modulus_is_read() -> None:
    key = DG15.parse(shared("vectors/lds/jmrtd_bsi2008/dg15.bin").read_bytes()).public_key
    evidence = run(key, "01" * 128)
    assert not evidence.verified
    assert evidence.algorithm.startswith("rsa-")


def test_long_rsa_signatures_are_asked_for_with_extended_length() -> None:
    private = pyca.generate_private_key(65537, 2048)
    key = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    card = ScriptedCard([(f"00880000000008{CHALLENGE}0000", "00" * 256 + "9000")])
    assert not run_active_auth(card, key, rng=feed(CHALLENGE)).verified


@pytest.mark.parametrize("curve", CURVES, ids=lambda c: c.name)
@pytest.mark.parametrize("name", ["sha1", "sha224", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("plain", [True, False])
def test_ecdsa_with_every_hash_and_both_formats(curve: ecdsa.curves.Curve, name: str, plain: bool) -> None:
    key = ecdsa.SigningKey.generate(curve)
    signature = key.sign(
        unhex(CHALLENGE),
        hashfunc=getattr(hashlib, name),
        sigencode=sigencode_string if plain else sigencode_der,
        allow_truncate=True,
    ).hex()
    named = PlainSignature[f"ECDSA_PLAIN_{name.upper()}"]
    for algorithm in (None, str(named)):
        evidence = run(spki(key), signature, signature_algorithm=algorithm)
        assert evidence.verified
        assert evidence.algorithm.endswith(f"{'ecdsa-plain' if plain else 'ecdsa'} {name}")
    other = PlainSignature.ECDSA_PLAIN_SHA256 if name != "sha256" else PlainSignature.ECDSA_PLAIN_SHA512
    assert not run(spki(key), signature, signature_algorithm=str(other)).verified


def test_every_flipped_bit_of_an_ecdsa_answer_is_refused() -> None:
    signature = P256.sign(unhex(CHALLENGE), hashfunc=hashlib.sha256)
    algorithm = str(Signature.ECDSA_WITH_SHA256)
    assert run(spki(P256), signature.hex(), signature_algorithm=algorithm).verified
    for bit in range(8 * len(signature)):
        altered = bytearray(signature)
        altered[bit // 8] ^= 1 << bit % 8
        assert not run(spki(P256), altered.hex(), signature_algorithm=algorithm).verified


def test_challenge_of_a_remote_verifier() -> None:
    signature = P256.sign(bytes(range(8)), hashfunc=hashlib.sha256).hex()
    card = ScriptedCard([(None, signature + "9000")])
    evidence = run_active_auth(card, spki(P256), rng=feed(), challenge=bytes(range(8)))
    assert evidence.verified
    assert card.sent == [CommandAPDU(0, 0x88, 0, 0, data=bytes(range(8)), le=256)]
    with pytest.raises(ConfigurationError, match="8 bytes"):
        run_active_auth(ScriptedCard([]), spki(P256), rng=feed(), challenge=bytes(9))


def test_evidence_is_judged_anew_and_offline() -> None:
    evidence = run(spki(P256), P256.sign(unhex(CHALLENGE), hashfunc=hashlib.sha256).hex())
    stored = json.loads(json.dumps(evidence.to_dict()))
    again = ActiveAuthEvidence.from_dict(stored | {"verified": False})
    assert again == evidence
    assert again.verified
    forged = ActiveAuthEvidence.from_dict(stored | {"challenge": "00" * 8, "verified": True})
    assert not forged.verified
    assert not verify_active_auth(spki(P256), replace(evidence, challenge=bytes(8), verified=True))
    other = spki(ecdsa.SigningKey.generate(ecdsa.NIST256p))
    assert not verify_active_auth(other, evidence)
    assert not verify_active_auth(other, replace(evidence, public_key=other, verified=True))
    assert evidence.response.hex() not in repr(evidence)


@pytest.mark.parametrize(
    "change",
    [
        {"challenge": 5},
        {"response": "zz"},
        {"public_key": "00" * 5000},
        {"signature_algorithm": 7},
        {"public_key": "3000"},
    ],
)
def test_hostile_evidence(change: dict[str, object]) -> None:
    evidence = run(spki(P256), "00" * 64)
    with pytest.raises(IdVerifyError):
        ActiveAuthEvidence.from_dict(evidence.to_dict() | change)
    for missing in ({}, {"challenge": "00"}, []):
        with pytest.raises(MalformedDataError):
            ActiveAuthEvidence.from_dict(missing)  # type: ignore[arg-type]


def test_refusals() -> None:
    with pytest.raises(AccessDeniedError) as caught:
        run_active_auth(ScriptedCard([(None, "6982")]), spki(P256), rng=feed(CHALLENGE))
    assert isinstance(caught.value.__cause__, StatusWordError)
    assert caught.value.__cause__.sw == 0x6982
    for answer in ("9000", "00" * 1101 + "9000"):
        with pytest.raises(ProtocolError, match="bytes"):
            run_active_auth(ScriptedCard([(None, answer)]), spki(P256), rng=feed(CHALLENGE))
    for algorithm in ("1.2.840.113549.1.1.11", "1.2.3", "nonsense"):
        with pytest.raises(UnsupportedAlgorithmError):
            run_active_auth(ScriptedCard([]), spki(P256), rng=feed(), signature_algorithm=algorithm)
