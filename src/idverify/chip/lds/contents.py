"""Do the files follow the standards, beyond being readable? (ICAO 9303-3 … -10; BSI TR-03105-5.1 units LDS_A … LDS_I)

Documents in the field deviate, and reading tolerates what it can. An inspection that asks for exact documents gets one
``document.contents`` for each file here: readable and exact, readable with deviations, or malformed. Nothing here says
whether a file is genuine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from idverify import _tlv
from idverify.chip.lds.card_files import EfAtrInfo, EfCvca
from idverify.chip.lds.com import EfCom
from idverify.chip.lds.dg1 import DG1
from idverify.chip.lds.dg2 import DG2
from idverify.chip.lds.dg3 import DG3
from idverify.chip.lds.dg4 import DG4
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.dg15 import DG15
from idverify.chip.lds.files import FileId
from idverify.chip.lds.images import ImageFormat
from idverify.chip.lds.iso19794_4 import COMPRESSION
from idverify.errors import IdVerifyError
from idverify.report import CheckId, CheckResult, CheckStatus, Reason

_LENGTH: Final = "the outer length is not that of the content"
_UNIQUE_KEYS: Final = "several keys of one kind without identifiers of their own"


def check_contents(files: Mapping[FileId, bytes]) -> tuple[CheckResult, ...]:
    """One ``document.contents`` for each file among ``files`` whose format is known here.

    ``failed`` with ``file-malformed``: it cannot be read. ``failed`` with ``profile-deviation``: it can, and the
    evidence names what is not as the standard asks; never values of the holder.

    Args:
        files: raw files as read; those of unknown format are left out.
    """
    return tuple(_check(file, files[file], rule) for file, rule in _RULES.items() if file in files)


def _check(file: FileId, raw: bytes, rule: Callable[[bytes], tuple[str, ...]]) -> CheckResult:
    check = CheckId.DOCUMENT_CONTENTS
    try:
        problems = rule(raw)
        if file.tag is not None and file is not FileId.CVCA:
            problems = (*_outer(file.tag, raw), *problems)
    except IdVerifyError:
        return CheckResult(check=check, status=CheckStatus.FAILED, reason=Reason.FILE_MALFORMED, subject=file.label)
    if not problems:
        return CheckResult(check=check, status=CheckStatus.SUCCESSFUL, subject=file.label)
    return CheckResult(
        check=check,
        status=CheckStatus.FAILED,
        reason=Reason.PROFILE_DEVIATION,
        subject=file.label,
        evidence={"deviations": "; ".join(dict.fromkeys(problems))},
    )


def _outer(tag: int, raw: bytes) -> tuple[str, ...]:
    """A file holds one data object; bytes behind it mean that its length is too small, or that it is padded."""
    header = _tlv.read_header(raw, what="file")
    return () if header.tag == tag and header.total == len(raw) else (_LENGTH,)


def _com(raw: bytes) -> tuple[str, ...]:
    parsed = EfCom.parse(raw)
    unknown = ("a tag that belongs to no data group",) if parsed.unknown_tags else ()
    return (*parsed.problems, *unknown)


def _dg1(raw: bytes) -> tuple[str, ...]:
    """ICAO 9303-10 §4.7.1: nothing but the MRZ; and the MRZ as parts 3 to 6 ask."""
    parsed = DG1.parse(raw)
    inner = _tlv.read_tlv(raw, what="DG1").children(what="DG1")
    others = ("other objects beside the MRZ",) if len(inner) != 1 else ()
    return (*parsed.mrz.problems, *others)


def _dg2(raw: bytes) -> tuple[str, ...]:
    parsed = DG2.parse(raw)
    empty = any(not face.width or not face.height for face in parsed.faces) and not parsed.data_blocks
    return (*parsed.problems, *(("the picture has no size",) if empty else ()))


def _dg3(raw: bytes) -> tuple[str, ...]:
    """ICAO 9303-10 §4.7.3: each instance with its subtype."""
    parsed = DG3.parse(raw)
    odd = any(r.compression not in COMPRESSION for r in parsed.records)
    return (*parsed.problems, *(("the compression algorithm is not a code of the standard",) if odd else ()))


def _dg4(raw: bytes) -> tuple[str, ...]:
    parsed = DG4.parse(raw)
    wanted = {0x0E: _JPEG2000, 0x10: _JPEG2000, 0x06: (ImageFormat.JPEG,), 0x08: (ImageFormat.JPEG,)}
    odd = any(i.image_format not in wanted[r.format_code] for r in parsed.records if r.format_code in wanted
              for i in r.images)  # fmt: skip
    return (*parsed.problems, *(("the image format is not that of the picture",) if odd else ()))


_JPEG2000: Final = (ImageFormat.JP2, ImageFormat.J2K)


def _dg14(raw: bytes) -> tuple[str, ...]:
    """ICAO 9303-11 §9.2: infos of chip authentication belong together (§9.2.5 to §9.2.7)."""
    infos = DG14.parse(raw).security_infos
    problems = ["bytes follow the SecurityInfos"] if infos.trailing else []
    keys = infos.chip_authentication_keys
    for kind in ("DH", "ECDH"):
        own = [k.key_id for k in keys if k.key_agreement == kind]
        if len(set(own)) != len(own):
            problems.append(_UNIQUE_KEYS)
        offered = [i for i in infos.chip_authentication if i.key_agreement == kind]
        if own and not offered:
            problems.append("a chip authentication key without its protocol")
        if offered and not own and all(i.version == 1 for i in offered):
            problems.append("a chip authentication protocol without its key")
        if any(i.key_id not in own for i in offered) and own:
            problems.append("a chip authentication protocol names another key")
    return tuple(problems)


def _dg15(raw: bytes) -> tuple[str, ...]:
    DG15.parse(raw)
    return ()


def _cvca(raw: bytes) -> tuple[str, ...]:
    EfCvca.parse(raw)
    return ()


def _atr_info(raw: bytes) -> tuple[str, ...]:
    """ISO/IEC 7816-4 §12.7.1: whoever announces extended length says how long, for commands and for responses."""
    parsed = EfAtrInfo.parse(raw)
    unsaid = parsed.max_lengths is None and parsed.extended_length
    return ("extended length is announced without its limits (tag 7F66)",) if unsaid else ()


_RULES: Final[Mapping[FileId, Callable[[bytes], tuple[str, ...]]]] = MappingProxyType(
    {
        FileId.COM: _com,
        FileId.DG1: _dg1,
        FileId.DG2: _dg2,
        FileId.DG3: _dg3,
        FileId.DG4: _dg4,
        FileId.DG14: _dg14,
        FileId.DG15: _dg15,
        FileId.CVCA: _cvca,
        FileId.ATR_INFO: _atr_info,
    }
)
