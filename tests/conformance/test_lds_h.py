"""Unit LDS_H: EF.SOD, the document signer's certificate, and every algorithm of passive authentication."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from idverify.chip.lds.files import FileId
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.trust_store import EntryKind, TrustStore, TrustStoreBuilder
from idverify.emulator import Card, IssuedCertificate, Name, Quirks, Scheme, TestPki, _der, flip_byte
from idverify.emulator.certificates import hash_algorithm
from idverify.oids import Cms
from idverify.report import CheckId, CheckStatus, Reason
from tests.conformance import sods
from tests.conformance.documents import BAC, CAM, PKI, declared, passport, usual, wrong_tag
from tests.conformance.inspection import Accepted, Case, Refused
from tests.conformance.sods import Plain, PlainRsa, WithMd5, data_group_hash, data_group_hashes, security_object, sod

_SOD, _DG1, _DG2 = FileId.SOD, FileId.DG1, FileId.DG2
_G = FileId

MALFORMED = Refused(CheckId.SOD_SIGNATURE, Reason.SOD_MALFORMED)
UNSUPPORTED = Refused(CheckId.SOD_SIGNATURE, Reason.ALGORITHM_UNSUPPORTED, status=CheckStatus.NOT_SUPPORTED)
NO_SIGNER = Refused(CheckId.SOD_SIGNATURE, Reason.SIGNER_NOT_FOUND)
DIGEST = Refused(CheckId.SOD_SIGNATURE, Reason.DIGEST_MISMATCH)


def form(words: str) -> Refused:
    """The certificate does not have the prescribed form."""
    return Refused(CheckId.DSC_PROFILE, Reason.PROFILE_DEVIATION, words=words)


# ---- every algorithm -----------------------------------------------------------------------------------------------


def algorithms(
    csca_key: str, dsc_key: str, hash_name: str, csca: Any, dsc: Any = None, *, digest_name: str | None = None
) -> Case:
    """A genuine document with these keys and schemes.

    Args:
        csca_key, dsc_key: kinds of keys.
        hash_name: hash of the data groups.
        csca: how the CSCA signs.
        dsc: how the document signer signs; as the CSCA where None.
        digest_name: hash of the message digest; that of the data groups where None.
    """

    def document() -> Card:
        pki = TestPki(
            5106, country="UT", csca_key=csca_key, dsc_key=dsc_key, hash_name=hash_name, csca_scheme=csca,
            dsc_scheme=dsc or csca, explicit_parameters=False,
        )  # fmt: skip
        base = passport(pki=pki, profile=replace(BAC, hash_name=hash_name))
        content = security_object(sods.numbered(base.files), hash_name)
        raw = sod(content, signer=pki.dsc, scheme=dsc or csca, digest_name=digest_name or hash_name)
        return passport(pki=pki, profile=replace(BAC, hash_name=hash_name), stored={_SOD: raw})

    return Case(document, Accepted())


def rsa(family: str, hash_name: str, dsc: Any = None) -> Case:
    return algorithms("rsa-3072", "rsa-2048", hash_name, Scheme(family, hash_name), dsc)


def ecdsa(csca: str, dsc: str, hash_name: str, scheme: type = Scheme) -> Case:
    made = Scheme("ecdsa", hash_name) if scheme is Scheme else scheme(hash_name)
    return algorithms(csca, dsc, hash_name, made)


def dsa(key: str, hash_name: str) -> Case:
    case = algorithms(key, key, hash_name, Scheme("dsa", hash_name))
    return replace(case, also=said_to_be_weak, note="accepted, as weak hashes are, and named weak in the evidence")


def said_to_be_weak(result: Any, card: Card) -> None:
    for check in (CheckId.SOD_SIGNATURE, CheckId.DSC_CHAIN):
        assert result.report.results(check)[0].evidence["weak"] == "true"


def signer_elsewhere() -> Case:
    """The signer's certificate comes from the trust store (a directory of document signers)."""
    scheme = Scheme("rsa-pkcs1", "sha256")

    @functools.cache
    def pki() -> TestPki:
        return TestPki(
            5106, country="UT", csca_key="rsa-3072", dsc_key="rsa-2048", csca_scheme=scheme, dsc_scheme=scheme
        )

    def document() -> Card:
        content = security_object(sods.numbered(passport(pki=pki()).files))
        raw = sod(content, signer=pki().dsc, scheme=scheme, certificates=b"")
        return passport(pki=pki(), stored={_SOD: raw})

    def trust(card: Card) -> TrustStore:
        builder = TrustStoreBuilder()
        builder.add(Certificate.parse(pki().csca.der), EntryKind.CSCA)
        builder.add(Certificate.parse(pki().dsc.der), EntryKind.DOCUMENT_SIGNER)
        return builder.build()

    return Case(document, Accepted(), trust=trust, note="the trust store holds the signer's certificate")


