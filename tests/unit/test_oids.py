"""The object identifiers: well-formed, each named once in its family, known to a second implementation."""

from __future__ import annotations

import enum

import pytest
from asn1crypto import algos, core, x509

from idverify import oids
from idverify.crypto import curves

FAMILIES = [
    f for f in vars(oids).values() if isinstance(f, type) and issubclass(f, enum.StrEnum) and f is not enum.StrEnum
]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_every_member_is_one_identifier(family: type[enum.StrEnum]) -> None:
    values = [member.value for member in family]
    assert len(family.__members__) == len(set(values))  # an alias would hide a slip of the pen
    for value in values:
        assert core.ObjectIdentifier.load(core.ObjectIdentifier(value).dump()).dotted == value
        assert oids.find(family, value) == value
    assert oids.find(family, "1.2.3") is None


def test_a_second_implementation_names_them_alike() -> None:
    for member, name in (
        (oids.Signature.SHA256_WITH_RSA, "sha256_rsa"),
        (oids.Signature.SHA224_WITH_RSA, "sha224_rsa"),
        (oids.Signature.RSASSA_PSS, "rsassa_pss"),
        (oids.Signature.ECDSA_WITH_SHA1, "sha1_ecdsa"),
        (oids.Signature.ECDSA_WITH_SHA512, "sha512_ecdsa"),
    ):
        assert algos.SignedDigestAlgorithmId(str(member)).native == name
    for hash_member in (h for h in oids.Hash if h is not oids.Hash.MGF1):
        assert algos.DigestAlgorithmId(str(hash_member)).native == hash_member.name.lower()
    for extension, name in (
        (oids.Extension.AUTHORITY_KEY_IDENTIFIER, "authority_key_identifier"),
        (oids.Extension.PRIVATE_KEY_USAGE_PERIOD, "private_key_usage_period"),
        (oids.Extension.KEY_USAGE, "key_usage"),
    ):
        assert x509.ExtensionId(str(extension)).native == name


def test_protocols_lie_under_their_family() -> None:
    names = oids.SecurityProtocol.__members__
    for name, member in names.items():
        for prefix in (
            "PACE_DH_GM",
            "PACE_ECDH_GM",
            "PACE_ECDH_CAM",
            "CA_DH",
            "CA_ECDH",
            "TA_RSA",
            "TA_ECDSA",
            "RI_ECDH",
        ):
            if name.startswith(prefix + "_"):
                assert member.startswith(names[prefix] + ".")
    assert not {c.oid for c in curves.CURVES} & set(names.values())
