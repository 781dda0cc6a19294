"""One class for each SecurityInfo (ICAO 9303-11 §9.2; BSI TR-03110-3 §A.1.1), with its writer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from idverify import _tlv
from idverify.chip.lds import _der
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

CIPHERS: Final = {1: "3DES", 2: "AES-128", 3: "AES-192", 4: "AES-256"}
# arc after id-PACE -> (key agreement, mapping): TR-03110-3 §A.1.1.1, ICAO 9303-11 §9.2.1
PACE_MAPPINGS: Final = {
    1: ("DH", "GM"),
    2: ("ECDH", "GM"),
    3: ("DH", "IM"),
    4: ("ECDH", "IM"),
    6: ("ECDH", "CAM"),
}


def arcs_after(protocol: str, prefix: str) -> tuple[int, ...] | None:
    """The arcs of ``protocol`` below ``prefix``, or None where it is not below it."""
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
        return CIPHERS[int(self.protocol.rsplit(".", 1)[1])]

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


def _optional(number: int | None) -> bytes:
    return b"" if number is None else _der.encode_unsigned(number)


def _pace_arcs(protocol: str) -> tuple[str, str, str]:
    arcs = arcs_after(protocol, ID_PACE)
    if arcs is None or len(arcs) != 2 or arcs[0] not in PACE_MAPPINGS or arcs[1] not in CIPHERS:
        raise ValueError(f"not a PACE protocol: {protocol}")
    return (*PACE_MAPPINGS[arcs[0]], CIPHERS[arcs[1]])


def _standardized_id(algorithm: bytes) -> int | None:
    what = "AlgorithmIdentifier"
    parts = _tlv.parse(algorithm, _der.SEQUENCE, what=what).children(what=what)
    if len(parts) != 2 or parts[0].tag != _der.OBJECT_IDENTIFIER or parts[1].tag != _der.INTEGER:
        return None
    if _der.decode_oid(parts[0].value, what=what) != ID_STANDARDIZED_DOMAIN_PARAMETERS:
        return None
    return _der.decode_unsigned(parts[1], what=what)