ALGORITHMS = {
    "LDS_H_01": rsa("rsa-pkcs1", "sha1"),
    "LDS_H_02": rsa("rsa-pss", "sha1"),
    "LDS_H_03": rsa("rsa-pss", "sha256"),
    "LDS_H_04": rsa("rsa-pkcs1", "sha224"),
    "LDS_H_05": rsa("rsa-pkcs1", "sha256"),
    "LDS_H_06": rsa("rsa-pkcs1", "sha384"),
    "LDS_H_07": rsa("rsa-pkcs1", "sha512"),
    "LDS_H_08": dsa("dsa-1024-160", "sha1"),
    "LDS_H_09": ecdsa("brainpoolP256r1", "secp224r1", "sha1"),
    "LDS_H_10": ecdsa("brainpoolP256r1", "brainpoolP224r1", "sha1", Plain),
    "LDS_H_11": ecdsa("brainpoolP256r1", "brainpoolP224r1", "sha224", Plain),
    "LDS_H_12": ecdsa("brainpoolP256r1", "brainpoolP256r1", "sha256", Plain),
    "LDS_H_13": ecdsa("brainpoolP384r1", "brainpoolP384r1", "sha384", Plain),
    "LDS_H_14": ecdsa("brainpoolP512r1", "brainpoolP512r1", "sha512", Plain),
    "LDS_H_15": signer_elsewhere(),
    "LDS_H_70": ecdsa("secp256r1", "secp224r1", "sha224"),
    "LDS_H_71": ecdsa("secp256r1", "secp256r1", "sha256"),
    "LDS_H_72": ecdsa("secp384r1", "secp384r1", "sha384"),
    "LDS_H_73": ecdsa("brainpoolP512r1", "brainpoolP512r1", "sha512"),
    "LDS_H_74": algorithms("rsa-3072", "rsa-2048", "sha224", Scheme("rsa-pss", "sha256"), digest_name="sha256"),
    "LDS_H_75": algorithms("rsa-3072", "rsa-2048", "sha224", Scheme("rsa-pss", "sha256")),
    "LDS_H_76": algorithms("secp256r1", "rsa-2048", "sha224", Scheme("ecdsa", "sha224"), Scheme("rsa-pkcs1", "sha256")),
    "LDS_H_77": algorithms("rsa-3072", "rsa-2048", "sha256", Scheme("rsa-pss", "sha224"), Scheme("rsa-pss", "sha256")),
    "LDS_H_78": algorithms(
        "rsa-3072", "rsa-2048", "sha256", Scheme("rsa-pkcs1", "sha256"), Scheme("rsa-pss", "sha256")
    ),
    "LDS_H_79": rsa("rsa-pkcs1", "sha1", PlainRsa("sha1")),
    "LDS_H_80": rsa("rsa-pkcs1", "sha224", PlainRsa("sha224")),
    "LDS_H_81": rsa("rsa-pkcs1", "sha256", PlainRsa("sha256")),
    "LDS_H_82": rsa("rsa-pkcs1", "sha384", PlainRsa("sha384")),
    "LDS_H_83": rsa("rsa-pkcs1", "sha512", PlainRsa("sha512")),
    "LDS_H_94": rsa("rsa-pss", "sha224"),
    "LDS_H_95": rsa("rsa-pss", "sha384"),
    "LDS_H_96": rsa("rsa-pss", "sha512"),
    "LDS_H_97": dsa("dsa-2048-224", "sha224"),
    "LDS_H_98": dsa("dsa-2048-256", "sha256"),
}

