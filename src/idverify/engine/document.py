"""What the files of a document say: the holder, the pictures, and the checks on them that need no signature.

Never does I/O; hostile bytes give a reason, not an exception.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from idverify._secret import Secret
from idverify.chip import cccd
from idverify.chip.access.password import AccessPassword, PasswordKind
from idverify.chip.lds.dg1 import DG1
from idverify.chip.lds.dg2 import DG2
from idverify.chip.lds.dg3 import DG3
from idverify.chip.lds.dg13_vn import CitizenDetails
from idverify.chip.lds.files import FileId
from idverify.chip.lds.images import ImageFormat
from idverify.chip.lds.mrz import Mrz, document_validity
from idverify.errors import ConfigurationError, MalformedDataError
from idverify.report import CheckId, CheckResult, CheckStatus, Reason

MAX_STORED: Final = 20
"""Most pictures of one data group that are looked at."""
_PRINTED: Final = (
    "document_code", "issuing_state", "name", "document_number", "nationality", "date_of_birth", "sex",
    "date_of_expiry", "optional_data_1", "optional_data_2",
)  # fmt: skip
_USUAL_DPI: Final = 500.0  # of finger images (ICAO 9303-10 §4.7.3); where a record says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The holder as the chip names them. Meaningful only where the report's hashes are successful.

    Attributes:
        number: the citizen's 12-digit number, else the document number.
        name: as in the MRZ: surname, comma, given names; Vietnamese names without diacritics.
        birth: date of birth, or None where the MRZ leaves it open.
        sex: ``M``, ``F`` or ``X``.
        nationality: three-letter code.
        expiry: last day of validity; None where unlimited or unreadable.
        unlimited: whether the document never expires.
        details: data group 13 of the citizen card, with diacritics; None for other documents.
    """

    number: str = field(repr=False)
    name: str = field(repr=False)
    birth: date | None = field(repr=False)
    sex: str = field(repr=False)
    nationality: str = field(repr=False)
    expiry: date | None = field(repr=False)
    unlimited: bool = field(repr=False)
    details: CitizenDetails | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipPicture:
    """A picture out of the chip.

    Attributes:
        data: the encoded picture, or raw grey pixels where ``size`` is given; personal data.
        size: width and height of raw pixels, or None for an encoded picture.
        dpi: resolution, for fingers.
        position: finger by ISO/IEC 19794-2 table 5, 1 … 10; 0 where the record names none.
    """

    data: bytes = field(repr=False)
    size: tuple[int, int] | None = None
    dpi: float = 500.0
    position: int = 0


def portrait_of(files: Mapping[FileId, bytes]) -> tuple[bytes | None, str | None, Reason]:
    """The portrait of DG2, its media type, and why there is none."""
    raw = files.get(FileId.DG2)
    if raw is None:
        return None, None, Reason.NO_PORTRAIT
    try:
        face = DG2.parse(raw).portrait
    except MalformedDataError:
        return None, None, Reason.FILE_MALFORMED
    return face.image, face.image_format.value, Reason.OK


def prints_of(raw: bytes) -> tuple[list[ChipPicture], Reason]:
    """The prints of DG3, and why there are none."""
    try:
        group = DG3.parse(raw)
    except MalformedDataError:
        return [], Reason.FILE_MALFORMED
    found = []
    for image, per_inch in zip(group.images[:MAX_STORED], group.resolutions[:MAX_STORED], strict=True):
        size = (image.width, image.height) if image.image_format is ImageFormat.RAW else None
        position = image.position if 1 <= image.position <= 10 else 0  # 13 … 15 are several fingers at once
        found.append(ChipPicture(data=image.image, size=size, dpi=per_inch or _USUAL_DPI, position=position))
    return found, Reason.OK if found else Reason.SAMPLE_MISSING


def _details(files: Mapping[FileId, bytes]) -> CitizenDetails | None:
    raw = files.get(FileId.DG13)
    try:
        return CitizenDetails.parse(raw) if raw is not None else None
    except MalformedDataError:
        return None


