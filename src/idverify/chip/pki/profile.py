"""Does a document signer's certificate have the form that ICAO prescribes? (ICAO 9303-12 §7.1 tables 1 to 3)

Path building takes certificates as states really issue them. An inspection that asks for exact ones gets the
departures here; none of them breaks a signature.
"""

from __future__ import annotations

from typing import Final

from idverify import _tlv
from idverify.chip.pki.certificate import Certificate
from idverify.errors import IdVerifyError
from idverify.oids import Extension, NameAttribute

_UTC_UNTIL: Final = 2049
_MAX_SERIAL_BYTES: Final = 20
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18


def departures(signer: Certificate, issuer: Certificate | None = None) -> tuple[str, ...]:
    """What is not as ICAO 9303-12 §7.1 asks, in words; empty for an exact certificate.

    Args:
        signer: the document signer's certificate.
        issuer: the certificate of the authority that issued it, where it is known.
    """
    found = []
    if signer.version != 3:
        found.append("the version is not 3")
    if not 0 < signer.serial_number < 1 << 8 * _MAX_SERIAL_BYTES - 1:
        found.append("the serial number is not positive, or longer than 20 bytes")
    found += _names(signer, issuer)
    found += _validity(signer)
    found += _extensions(signer)
    return tuple(found)


def _names(signer: Certificate, issuer: Certificate | None) -> list[str]:
    """§7.1.1.1: country in capitals and a common name; the issuer is the CSCA's subject."""
    found = []
    for what, name in (("issuer", signer.issuer), ("subject", signer.subject)):
        country = name.attribute(NameAttribute.COUNTRY)
        if country is None or len(country) != 2 or not country.isascii() or not country.isupper():
            found.append(f"the {what} names no country in two capitals")
        if not name.attribute(NameAttribute.COMMON_NAME):
            found.append(f"the {what} has no common name")
    if issuer is not None and not issuer.subject.matches(signer.issuer):
        found.append("the issuer is not the subject of the authority's certificate")
    return found


def _validity(signer: Certificate) -> list[str]:
    """RFC 5280 §4.1.2.5: UTCTime until 2049, GeneralizedTime from 2050 on."""
    found = []
    what = "certificate"
    try:
        parts = _tlv.read_tlv(signer.tbs, what=what).children(what=what)
        position = 1 if parts[0].tag == 0xA0 else 0
        times = parts[position + 3].children(what=what)
    except (IdVerifyError, IndexError):
        return ["the certificate is not DER"]
    for moment, field in zip((signer.not_before, signer.not_after), times, strict=False):
        if field.tag != (_UTC_TIME if moment.year <= _UTC_UNTIL else _GENERALIZED_TIME):
            found.append("a time is written in the wrong type")
    return found


def _extensions(signer: Certificate) -> list[str]:
    """§7.1.1 table 2: authority key identifier with its key identifier; key usage critical, digitalSignature alone."""
    found = []
    authority = signer.authority_key_id
    if authority is None:
        found.append("the authority key identifier is missing")
    elif authority.key_id is None:
        found.append("the authority key identifier has no key identifier")
    usage = signer.key_usage
    if usage is None:
        found.append("the key usage is missing")
    else:
        if Extension.KEY_USAGE not in signer.critical_extensions:
            found.append("the key usage is not critical")
        if usage != {"digital_signature"}:
            found.append("the key usage is not digitalSignature alone")
    return found
