"""EF.SOD: the document security object and the hashes that it signs (ICAO 9303-10 §4.6.2).

Only the file's shell and the signed hash list are read here; the signature is :mod:`idverify.chip.pki`'s affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Self

from asn1crypto import core

from idverify import _asn1, _tlv
from idverify.crypto.signature import AlgorithmId, hash_name, hash_oid
from idverify.errors import MalformedDataError

TAG: Final = 0x77
_HASH_BYTES: Final = {"sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}


@dataclass(frozen=True, slots=True)
class EfSod:
    """The file EF.SOD.

    Attributes:
        raw: the file as read.
        cms: the CMS ContentInfo inside, as read; BER with indefinite lengths occurs (New Zealand).
        trailing: bytes that follow the CMS structure, inside or behind the outer tag.
    """

    raw: bytes = field(repr=False)
    cms: bytes = field(repr=False)
    trailing: int = 0

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Open the outer tag 77.

        Raises:
            MalformedDataError: another tag, cut off, or no ASN.1 inside.
        """
        what = "EF.SOD"
        if raw[:2] == b"\x77\x80":  # indefinite outer length: the content runs up to its end-of-contents bytes
            end = _asn1.scan(raw, what=what, allow_trailing=True)
            body, behind = raw[2 : end - 2], len(raw) - end
        else:
            outer = _tlv.parse(raw, TAG, what=what, allow_trailing=True)
            body, behind = outer.value, len(raw) - len(outer.raw)
        used = _asn1.scan(body, what=what, allow_trailing=True)
        return cls(bytes(raw), body[:used], len(body) - used + behind)

    @staticmethod
    def encode(cms: bytes) -> bytes:
        """The file with that CMS structure."""
        return _tlv.encode(TAG, cms)


class _DataGroupHash(core.Sequence):  # type: ignore[misc]
    _fields = [("number", core.Integer), ("value", core.OctetString)]  # noqa: RUF012 - asn1crypto's way


class _DataGroupHashes(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _DataGroupHash


class _VersionInfo(core.Sequence):  # type: ignore[misc]
    _fields = [("lds", core.PrintableString), ("unicode", core.PrintableString)]  # noqa: RUF012


class _SecurityObject(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("algorithm", AlgorithmId),
        ("hashes", _DataGroupHashes),
        ("info", _VersionInfo, {"optional": True}),
    ]


@dataclass(frozen=True, slots=True)
class SecurityObject:
    """LDSSecurityObject (ICAO 9303-10 §4.6.2.3).

    Attributes:
        version: 0 or 1.
        hash_algorithm: ``sha1`` … ``sha512``.
        hashes: data group number 1 … 16 to its hash.
        lds_version: version of the logical data structure as written in version 1 (``0108``), or None.
        unicode_version: Unicode version as written in version 1 (``040000``), or None.
        null_parameters: the hash algorithm has NULL parameters, where RFC 5754 §2 asks for none.
    """

    version: int
    hash_algorithm: str
    hashes: Mapping[int, bytes] = field(repr=False)
    lds_version: str | None = None
    unicode_version: str | None = None
    null_parameters: bool = False

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read the eContent of EF.SOD.

        Raises:
            MalformedDataError: not an LDSSecurityObject, a version other than 0 and 1, a data group twice or outside
                1 … 16, or a hash of another length than its algorithm gives.
            UnsupportedAlgorithmError: a hash other than SHA-1 … SHA-512.
        """
        what = "LDS security object"
        value = _asn1.load(_SecurityObject, content, what=what)
        with _asn1.guard(what):
            version = value["version"].native
            if version not in (0, 1):
                raise MalformedDataError(f"{what}: expected version 0 or 1")
            algorithm = hash_name(value["algorithm"].split(what)[0])
            null = _asn1.present(value["algorithm"]["parameters"])
            hashes: dict[int, bytes] = {}
            for item in value["hashes"]:
                number, hashed = item["number"].native, bytes(item["value"].native)
                if not 1 <= number <= 16 or number in hashes:
                    raise MalformedDataError(f"{what}: a data group number out of range or given twice")
                if len(hashed) != _HASH_BYTES[algorithm]:
                    raise MalformedDataError(f"{what}: the hash of DG{number} has {len(hashed)} bytes")
                hashes[number] = hashed
            info = value["info"]
            present = _asn1.present(info)
            lds = str(info["lds"].native) if present else None
            unicode_version = str(info["unicode"].native) if present else None
        return cls(version, algorithm, MappingProxyType(hashes), lds, unicode_version, null)

    def encode(self) -> bytes:
        """The DER of this object, the hashes in the order of ``hashes``.

        Raises:
            UnsupportedAlgorithmError: an unknown hash name.
        """
        fields: dict[str, object] = {
            "version": self.version,
            "algorithm": {"algorithm": hash_oid(self.hash_algorithm)}
            | ({"parameters": core.Null()} if self.null_parameters else {}),
            "hashes": [{"number": n, "value": self.hashes[n]} for n in self.hashes],
        }
        if self.lds_version is not None:
            fields["info"] = {"lds": self.lds_version, "unicode": self.unicode_version or "040000"}
        encoded: bytes = _SecurityObject(fields).dump()
        return encoded