def _mrz_file(files: Mapping[FileId, bytes]) -> DG1 | None:
    raw = files.get(FileId.DG1)
    try:
        return DG1.parse(raw) if raw is not None else None
    except MalformedDataError:
        return None


def document_checks(files: Mapping[FileId, bytes], at: datetime) -> list[CheckResult]:
    dg1 = _mrz_file(files)
    if dg1 is None:
        malformed = FileId.DG1 in files
        return [
            CheckResult(
                check=CheckId.DOCUMENT_VALIDITY,
                status=CheckStatus.FAILED if malformed else CheckStatus.NOT_PERFORMED,
                reason=Reason.FILE_MALFORMED if malformed else Reason.NOT_READ,
            )
        ]
    checks = [document_validity(dg1.mrz, at)]
    if cccd.is_citizen_card(dg1.mrz):
        details = _details(files)
        if details is None and FileId.DG13 in files:
            checks.append(
                CheckResult(
                    check=CheckId.CCCD_CONSISTENCY, status=CheckStatus.FAILED, reason=Reason.FILE_MALFORMED,
                    subject=FileId.DG13.label,
                )
            )  # fmt: skip
        else:
            checks.append(cccd.cross_check(dg1, details))
    return checks


def check_data_page(
    files: Mapping[FileId, bytes], passwords: AccessPassword | Sequence[AccessPassword]
) -> list[CheckResult]:
    """Whether DG1 says what the MRZ of the data page says, where that was read.

    Document number and dates are compared where only they are known, the whole MRZ where it was given; then the
    evidence names the ``fields`` that differ (ICAO 9303-10 §4.7.1: DG1 holds the MRZ as printed).
    """
    given = (passwords,) if isinstance(passwords, AccessPassword) else tuple(passwords)
    dg1, printed = _mrz_file(files), next((p for p in given if p.kind is PasswordKind.MRZ), None)
    if dg1 is None or printed is None:
        return []
    mrz, same, fields = dg1.mrz, False, ""
    try:
        stored = AccessPassword.mrz(mrz.document_number, mrz.date_of_birth, mrz.date_of_expiry)
        same = hmac.compare_digest(stored.value.reveal(), printed.value.reveal())
    except ConfigurationError:
        pass  # fields that can be no key cannot be those that opened the chip
    if printed.data_page is not None:
        fields = _differing(mrz, printed.data_page.reveal())
    if same and not fields:
        return []
    evidence = {"compared-with": "data page"} | ({"fields": fields} if fields else {})
    return [
        CheckResult(
            check=CheckId.DOCUMENT_CONTENTS, status=CheckStatus.FAILED, reason=Reason.FIELDS_DIFFER,
            subject=FileId.DG1.label, evidence=evidence,
        )
    ]  # fmt: skip


def _differing(stored: Mrz, printed: Mrz) -> str:
    """Names of the fields in which two MRZ differ; empty where they are the same."""
    if stored == printed:
        return ""
    if stored.format is not printed.format:
        return "format"
    return " ".join(n for n in _PRINTED if getattr(stored, n) != getattr(printed, n)) or "check_digits"


def holder_of(files: Mapping[FileId, bytes], today: date) -> Secret[Holder] | None:
    dg1 = _mrz_file(files)
    if dg1 is None:
        return None
    mrz = dg1.mrz
    citizen = cccd.number_from_mrz(mrz) if cccd.is_citizen_card(mrz) else None
    return Secret(
        Holder(
            number=citizen.digits if citizen else mrz.document_number,
            name=", ".join(part for part in (mrz.surname, mrz.given_names) if part),
            birth=mrz.birth_date(today),
            sex=mrz.sex or "X",
            nationality=mrz.nationality,
            expiry=None if mrz.unlimited else mrz.expiry_date,
            unlimited=mrz.unlimited,
            details=_details(files) if citizen else None,
        )
    )


def personal_number(files: Mapping[FileId, bytes]) -> Secret[str] | None:
    """The citizen's number, else the document number; None where DG1 was not read."""
    dg1 = _mrz_file(files)
    if dg1 is None:
        return None
    citizen = cccd.number_from_mrz(dg1.mrz)
    return Secret(citizen.digits if citizen else dg1.mrz.document_number)