# ---- the structure of the file -------------------------------------------------------------------------------------

GROUPS = sods.numbered(passport().files)
CONTENT = security_object(GROUPS)


def stored(raw: bytes, reaction: Refused | Accepted, note: str = "") -> Case:
    return Case(lambda: passport(stored={_SOD: raw}), reaction, note=note)


def signed(reaction: Refused | Accepted, note: str = "", *, content: bytes = CONTENT, **parts: Any) -> Case:
    return stored(sod(content, **parts), reaction, note)


def attributes(digest: bytes | None) -> Sequence[bytes]:
    kind = sods.attribute(Cms.CONTENT_TYPE, _der.oid(sods.signed_data.lds_content_type()))
    return (kind,) if digest is None else (kind, sods.attribute(Cms.MESSAGE_DIGEST, _der.octets(digest)))


_RSA = functools.cache(
    lambda: TestPki(5106, country="UT", csca_key="rsa-3072", dsc_key="rsa-2048", explicit_parameters=False)
)


def by_md5() -> Card:
    """A signer that says MD5 with RSA."""
    content = security_object(sods.numbered(passport(pki=_RSA()).files))
    return passport(pki=_RSA(), stored={_SOD: sod(content, signer=_RSA().dsc, scheme=WithMd5())})


_ANOTHER = PKI.issue_dsc(2)

STRUCTURE = {
    "LDS_H_17": stored(wrong_tag(usual(_SOD), 0x78), MALFORMED),
    "LDS_H_18": stored(declared(usual(_SOD), -1), MALFORMED),
    "LDS_H_19": stored(declared(usual(_SOD), 1), MALFORMED),
    "LDS_H_20": signed(MALFORMED, version=_der.integer(2)),
    "LDS_H_21": signed(MALFORMED, version=b""),
    "LDS_H_22": signed(MALFORMED, digests=_der.set_of(sods.MD5)),
    "LDS_H_23": signed(MALFORMED, digests=b""),
    "LDS_H_24": signed(Refused(CheckId.SOD_SIGNATURE, Reason.CONTENT_TYPE), kind=_der.oid(Cms.DATA)),
    "LDS_H_25": signed(MALFORMED, kind=b""),
    "LDS_H_26": signed(MALFORMED, signer_version=_der.integer(2)),
    "LDS_H_27": signed(MALFORMED, signer_version=b""),
    "LDS_H_28": signed(NO_SIGNER, identifier=sods.issuer_and_serial(_ANOTHER)),
    "LDS_H_29": signed(NO_SIGNER, signer_version=_der.integer(3), identifier=_der.implicit(0, _ANOTHER.key_id)),
    "LDS_H_30": signed(UNSUPPORTED, digest=sods.MD5),
    "LDS_H_31": signed(MALFORMED, digest=b"", digests=_der.set_of(hash_algorithm("sha256"))),
    "LDS_H_32": signed(DIGEST, attributes=attributes(bytes(32))),
    "LDS_H_33": signed(DIGEST, attributes=attributes(None)),
    "LDS_H_36": Case(by_md5, UNSUPPORTED),
    "LDS_H_37": signed(
        Refused(CheckId.SOD_SIGNATURE, Reason.SIGNATURE_INVALID),
        signature=_der.octets(_der.sequence(_der.integer(5), _der.integer(7))),
    ),
    "LDS_H_38": signed(MALFORMED, signature=b""),
    "LDS_H_84": signed(MALFORMED, signer_version=_der.integer(3)),
    "LDS_H_85": signed(MALFORMED, identifier=_der.implicit(0, PKI.dsc.key_id)),
}

# ---- the security object -------------------------------------------------------------------------------------------


