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
from idverify.errors import MalformedDataError
from idverify.oids import DomainParameters, SecurityProtocol

ID_PK_DH: Final = SecurityProtocol.PK_DH.value
ID_PK_ECDH: Final = SecurityProtocol.PK_ECDH.value
ID_TA: Final = SecurityProtocol.TA.value
ID_CA_DH: Final = SecurityProtocol.CA_DH.value
ID_CA_ECDH: Final = SecurityProtocol.CA_ECDH.value
ID_PACE: Final = "0.4.0.127.0.7.2.2.4"
ID_RI_DH: Final = SecurityProtocol.RI_DH.value
ID_RI_ECDH: Final = SecurityProtocol.RI_ECDH.value
ID_CARD_INFO: Final = SecurityProtocol.CARD_INFO.value
ID_PRIVILEGED_TERMINAL: Final = SecurityProtocol.PRIVILEGED_TERMINAL.value
ID_STANDARDIZED_DOMAIN_PARAMETERS: Final = DomainParameters.STANDARDIZED.value
ID_ACTIVE_AUTHENTICATION: Final = SecurityProtocol.ACTIVE_AUTHENTICATION.value
ID_EF_DIR: Final = SecurityProtocol.EF_DIR.value

MAX_INFOS: Final = 128
MAX_NESTED: Final = 3

_CIPHERS: Final = {1: "3DES", 2: "AES-128", 3: "AES-192", 4: "AES-256"}
# arc after id-PACE -> (key agreement, mapping): TR-03110-3 §A.1.1.1, ICAO 9303-11 §9.2.1
_PACE_MAPPINGS: Final = {
    1: ("DH", "GM"),
    2: ("ECDH", "GM"),
    3: ("DH", "IM"),
    4: ("ECDH", "IM"),
    6: ("ECDH", "CAM"),
}

_CAM_3DES: Final = (6, 1)  # chip authentication mapping is defined for AES only


def _arcs_after(protocol: str, prefix: str) -> tuple[int, ...] | None:
    if not protocol.startswith(prefix + "."):
        return None
    return tuple(int(a) for a in protocol[len(prefix) + 1 :].split("."))


@dataclass(frozen=True, slots=True)
class SecurityInfo:
    """One SecurityInfo.

    Attributes:
        protocol: dotted object identifier.
        raw: the whole SEQUENCE as read; empty where it was made here. Never in a ``repr``, never compared.
    """

    protocol: str
    raw: bytes = field(default=b"", repr=False, compare=False, kw_only=True)

    def _content(self) -> bytes:
        raise NotImplementedError

    def encode(self) -> bytes:
        """The DER SEQUENCE built from the fields."""
        return _tlv.encode(_der.SEQUENCE, _der.encode_oid(self.protocol), self._content())


@dataclass(frozen=True, slots=True)
class UnknownSecurityInfo(SecurityInfo):
    """A SecurityInfo of another protocol, kept as bytes.

    Attributes:
        content: everything after the object identifier.
        problem: why a known protocol could not be read (only from a lenient parse), else None.
    """

    content: bytes = field(repr=False)
    problem: str | None = field(default=None, compare=False)

    def _content(self) -> bytes:
        return self.content


@dataclass(frozen=True, slots=True)
class PaceInfo(SecurityInfo):
    """PACEInfo (ICAO 9303-11 §9.2.1).

    Attributes:
        protocol: one of id-PACE-(DH|ECDH)-(GM|IM|CAM)-….
        version: 2; 1 was used by test cards before TR-03110 2.0.
        parameter_id: standardised domain parameters (ICAO 9303-11 table 8), or the reference of a
            :class:`PaceDomainParameterInfo`, or None.
    """

    version: int = 2
    parameter_id: int | None = None

    @property
    def key_agreement(self) -> str:
        """``DH`` or ``ECDH``."""
        return _pace_arcs(self.protocol)[0]

    @property
    def mapping(self) -> str:
        """``GM``, ``IM`` or ``CAM``."""
        return _pace_arcs(self.protocol)[1]

    @property
    def cipher(self) -> str:
        """``3DES``, ``AES-128``, ``AES-192`` or ``AES-256``."""
        return _pace_arcs(self.protocol)[2]

    def _content(self) -> bytes:
        return _der.encode_unsigned(self.version) + _optional(self.parameter_id)


@dataclass(frozen=True, slots=True)
class PaceDomainParameterInfo(SecurityInfo):
    """PACEDomainParameterInfo (ICAO 9303-11 §9.2.1): explicit or standardised parameters under a reference.

    Attributes:
        protocol: id-PACE-(DH|ECDH)-(GM|IM|CAM), without cipher.
        domain_parameter: the AlgorithmIdentifier, DER.
        parameter_id: the reference, or None.
    """

    domain_parameter: bytes = field(repr=False)
    parameter_id: int | None = None

    @property
    def standardized_id(self) -> int | None:
        """The identifier where the parameters are standardised ones, else None."""
        return _standardized_id(self.domain_parameter)

    def _content(self) -> bytes:
        return self.domain_parameter + _optional(self.parameter_id)


