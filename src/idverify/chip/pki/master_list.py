"""CSCA master lists (ICAO 9303-12 §8 and appendix C)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self

from asn1crypto import core

from idverify import _asn1
from idverify.chip.pki.cms import SignedData, Verdict
from idverify.errors import MalformedDataError
from idverify.oids import Icao

MAX_CERTIFICATES: Final = 50_000


class _Certificates(core.SetOf):  # type: ignore[misc]
    _child_spec = core.Any


class _MasterList(core.Sequence):  # type: ignore[misc]
    _fields = [("version", core.Integer), ("certificates", _Certificates)]  # noqa: RUF012 - asn1crypto's way


@dataclass(frozen=True, slots=True)
class MasterList:
    """A master list as read; its entries are not decoded, so that one bad entry does not spoil the others.

    Attributes:
        version: list version, 0.
        entries: the encodings of the certificates, in order, as they stand in the list.
        signed: the CMS structure; its certificates are the signer's and usually the signer's CSCA.
        verdict: whether the list's signature verifies under the certificate that it brings. Whether that certificate
            is trusted is another question: :func:`idverify.chip.pki.path.build_path`.
    """

    version: int
    entries: tuple[bytes, ...] = field(repr=False)
    signed: SignedData = field(repr=False)
    verdict: Verdict

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a list and verify its own signature.

        Raises:
            MalformedDataError: not a master list.
        """
        signed = SignedData.parse(raw, what="master list", allow_trailing=True)
        return cls.from_signed(signed)

    @classmethod
    def from_signed(cls, signed: SignedData) -> Self:
        """The list inside a SignedData that was read already.

        Raises:
            MalformedDataError: its content is no master list, or has more than :data:`MAX_CERTIFICATES` entries.
        """
        what = "master list"
        if signed.content_type != Icao.CSCA_MASTER_LIST:
            raise MalformedDataError(f"{what}: the content is of another type")
        value = _asn1.load(_MasterList, signed.content, what=what, max_elements=_asn1.MAX_LIST_ELEMENTS)
        with _asn1.guard(what):
            version = int(value["version"].native)
            if len(value["certificates"]) > MAX_CERTIFICATES:
                raise MalformedDataError(f"{what}: more than {MAX_CERTIFICATES} certificates")
            entries = tuple(_asn1.raw(item, what=what) for item in value["certificates"])
        return cls(version, entries, signed, signed.verify({Icao.CSCA_MASTER_LIST}))