def listing(reaction: Refused | Accepted, note: str = "", **parts: bytes) -> Case:
    return signed(reaction, note, content=security_object(GROUPS, **parts))


def hashes(*items: bytes) -> bytes:
    return _der.sequence(*items)


_HASHES = data_group_hashes(GROUPS)
_FIRST, _SECOND, _REST = _HASHES[0], _HASHES[1], _HASHES[2:]
_VERSIONS_1_8 = _der.sequence(_der.printable("0108"), _der.printable("040000"))


def with_more_groups() -> Card:
    """EF.SOD vouches for DG3, which EF.COM does not list."""
    return passport({_G.DG3: usual(_G.DG3, replace(BAC, groups=(*BAC.groups, _G.DG3)))})


def with_other_groups() -> Card:
    """EF.SOD vouches for DG3 in the place of DG2."""
    return passport(
        {_G.DG3: usual(_G.DG3, replace(BAC, groups=(*BAC.groups, _G.DG3)))}, quirks=Quirks(sod_missing=(_DG2,))
    )


SECURITY_OBJECT = {
    "LDS_H_39": listing(MALFORMED, version=_der.integer(2)),
    "LDS_H_40": listing(MALFORMED, version=b""),
    "LDS_H_41": listing(UNSUPPORTED, algorithm=sods.MD5),
    "LDS_H_42": listing(MALFORMED, algorithm=b""),
    "LDS_H_43": listing(
        Refused(CheckId.DG_HASH, Reason.HASH_MISMATCH, "DG2"),
        hashes=hashes(_FIRST, data_group_hash(2, bytes(32)), *_REST),
    ),
    "LDS_H_44": listing(Refused(CheckId.DG_HASH, Reason.HASH_NOT_IN_SOD, "DG1"), hashes=hashes(_SECOND, *_REST)),
    "LDS_H_45": listing(
        Refused(CheckId.COM_SOD, Reason.COM_SOD_DIFFER), hashes=hashes(*_HASHES, data_group_hash(10, bytes(32)))
    ),
    "LDS_H_46": listing(MALFORMED, hashes=hashes(data_group_hash(0xFF, _FIRST[-32:]), _SECOND, *_REST)),
    "LDS_H_47": listing(MALFORMED, hashes=hashes(_FIRST, _der.sequence(_der.octets(_SECOND[-32:])), *_REST)),
    "LDS_H_69": Case(lambda: flip_byte(passport(), _DG2), Refused(CheckId.DG_HASH, Reason.HASH_MISMATCH, "DG2")),
    "LDS_H_86": listing(Accepted(), version=_der.integer(1), info=_VERSIONS_1_8),
    "LDS_H_87": listing(MALFORMED, version=_der.integer(0), info=_VERSIONS_1_8),
    "LDS_H_88": listing(MALFORMED, version=_der.integer(1)),
    "LDS_H_90": Case(with_more_groups, Refused(CheckId.COM_SOD, Reason.COM_SOD_DIFFER)),
    "LDS_H_91": Case(
        lambda: passport(quirks=Quirks(sod_missing=(_DG2,))), Refused(CheckId.COM_SOD, Reason.COM_SOD_DIFFER)
    ),
    "LDS_H_92": Case(with_other_groups, Refused(CheckId.COM_SOD, Reason.COM_SOD_DIFFER)),
    "LDS_H_93": Case(
        lambda: flip_byte(passport(profile=CAM), _G.CARD_SECURITY),
        Refused(CheckId.CARD_SECURITY, Reason.SIGNATURE_INVALID),
        note="EF.CardSecurity carries its own signature",
    ),
}

# ---- the certificate -----------------------------------------------------------------------------------------------

_TIMES = PKI.dsc.spec.validity
_UNREADABLE = NO_SIGNER  # a certificate that cannot be read, or contradicts itself, is nobody's
_ELSEWHERE = Name("UT", "Another Authority", "Country Signing", "Another CSCA")