@dataclass(frozen=True, slots=True)
class ChipAuthenticationInfo(SecurityInfo):
    """ChipAuthenticationInfo (ICAO 9303-11 §9.2.2).

    Attributes:
        protocol: id-CA-(DH|ECDH)-….
        version: 1, 2 or 3.
        key_id: identifier of the key to use, or None.
    """

    version: int = 1
    key_id: int | None = None

    @property
    def key_agreement(self) -> str:
        """``DH`` or ``ECDH``."""
        return "DH" if self.protocol.startswith(ID_CA_DH + ".") else "ECDH"

    @property
    def cipher(self) -> str:
        """``3DES``, ``AES-128``, ``AES-192`` or ``AES-256``."""
        return _CIPHERS[int(self.protocol.rsplit(".", 1)[1])]

    def _content(self) -> bytes:
        return _der.encode_unsigned(self.version) + _optional(self.key_id)


@dataclass(frozen=True, slots=True)
class ChipAuthenticationDomainParameterInfo(SecurityInfo):
    """ChipAuthenticationDomainParameterInfo (BSI TR-03110-3 §A.1.1.2).

    Attributes:
        protocol: id-CA-DH or id-CA-ECDH.
        domain_parameter: the AlgorithmIdentifier, DER.
        key_id: identifier of the key, or None.
    """

    domain_parameter: bytes = field(repr=False)
    key_id: int | None = None

    @property
    def standardized_id(self) -> int | None:
        """The identifier where the parameters are standardised ones, else None."""
        return _standardized_id(self.domain_parameter)

    def _content(self) -> bytes:
        return self.domain_parameter + _optional(self.key_id)


@dataclass(frozen=True, slots=True)
class ChipAuthenticationPublicKeyInfo(SecurityInfo):
    """ChipAuthenticationPublicKeyInfo (ICAO 9303-11 §9.2.2).

    Attributes:
        protocol: id-PK-DH or id-PK-ECDH.
        public_key: the SubjectPublicKeyInfo, DER as read.
        key_id: identifier of the key, or None.
    """

    public_key: bytes = field(repr=False)
    key_id: int | None = None

    @property
    def key_agreement(self) -> str:
        """``DH`` or ``ECDH``."""
        return "DH" if self.protocol == ID_PK_DH else "ECDH"

    def _content(self) -> bytes:
        return self.public_key + _optional(self.key_id)


@dataclass(frozen=True, slots=True)
class TerminalAuthenticationInfo(SecurityInfo):
    """TerminalAuthenticationInfo (ICAO 9303-11 §9.2.6; BSI TR-03110-3 §A.1.1.3).

    Attributes:
        protocol: id-TA.
        version: 1 or 2.
        cvca_fid: file identifier of EF.CVCA, two bytes as an integer, or None (then 011C; version 1 only).
        cvca_sfi: its short identifier, or None.
    """

    protocol: str = field(default=ID_TA, kw_only=True)
    version: int = 1
    cvca_fid: int | None = None
    cvca_sfi: int | None = None

    def _content(self) -> bytes:
        content = _der.encode_unsigned(self.version)
        if self.cvca_fid is not None:
            parts = [_tlv.encode(_der.OCTET_STRING, self.cvca_fid.to_bytes(2, "big"))]
            if self.cvca_sfi is not None:
                parts.append(_tlv.encode(_der.OCTET_STRING, bytes([self.cvca_sfi])))
            content += _tlv.encode(_der.SEQUENCE, *parts)
        return content


@dataclass(frozen=True, slots=True)
class ActiveAuthenticationInfo(SecurityInfo):
    """ActiveAuthenticationInfo (ICAO 9303-11 §9.2.4): present where the key is an EC key.

    Attributes:
        protocol: id-icao-mrtd-security-aaProtocolObject.
        version: 1.
        signature_algorithm: dotted object identifier (BSI TR-03111 ecdsa-plain-SHA…, or an X9.62 one).
    """

    signature_algorithm: str
    protocol: str = field(default=ID_ACTIVE_AUTHENTICATION, kw_only=True)
    version: int = 1

    def _content(self) -> bytes:
        return _der.encode_unsigned(self.version) + _der.encode_oid(self.signature_algorithm)


