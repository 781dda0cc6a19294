"""SecurityInfos: what the chip says it can do (ICAO 9303-11 §9.2; BSI TR-03110-3 §A.1.1).

They stand in EF.CardAccess (bare), in DG14 (inside tag 6E) and, signed, in EF.CardSecurity::

    SecurityInfos ::= SET OF SecurityInfo
    SecurityInfo  ::= SEQUENCE { protocol OBJECT IDENTIFIER, requiredData ANY, optionalData ANY OPTIONAL }

Every class encodes from its fields; the bytes as read stay in ``raw``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self, TypeVar

from idverify import _tlv
from idverify.chip.lds import _der
from idverify.chip.lds.security_info_types import (
    CIPHERS,
    ID_ACTIVE_AUTHENTICATION,
    ID_CA_DH,
    ID_CA_ECDH,
    ID_CARD_INFO,
    ID_EF_DIR,
    ID_PACE,
    ID_PK_DH,
    ID_PK_ECDH,
    ID_PRIVILEGED_TERMINAL,
    ID_RI_DH,
    ID_RI_ECDH,
    ID_STANDARDIZED_DOMAIN_PARAMETERS,
    ID_TA,
    PACE_MAPPINGS,
    ActiveAuthenticationInfo,
    CardInfo,
    ChipAuthenticationDomainParameterInfo,
    ChipAuthenticationInfo,
    ChipAuthenticationPublicKeyInfo,
    EfDirInfo,
    PaceDomainParameterInfo,
    PaceInfo,
    PrivilegedTerminalInfo,
    RestrictedIdentificationDomainParameterInfo,
    RestrictedIdentificationInfo,
    SecurityInfo,
    TerminalAuthenticationInfo,
    UnknownSecurityInfo,
    arcs_after,
)
from idverify.errors import MalformedDataError

__all__ = [
    "ID_ACTIVE_AUTHENTICATION",
    "ID_CARD_INFO",
    "ID_CA_DH",
    "ID_CA_ECDH",
    "ID_EF_DIR",
    "ID_PACE",
    "ID_PK_DH",
    "ID_PK_ECDH",
    "ID_PRIVILEGED_TERMINAL",
    "ID_RI_DH",
    "ID_RI_ECDH",
    "ID_STANDARDIZED_DOMAIN_PARAMETERS",
    "ID_TA",
    "MAX_INFOS",
    "ActiveAuthenticationInfo",
    "CardInfo",
    "ChipAuthenticationDomainParameterInfo",
    "ChipAuthenticationInfo",
    "ChipAuthenticationPublicKeyInfo",
    "EfDirInfo",
    "PaceDomainParameterInfo",
    "PaceInfo",
    "PrivilegedTerminalInfo",
    "RestrictedIdentificationDomainParameterInfo",
    "RestrictedIdentificationInfo",
    "SecurityInfo",
    "SecurityInfos",
    "TerminalAuthenticationInfo",
    "UnknownSecurityInfo",
    "standardized_algorithm_identifier",
]

MAX_INFOS: Final = 128
MAX_NESTED: Final = 3
_CAM_3DES: Final = (6, 1)  # chip authentication mapping is defined for AES only

_Info = TypeVar("_Info", bound=SecurityInfo)


@dataclass(frozen=True, slots=True)
class SecurityInfos:
    """A SET of SecurityInfo, in the order in which it was read.

    Attributes:
        infos: the infos.
        raw: the SET as read, without what follows it; empty where it was made here.
        trailing: number of bytes that followed the SET in the file (cards in the field have them).
    """

    infos: tuple[SecurityInfo, ...]
    raw: bytes = field(default=b"", repr=False, compare=False)
    trailing: int = field(default=0, compare=False)

    @classmethod
    def parse(cls, raw: bytes, *, what: str = "SecurityInfos", lenient: bool = False) -> Self:
        """Read the SET; bytes after it are tolerated and counted.

        Args:
            raw: the SET, tag 31.
            what: name of the file for messages.
            lenient: keep an info of a known protocol that cannot be read as :class:`UnknownSecurityInfo` with its
                ``problem`` (for EF.CardAccess: one broken entry must not hide PACE).

        Raises:
            MalformedDataError: no SET of SEQUENCE, more than :data:`MAX_INFOS`, or an unreadable info.
        """
        outer = _tlv.parse(raw, _der.SET, what=what, allow_trailing=True)
        infos = _parse_infos(outer, what=what, lenient=lenient, depth=0)
        return cls(infos, raw=outer.raw, trailing=len(raw) - len(outer.raw))

    @classmethod
    def parse_card_access(cls, raw: bytes) -> Self:
        """Read EF.CardAccess (ICAO 9303-11 §9.2.8) leniently: it is a hint; what counts is in DG14.

        Raises:
            MalformedDataError: no SET of SEQUENCE.
        """
        return cls.parse(raw, what="EF.CardAccess", lenient=True)

    @classmethod
    def of(cls, infos: Iterable[SecurityInfo]) -> Self:
        """A set of infos, to be encoded."""
        return cls(tuple(infos))

    def encode(self, *, der_order: bool = False) -> bytes:
        """The SET built from the fields.

        Args:
            der_order: sort the elements as DER asks (ITU-T X.690 §11.6); else keep their order, as cards do.
        """
        parts = [i.encode() for i in self.infos]
        return _tlv.encode(_der.SET, *(sorted(parts) if der_order else parts))

    def of_type(self, kind: type[_Info]) -> tuple[_Info, ...]:
        """The infos of one class, in order."""
        return tuple(i for i in self.infos if isinstance(i, kind))

    @property
    def pace(self) -> tuple[PaceInfo, ...]:
        """PACEInfos."""
        return self.of_type(PaceInfo)

    @property
    def pace_domain_parameters(self) -> tuple[PaceDomainParameterInfo, ...]:
        """PACEDomainParameterInfos."""
        return self.of_type(PaceDomainParameterInfo)

    @property
    def chip_authentication(self) -> tuple[ChipAuthenticationInfo, ...]:
        """ChipAuthenticationInfos."""
        return self.of_type(ChipAuthenticationInfo)

    @property
    def chip_authentication_keys(self) -> tuple[ChipAuthenticationPublicKeyInfo, ...]:
        """ChipAuthenticationPublicKeyInfos."""
        return self.of_type(ChipAuthenticationPublicKeyInfo)

    @property
    def active_authentication(self) -> ActiveAuthenticationInfo | None:
        """The ActiveAuthenticationInfo, or None."""
        return next(iter(self.of_type(ActiveAuthenticationInfo)), None)

    @property
    def terminal_authentication(self) -> tuple[TerminalAuthenticationInfo, ...]:
        """TerminalAuthenticationInfos."""
        return self.of_type(TerminalAuthenticationInfo)

    def find_pace_domain_parameters(self, info: PaceInfo) -> PaceDomainParameterInfo | None:
        """The domain parameters that a PACEInfo refers to, or None where its parameters are standardised.

        The protocol without its cipher must be equal; the reference too, where either has one
        (ICAO 9303-11 §9.2.1).
        """
        family = info.protocol.rsplit(".", 1)[0]
        return next(
            (d for d in self.pace_domain_parameters if d.protocol == family and d.parameter_id == info.parameter_id),
            None,
        )


def standardized_algorithm_identifier(parameter_id: int) -> bytes:
    """The AlgorithmIdentifier standardizedDomainParameters (BSI TR-03110-3 §A.2.1.1), DER."""
    return _tlv.encode(
        _der.SEQUENCE, _der.encode_oid(ID_STANDARDIZED_DOMAIN_PARAMETERS), _der.encode_unsigned(parameter_id)
    )


def _parse_infos(outer: _tlv.Tlv, *, what: str, lenient: bool, depth: int) -> tuple[SecurityInfo, ...]:
    if depth > MAX_NESTED:
        raise MalformedDataError(f"{what}: SecurityInfos nested deeper than {MAX_NESTED}")
    children = outer.children(what=what)
    if len(children) > MAX_INFOS:
        raise MalformedDataError(f"{what}: {len(children)} SecurityInfos are beyond the cap of {MAX_INFOS}")
    return tuple(_parse_info(c, what=what, lenient=lenient, depth=depth) for c in children)


def _parse_info(tlv: _tlv.Tlv, *, what: str, lenient: bool, depth: int) -> SecurityInfo:
    _der.expect(tlv, _der.SEQUENCE, what=what)
    oid = _der.expect(_tlv.read_tlv(tlv.value, what=what), _der.OBJECT_IDENTIFIER, what=what)
    protocol = _der.decode_oid(oid.value, what=what)
    content = tlv.value[len(oid.raw) :]
    try:
        rest = tuple(_tlv.iter_tlv(content, what=what))
        known = _parse_known(protocol, rest, what=f"{what} {protocol}", raw=tlv.raw, lenient=lenient, depth=depth)
    except MalformedDataError as error:
        if not lenient:
            raise
        return UnknownSecurityInfo(protocol, content, problem=str(error), raw=tlv.raw)
    return known or UnknownSecurityInfo(protocol, content, raw=tlv.raw)


def _parse_known(
    protocol: str, rest: Sequence[_tlv.Tlv], *, what: str, raw: bytes, lenient: bool, depth: int
) -> SecurityInfo | None:
    """The typed info, or None for a protocol that is not known."""
    if (arcs := arcs_after(protocol, ID_PACE)) is not None and arcs[0] in PACE_MAPPINGS:
        if len(arcs) == 2 and arcs[1] in CIPHERS and arcs != _CAM_3DES:
            version, parameter = _versioned(rest, (1, 2), what=what)
            return PaceInfo(protocol, version, parameter, raw=raw)
        if len(arcs) == 1:
            return PaceDomainParameterInfo(protocol, *_parameterised(rest, what=what), raw=raw)
        return None
    for base in (ID_CA_DH, ID_CA_ECDH):
        if protocol == base:
            return ChipAuthenticationDomainParameterInfo(protocol, *_parameterised(rest, what=what), raw=raw)
        arcs = arcs_after(protocol, base)
        if arcs is not None and len(arcs) == 1 and arcs[0] in CIPHERS:
            version, key = _versioned(rest, (1, 2, 3), what=what)
            return ChipAuthenticationInfo(protocol, version, key, raw=raw)
    if protocol in (ID_PK_DH, ID_PK_ECDH):
        return ChipAuthenticationPublicKeyInfo(protocol, *_parameterised(rest, what=what), raw=raw)
    if protocol == ID_TA:
        return _parse_ta(rest, what=what, raw=raw)
    if protocol == ID_ACTIVE_AUTHENTICATION:
        _count(rest, 2, 2, what=what)
        version = _version(rest[0], (1,), what=what)
        algorithm = _der.decode_oid(_der.expect(rest[1], _der.OBJECT_IDENTIFIER, what=what).value, what=what)
        return ActiveAuthenticationInfo(algorithm, version=version, raw=raw)
    if protocol in (ID_RI_DH, ID_RI_ECDH) or protocol.startswith((ID_RI_DH + ".", ID_RI_ECDH + ".")):
        return _parse_ri(protocol, rest, what=what, raw=raw)
    if protocol == ID_CARD_INFO and rest and rest[0].tag == _der.IA5_STRING and rest[0].value.isascii():
        return CardInfo(rest[0].value.decode("ascii"), b"".join(r.raw for r in rest[1:]), raw=raw)
    if protocol == ID_PRIVILEGED_TERMINAL:
        _count(rest, 1, 1, what=what)
        inner = _parse_infos(_der.expect(rest[0], _der.SET, what=what), what=what, lenient=lenient, depth=depth + 1)
        return PrivilegedTerminalInfo(inner, raw=raw)
    if protocol == ID_EF_DIR:
        _count(rest, 1, 1, what=what)
        return EfDirInfo(_der.expect(rest[0], _der.OCTET_STRING, what=what).value, raw=raw)
    return None


def _count(rest: Sequence[_tlv.Tlv], least: int, most: int, *, what: str) -> None:
    if not least <= len(rest) <= most:
        raise MalformedDataError(f"{what}: expected {least} to {most} elements after the identifier, got {len(rest)}")


def _version(tlv: _tlv.Tlv, allowed: tuple[int, ...], *, what: str) -> int:
    version = _der.decode_unsigned(tlv, what=what)
    if version not in allowed:
        raise MalformedDataError(f"{what}: version {version} is not one of {', '.join(map(str, allowed))}")
    return version


def _versioned(rest: Sequence[_tlv.Tlv], allowed: tuple[int, ...], *, what: str) -> tuple[int, int | None]:
    _count(rest, 1, 2, what=what)
    return _version(rest[0], allowed, what=what), _der.decode_unsigned(rest[1], what=what) if rest[1:] else None


def _parameterised(rest: Sequence[_tlv.Tlv], *, what: str) -> tuple[bytes, int | None]:
    """A SEQUENCE (AlgorithmIdentifier or SubjectPublicKeyInfo) and an optional number."""
    _count(rest, 1, 2, what=what)
    _der.expect(rest[0], _der.SEQUENCE, what=what)
    return rest[0].raw, _der.decode_unsigned(rest[1], what=what) if rest[1:] else None


def _parse_ta(rest: Sequence[_tlv.Tlv], *, what: str, raw: bytes) -> TerminalAuthenticationInfo:
    _count(rest, 1, 2, what=what)
    version = _version(rest[0], (1, 2), what=what)
    fid = sfi = None
    if rest[1:]:
        parts = _der.expect(rest[1], _der.SEQUENCE, what=what).children(what=what)
        if not 1 <= len(parts) <= 2 or any(p.tag != _der.OCTET_STRING for p in parts):
            raise MalformedDataError(f"{what}: efCVCA is no FileID")
        if len(parts[0].value) != 2 or any(len(p.value) != 1 for p in parts[1:]):
            raise MalformedDataError(f"{what}: efCVCA has identifiers of another length than 2 and 1 bytes")
        fid = int.from_bytes(parts[0].value, "big")
        sfi = parts[1].value[0] if parts[1:] else None
    return TerminalAuthenticationInfo(version=version, cvca_fid=fid, cvca_sfi=sfi, raw=raw)


def _parse_ri(protocol: str, rest: Sequence[_tlv.Tlv], *, what: str, raw: bytes) -> SecurityInfo | None:
    if protocol in (ID_RI_DH, ID_RI_ECDH):
        _count(rest, 1, 1, what=what)
        return RestrictedIdentificationDomainParameterInfo(
            protocol, _der.expect(rest[0], _der.SEQUENCE, what=what).raw, raw=raw
        )
    _count(rest, 1, 2, what=what)
    parts = _der.expect(rest[0], _der.SEQUENCE, what=what).children(what=what)
    if len(parts) != 3 or parts[2].tag != _der.BOOLEAN or len(parts[2].value) != 1:
        raise MalformedDataError(f"{what}: ProtocolParams are not version, keyId and authorizedOnly")
    return RestrictedIdentificationInfo(
        protocol,
        _version(parts[0], (1,), what=what),
        _der.decode_unsigned(parts[1], what=what),
        parts[2].value != b"\0",
        _der.decode_unsigned(rest[1], what=what) if rest[1:] else None,
        raw=raw,
    )