def certificate(reaction: Refused, make: Callable[[], IssuedCertificate], note: str = "") -> Case:
    def document() -> Card:
        return passport(stored={_SOD: sod(CONTENT, signer=make())})

    return Case(document, reaction, note=note)


def written(reaction: Refused, note: str = "", **parts: Any) -> Case:
    return certificate(reaction, lambda: sods.signer(**parts), note)


def unconventional() -> Case:
    """A CSCA, and so an issuer, whose name has the country in three letters."""
    pki = TestPki(5107, country="UTO", state="UTO", csca_key="secp256r1", dsc_key="secp256r1")
    return Case(lambda: passport(pki=pki), form("no country in two capitals"))


def rsa_certificate(reaction: Refused, **parts: Any) -> Case:
    def document() -> Card:
        made = sods.signer(_RSA(), **parts)
        content = security_object(sods.numbered(passport(pki=_RSA()).files))
        return passport(pki=_RSA(), stored={_SOD: sod(content, signer=made, scheme=Scheme("rsa-pss"))})

    return Case(document, reaction)


CERTIFICATE = {
    "LDS_H_48": written(form("version is not 3"), version=_der.explicit(0, _der.integer(1))),
    "LDS_H_49": written(form("version is not 3"), version=b""),
    "LDS_H_50": written(_UNREADABLE, serial=b""),
    "LDS_H_51": written(_UNREADABLE, signature=Scheme("ecdsa", "sha512").algorithm()),
    "LDS_H_52": written(_UNREADABLE, signature=b""),
    "LDS_H_53": unconventional(),
    "LDS_H_54": written(form("issuer is not the subject"), another=_ELSEWHERE),
    "LDS_H_55": written(_UNREADABLE, issuer=b""),
    "LDS_H_56": written(
        form("time is written in the wrong type"),
        validity=_der.sequence(_der.generalized_time(_TIMES.not_before), _der.generalized_time(_TIMES.not_after)),
    ),
    "LDS_H_57": written(_UNREADABLE, validity=b""),
    "LDS_H_58": rsa_certificate(
        UNSUPPORTED, key=_der.sequence(sods.MD5_WITH_RSA, _der.bits(_der.sequence(_der.integer(1), _der.integer(3))))
    ),
    "LDS_H_59": written(Refused(CheckId.SOD_SIGNATURE, Reason.CERTIFICATE_MALFORMED), key=b""),
    "LDS_H_60": written(
        form("no key identifier"), extensions=sods.usual_extensions(authority=sods.AUTHORITY_WITHOUT_KEY)
    ),
    "LDS_H_61": written(form("key identifier is missing"), extensions=sods.usual_extensions(authority=b"")),
    "LDS_H_62": written(form("not critical"), extensions=sods.usual_extensions(usage=sods.UNCRITICAL_USAGE)),
    "LDS_H_63": written(
        Refused(CheckId.DSC_CHAIN, Reason.KEY_USAGE), extensions=sods.usual_extensions(usage=sods.ONLY_CERT_SIGN)
    ),
    "LDS_H_64": written(form("key usage is missing"), extensions=sods.usual_extensions(usage=b"")),
    "LDS_H_65": rsa_certificate(
        Refused(CheckId.DSC_CHAIN, Reason.ALGORITHM_UNSUPPORTED, status=CheckStatus.NOT_SUPPORTED), scheme=WithMd5()
    ),
    "LDS_H_66": written(_UNREADABLE, algorithm=b""),
    "LDS_H_67": written(
        Refused(CheckId.DSC_CHAIN, Reason.CHAIN_INVALID),
        value=_der.bits(_der.sequence(_der.integer(5), _der.integer(7))),
    ),
    "LDS_H_68": written(_UNREADABLE, value=b""),
}

CASES = dict(sorted((ALGORITHMS | STRUCTURE | SECURITY_OBJECT | CERTIFICATE).items()))


def test_what_is_written_element_by_element_is_accepted() -> None:
    signed(Accepted()).run()
    certificate(Accepted(), sods.signer).run()  # type: ignore[arg-type]


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    CASES[case].run()