@dataclass(frozen=True, slots=True)
class RestrictedIdentificationInfo(SecurityInfo):
    """RestrictedIdentificationInfo (BSI TR-03110-3 §A.1.1.4).

    Attributes:
        protocol: id-RI-(DH|ECDH)-….
        version: 1.
        key_id: identifier of the key.
        authorized_only: whether only an authorised terminal may use it.
        max_key_length: greatest length of a sector key in bits, or None.
    """

    version: int
    key_id: int
    authorized_only: bool
    max_key_length: int | None = None

    def _content(self) -> bytes:
        parameters = _tlv.encode(
            _der.SEQUENCE,
            _der.encode_unsigned(self.version),
            _der.encode_unsigned(self.key_id),
            _tlv.encode(_der.BOOLEAN, b"\xff" if self.authorized_only else b"\0"),
        )
        return parameters + _optional(self.max_key_length)


@dataclass(frozen=True, slots=True)
class RestrictedIdentificationDomainParameterInfo(SecurityInfo):
    """RestrictedIdentificationDomainParameterInfo (BSI TR-03110-3 §A.1.1.4).

    Attributes:
        protocol: id-RI-DH or id-RI-ECDH.
        domain_parameter: the AlgorithmIdentifier, DER.
    """

    domain_parameter: bytes = field(repr=False)

    def _content(self) -> bytes:
        return self.domain_parameter


@dataclass(frozen=True, slots=True)
class CardInfo(SecurityInfo):
    """CardInfo, earlier CardInfoLocator (BSI TR-03110-3 §A.1.1.5).

    Attributes:
        url: where a description of the card is, as the card writes it.
        optional: whatever follows, DER.
    """

    url: str
    optional: bytes = field(default=b"", repr=False)
    protocol: str = field(default=ID_CARD_INFO, kw_only=True)

    def _content(self) -> bytes:
        return _tlv.encode(_der.IA5_STRING, self.url.encode("ascii")) + self.optional


@dataclass(frozen=True, slots=True)
class PrivilegedTerminalInfo(SecurityInfo):
    """PrivilegedTerminalInfo (BSI TR-03110-3 §A.1.1.7): infos that only privileged terminals may use.

    Attributes:
        infos: the infos inside.
    """

    infos: tuple[SecurityInfo, ...]
    protocol: str = field(default=ID_PRIVILEGED_TERMINAL, kw_only=True)

    def _content(self) -> bytes:
        return _tlv.encode(_der.SET, *(i.encode() for i in self.infos))


@dataclass(frozen=True, slots=True)
class EfDirInfo(SecurityInfo):
    """EFDIRInfo (ICAO 9303-10 §4.4, §3.11.4): a copy of EF.DIR, to be compared with the file.

    Attributes:
        content: the bytes of EF.DIR.
    """

    content: bytes = field(repr=False)
    protocol: str = field(default=ID_EF_DIR, kw_only=True)

    def _content(self) -> bytes:
        return _tlv.encode(_der.OCTET_STRING, self.content)


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


def _optional(number: int | None) -> bytes:
    return b"" if number is None else _der.encode_unsigned(number)


def _pace_arcs(protocol: str) -> tuple[str, str, str]:
    arcs = _arcs_after(protocol, ID_PACE)
    if arcs is None or len(arcs) != 2 or arcs[0] not in _PACE_MAPPINGS or arcs[1] not in _CIPHERS:
        raise ValueError(f"not a PACE protocol: {protocol}")
    return (*_PACE_MAPPINGS[arcs[0]], _CIPHERS[arcs[1]])


def _standardized_id(algorithm: bytes) -> int | None:
    what = "AlgorithmIdentifier"
    parts = _tlv.parse(algorithm, _der.SEQUENCE, what=what).children(what=what)
    if len(parts) != 2 or parts[0].tag != _der.OBJECT_IDENTIFIER or parts[1].tag != _der.INTEGER:
        return None
    if _der.decode_oid(parts[0].value, what=what) != ID_STANDARDIZED_DOMAIN_PARAMETERS:
        return None
    return _der.decode_unsigned(parts[1], what=what)


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
    if (arcs := _arcs_after(protocol, ID_PACE)) is not None and arcs[0] in _PACE_MAPPINGS:
        if len(arcs) == 2 and arcs[1] in _CIPHERS and arcs != _CAM_3DES:
            version, parameter = _versioned(rest, (1, 2), what=what)
            return PaceInfo(protocol, version, parameter, raw=raw)
        if len(arcs) == 1:
            return PaceDomainParameterInfo(protocol, *_parameterised(rest, what=what), raw=raw)
        return None
    for base in (ID_CA_DH, ID_CA_ECDH):
        if protocol == base:
            return ChipAuthenticationDomainParameterInfo(protocol, *_parameterised(rest, what=what), raw=raw)
        arcs = _arcs_after(protocol, base)
        if arcs is not None and len(arcs) == 1 and arcs[0] in _CIPHERS:
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
