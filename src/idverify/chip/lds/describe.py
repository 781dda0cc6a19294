"""What a file of the chip, or a biometric record, holds, in words. No I/O.

For people who look at their own file on purpose: personal data is in it, wrapped in
:class:`~idverify._secret.Secret`, so that whoever prints it decides to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from idverify import _tlv
from idverify._secret import Secret
from idverify.chip.lds import security_infos as si
from idverify.chip.lds.card_files import EfAtrInfo, EfCvca, EfDir
from idverify.chip.lds.com import EfCom
from idverify.chip.lds.details import DG11, DG12, DG16, Details
from idverify.chip.lds.dg1 import DG1
from idverify.chip.lds.dg2 import DG2
from idverify.chip.lds.dg3 import DG3
from idverify.chip.lds.dg4 import DG4
from idverify.chip.lds.dg13_vn import FIELD_NAMES, CitizenDetails
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.dg15 import DG15
from idverify.chip.lds.displayed import DG5, DG7, DisplayedImages, Features
from idverify.chip.lds.files import FileId
from idverify.chip.lds.iso19794_2 import MinutiaeRecord, RecordFormat
from idverify.chip.lds.iso19794_4 import FingerImage, FingerImageRecord, position_name
from idverify.chip.lds.iso19794_5 import FaceImage, FaceRecord
from idverify.chip.lds.iso19794_6 import EYES, IrisImage, IrisImageRecord
from idverify.chip.lds.iso39794 import DataBlock, Part, Representation
from idverify.errors import MalformedDataError

Line = tuple[str, str | Secret[str]]
_Reader = Callable[[bytes], "Description"]


@dataclass(frozen=True, slots=True)
class Description:
    """What the bytes hold.

    Attributes:
        kind: name of the file or record in the standard's words.
        lines: label and text, in order; personal data is a Secret.
        problems: deviations from the standard.
    """

    kind: str
    lines: tuple[Line, ...] = field(repr=False)
    problems: tuple[str, ...] = ()

    @property
    def personal(self) -> bool:
        """Whether personal data is in it."""
        return any(isinstance(text, Secret) for _, text in self.lines)


def describe(raw: bytes) -> Description:
    """Recognise a file of the chip or a biometric record by its content, and describe it.

    EF.SOD, EF.CardSecurity and certificates are not described here: :mod:`idverify.chip.pki` reads them.

    Raises:
        MalformedDataError: nothing that is known here, or a known kind that cannot be read.
    """
    for magic, reader in _RECORDS:
        if raw.startswith(magic):
            return reader(raw)
    readers = _FILES.get(raw[0], ()) if raw else ()
    error: MalformedDataError | None = None
    for reader in readers:
        try:
            return reader(raw)
        except MalformedDataError as caught:
            error = error or caught
    raise error or MalformedDataError(
        "nothing that is known here: no file of a chip, certificate, list or biometric record"
    )


def _com(raw: bytes) -> Description:
    com = EfCom.parse(raw)
    lines: list[Line] = [
        ("LDS version", com.lds_version or "missing"),
        ("Unicode version", com.unicode_version or "missing"),
        ("data groups", ", ".join(f.label for f in com.data_groups)),
    ]
    if com.unknown_tags:
        lines.append(("unknown tags", ", ".join(f"{t:02X}" for t in com.unknown_tags)))
    return Description("EF.COM", tuple(lines), com.problems)


def _dg1(raw: bytes) -> Description:
    mrz = DG1.parse(raw).mrz
    lines: list[Line] = [("format", mrz.format.name)]
    lines += ((f"line {i}", Secret(line)) for i, line in enumerate(mrz.lines, 1))
    for name in (
        "document_code", "issuing_state", "document_number", "surname", "given_names", "nationality", "date_of_birth",
        "sex", "date_of_expiry", "optional_data_1", "optional_data_2",
    ):  # fmt: skip
        value: str = getattr(mrz, name)
        if value:
            lines.append((name.replace("_", " "), Secret(value)))
    if mrz.unlimited:
        lines.append(("validity", "unlimited"))
    return Description("DG1", tuple(lines), mrz.problems)


def _face(face: FaceImage) -> str:
    size = f"{face.width} x {face.height} pixels" if face.width and face.height else "size not said"
    points = f", {len(face.points)} feature points" if face.points else ""
    return f"{face.image_format.value}, {size}, {len(face.image)} bytes{points}"


def _finger(image: FingerImage) -> str:
    size = f"{image.width} x {image.height} pixels, " if image.width and image.height else ""
    return f"{image.position_name}: {image.image_format.value}, {size}{len(image.image)} bytes"


def _iris(image: IrisImage) -> str:
    return f"{EYES.get(image.eye, 'unknown')} eye: {image.image_format.value}, {len(image.image)} bytes"


def _dg2(raw: bytes) -> Description:
    dg2 = DG2.parse(raw)
    later = any(f.representation for f in dg2.faces)
    record = "ISO/IEC 19794-5:2011" if later else "ISO/IEC 19794-5"
    lines: list[Line] = [("record", "ISO/IEC 39794-5" if dg2.data_blocks else record)]
    lines += ((f"face {i}", _face(f)) for i, f in enumerate(dg2.faces, 1))
    return Description("DG2", tuple(lines), dg2.problems)


def _dg3(raw: bytes) -> Description:
    dg3 = DG3.parse(raw)
    lines: list[Line] = _records(4, [r.edition for r in dg3.records], dg3.data_blocks)
    lines += ((f"finger {i}", _finger(f)) for i, f in enumerate(dg3.images, 1))
    return Description("DG3", tuple(lines or [("fingers", "none")]), dg3.problems)


def _dg4(raw: bytes) -> Description:
    dg4 = DG4.parse(raw)
    lines: list[Line] = _records(6, [r.edition for r in dg4.records], dg4.data_blocks)
    lines += ((f"iris {i}", _iris(f)) for i, f in enumerate(dg4.images, 1))
    return Description("DG4", tuple(lines or [("irises", "none")]), dg4.problems)


def _records(part: int, editions: list[int], blocks: tuple[DataBlock, ...]) -> list[Line]:
    """Which standards the records of a file follow."""
    names = [f"ISO/IEC 19794-{part}:2011" if e == 2011 else f"ISO/IEC 19794-{part}" for e in editions]
    names += [f"ISO/IEC 39794-{part}"] * len(blocks)
    return [("record", ", ".join(dict.fromkeys(names)))] if names else []


def _displayed(kind: type[DisplayedImages]) -> _Reader:
    def read(raw: bytes) -> Description:
        found = kind.parse(raw)
        lines: list[Line] = [
            (f"picture {i}", f"{form.value if form else 'unknown format'}, {len(image)} bytes")
            for i, (form, image) in enumerate(zip(found.formats, found.images, strict=True), 1)
        ]
        return Description(kind.NAME, tuple(lines), found.problems)

    return read


def _features(raw: bytes) -> Description:
    found = Features.parse(raw)
    return Description(f"DG{found.number}", tuple((f"object {t:02X}", f"{len(v)} bytes") for t, v in found.objects))


def _details(kind: type[Details]) -> _Reader:
    def read(raw: bytes) -> Description:
        found = kind.parse(raw)
        lines: list[Line] = []
        for tag, value in found.objects:
            name = kind.TAGS.get(tag)
            if name is not None:
                when = found.date(tag) if name.startswith("date") else None
                lines.append((name, Secret(when.isoformat() if when else found.text(tag) or "")))
            elif tag not in (0x02, 0xA0):
                lines.append((f"object {tag:02X}", f"{len(value)} bytes"))
        if isinstance(found, DG11):
            lines += (("other name", Secret(n)) for n in found.other_names)
        if isinstance(found, DG12):
            lines += (("other person", Secret(n)) for n in found.other_persons)
        return Description(kind.NAME, tuple(lines))

    return read


def _dg13(raw: bytes) -> Description:
    details = CitizenDetails.parse(raw)
    lines: list[Line] = []
    for name in (*FIELD_NAMES.values(), "father", "mother"):
        value: str | None = getattr(details, name)
        if value is not None:
            lines.append((name.replace("_", " "), Secret(value)))
    lines += ((f"field {n}", f"{len(v)} bytes") for n, v in details.others.items())
    return Description("DG13 of the Vietnamese citizen card", tuple(lines), details.problems)


def _opaque(raw: bytes) -> Description:
    file = FileId.from_tag(raw[0])
    name = file.label if file is not None else "data group"
    content = _tlv.parse(raw, raw[0], what=name, allow_trailing=True).value
    return Description(name, (("content", f"{len(content)} bytes of the issuer's own"),))


def _dg16(raw: bytes) -> Description:
    lines: list[Line] = []
    for index, person in enumerate(DG16.parse(raw).persons, 1):
        texts = (person.name, person.telephone, person.address, person.recorded and person.recorded.isoformat())
        lines.append((f"person {index}", Secret(", ".join(t for t in texts if t))))
    return Description("DG16", tuple(lines))


def describe_security_infos(infos: si.SecurityInfos) -> tuple[Line, ...]:
    """One line a SecurityInfo."""
    return tuple(_info(i) for i in infos.infos)


def _info(info: si.SecurityInfo) -> Line:
    parts = [info.protocol]
    if isinstance(info, si.PaceInfo):
        parts = [f"{info.key_agreement}, {info.mapping} mapping, {info.cipher}"]
    elif isinstance(info, si.ChipAuthenticationInfo):
        parts = [f"{info.key_agreement}, {info.cipher}"]
    for name in ("version", "parameter_id", "standardized_id", "key_id", "signature_algorithm", "url", "problem"):
        value = getattr(info, name, None)
        if value is not None:
            parts.append(f"{name.replace('_', ' ')} {value}")
    if isinstance(info, si.TerminalAuthenticationInfo) and info.cvca_fid is not None:
        parts.append(f"EF.CVCA {info.cvca_fid:04X}")
    if isinstance(info, si.PrivilegedTerminalInfo):
        parts.append(f"{len(info.infos)} infos inside")
    return type(info).__name__, ", ".join(parts)


def _trailing(infos: si.SecurityInfos) -> tuple[str, ...]:
    return (f"{infos.trailing} bytes follow the SET",) if infos.trailing else ()


def _card_access(raw: bytes) -> Description:
    infos = si.SecurityInfos.parse_card_access(raw)
    return Description("EF.CardAccess", describe_security_infos(infos), _trailing(infos))


def _dg14(raw: bytes) -> Description:
    infos = DG14.parse(raw).security_infos
    return Description("DG14", describe_security_infos(infos), _trailing(infos))


def _dg15(raw: bytes) -> Description:
    dg15 = DG15.parse(raw)
    return Description("DG15", (("key algorithm", dg15.algorithm), ("key", f"{len(dg15.public_key)} bytes")))


def _dir(raw: bytes) -> Description:
    lines = tuple(("application", f"{a.aid.hex().upper()} {a.label}".strip()) for a in EfDir.parse(raw).applications)
    return Description("EF.DIR", lines)


def _atr(raw: bytes) -> Description:
    info = EfAtrInfo.parse(raw)
    lines: list[Line] = [
        ("extended length", "yes" if info.extended_length else "not announced"),
        ("command chaining", "yes" if info.command_chaining else "not announced"),
    ]
    if info.max_lengths is not None:
        lines.append(("greatest command and response", "{} and {} bytes".format(*info.max_lengths)))
    return Description("EF.ATR/INFO", tuple(lines))


def _cvca(raw: bytes) -> Description:
    return Description("EF.CVCA", tuple(("trust point", r) for r in EfCvca.parse(raw).references))


def _face_record(raw: bytes) -> Description:
    record = FaceRecord.parse(raw)
    problems = (*record.problems, *(p for f in record.faces for p in f.problems))
    lines: list[Line] = [("edition", str(record.edition))]
    lines += ((f"face {i}", _face(f)) for i, f in enumerate(record.faces, 1))
    return Description("ISO/IEC 19794-5 face record", tuple(lines), problems)


def _finger_record(raw: bytes) -> Description:
    record = FingerImageRecord.parse(raw)
    first = record.images[0]
    lines: list[Line] = [
        ("edition", str(record.edition)),
        ("compression", record.compression_name(first)),
        ("resolution", "{:.0f} x {:.0f} pixels an inch".format(*record.pixels_per_inch(first))),
    ]
    lines += ((f"finger {i}", _finger(f)) for i, f in enumerate(record.images, 1))
    return Description("ISO/IEC 19794-4 finger image record", tuple(lines), record.problems)


def _iris_record(raw: bytes) -> Description:
    record = IrisImageRecord.parse(raw)
    lines: list[Line] = [("edition", str(record.edition))]
    lines += ((f"iris {i}", _iris(f)) for i, f in enumerate(record.images, 1))
    return Description("ISO/IEC 19794-6 iris image record", tuple(lines), record.problems)


def _minutiae_record(raw: bytes) -> Description:
    record = MinutiaeRecord.parse(raw)
    lines: list[Line] = [
        ("image", f"{record.width} x {record.height} pixels"),
        ("resolution", "{} x {} pixels a centimetre".format(*record.resolution)),
    ]
    lines += (
        (f"view {i}", f"finger position {v.position}, {len(v.minutiae)} minutiae, quality {v.quality}")
        for i, v in enumerate(record.views, 1)
    )
    name = "nbis-rs" if record.format is RecordFormat.NBIS_RS else record.format.value
    return Description(f"{name} finger minutiae record", tuple(lines), record.problems)


def _representation(found: Representation) -> str:
    if found.part is Part.FINGER_MINUTIAE:
        return f"{len(found.objects)} objects, not interpreted"
    parts = [found.image_format.value, f"{len(found.image)} bytes"]
    if found.size is not None:
        parts.insert(1, "{} x {} pixels".format(*found.size))
    if found.pixels_per_inch is not None:
        parts.insert(1, f"{found.pixels_per_inch:.0f} pixels an inch")
    if found.quality is not None:
        parts.append(f"quality {found.quality}")
    where = ""
    if found.part is Part.FINGER_IMAGE:
        where = f"{position_name(found.position or 0)}: "
    elif found.part is Part.IRIS_IMAGE:
        where = f"{EYES.get(found.position or 0, 'unknown')} eye: "
    return where + ", ".join(parts)


def _data_block(raw: bytes) -> Description:
    block = DataBlock.parse(raw)
    lines: list[Line] = [("generation", f"{block.generation}, edition of {block.year}")]
    for index, representation in enumerate(block.representations, 1):
        lines.append((f"representation {index}", _representation(representation)))
    return Description(f"ISO/IEC 39794-{block.part.number} data block", tuple(lines))


_RECORDS: Final[tuple[tuple[bytes, _Reader], ...]] = (
    (b"FAC\0", _face_record),
    (b"FIR\0", _finger_record),
    (b"IIR\0", _iris_record),
    (b"FMR\0", _minutiae_record),
)
_FILES: Final[dict[int, tuple[_Reader, ...]]] = {
    0x31: (_card_access,),
    0x42: (_cvca,),
    0x43: (_atr,),
    0x47: (_atr,),
    0x60: (_com,),
    0x61: (_dg1, _dir),
    0x62: (_data_block,),
    0x63: (_dg3,),
    0x64: (_data_block,),
    0x65: (_displayed(DG5), _data_block),
    0x66: (_features, _data_block, _opaque),
    0x67: (_displayed(DG7),),
    0x68: (_features, _opaque),
    0x69: (_features, _opaque),
    0x6A: (_features, _opaque),
    0x6B: (_details(DG11),),
    0x6C: (_details(DG12),),
    0x6D: (_dg13, _opaque),
    0x6E: (_dg14,),
    0x6F: (_dg15,),
    0x70: (_dg16,),
    0x75: (_dg2,),
    0x76: (_dg4,),
    0xA1: (_data_block,),
}
