"""What EF.COM, EF.SOD and DG14 say about the other files, before anything of it is authenticated."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from typing import Final

from idverify.chip.lds.com import EfCom
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.files import FileAddress, FileId
from idverify.chip.lds.sod import EfSod, SecurityObject
from idverify.chip.pki.cms import SignedData
from idverify.errors import MalformedDataError, UnsupportedAlgorithmError

_MAX_UNDERSTATED: Final = 8
_OTHERS: Final = tuple(f for f in FileId if f.in_application and f is not FileId.CVCA)
_OTHER_PLACES: Final = frozenset(f.fid for f in _OTHERS)
_OTHER_SHORT: Final = frozenset(f.sfi for f in _OTHERS)
_USUAL: Final = frozenset({FileId.DG1, FileId.DG2, FileId.DG14, FileId.DG15})


def security_object(raw: bytes) -> SecurityObject | None:
    """The hash list inside EF.SOD, its signature not looked at; None where it cannot be read."""
    try:
        cms = EfSod.parse(raw).cms
        return SecurityObject.parse(SignedData.parse(cms, what="EF.SOD", allow_trailing=True).content)
    except (MalformedDataError, UnsupportedAlgorithmError):
        return None


def listed_groups(com: bytes | None, signed: SecurityObject | None) -> frozenset[FileId]:
    """The data groups that EF.COM or EF.SOD list; where neither can be read, those that most documents have."""
    found: set[FileId] = set()
    if com is not None:
        with contextlib.suppress(MalformedDataError):
            found.update(EfCom.parse(com).data_groups)
    if signed is not None:
        found.update(FileId.data_group(n) for n in signed.hashes)
    return frozenset(found) or _USUAL


def cvca_address(dg14: bytes | None) -> FileAddress | None:
    """Where DG14 says that EF.CVCA is, if not where the standard has it (BSI TR-03110-3 §A.1.1.3: efCVCA).

    Returns:
        None where it does not say, or names a place that belongs to another file.
    """
    if dg14 is None:
        return None
    try:
        infos = DG14.parse(dg14).security_infos.terminal_authentication
    except MalformedDataError:
        return None
    for info in infos:
        if info.version == 1 and info.cvca_fid is not None and info.cvca_fid not in _OTHER_PLACES:
            sfi = info.cvca_sfi if info.cvca_sfi in range(1, 31) else None
            named = FileAddress(info.cvca_fid, None if sfi in _OTHER_SHORT else sfi)
            return None if named == FileId.CVCA.address else named
    return None


def complete(content: bytes, number: int, signed: SecurityObject | None, beyond: Callable[[int], bytes]) -> bytes:
    """``content``, or with up to eight bytes more where those make up the hash that EF.SOD lists.

    Some issuers wrote a length into the header of DG2 that is a few bytes too small, and signed the whole.

    Args:
        content: what was read by its header.
        number: of the data group.
        signed: the hash list, or None.
        beyond: reads so many bytes behind the content; called only where the hash differs.
    """
    expected = signed.hashes.get(number) if signed is not None else None
    if signed is None or expected is None or hashlib.new(signed.hash_algorithm, content).digest() == expected:
        return content
    more = beyond(_MAX_UNDERSTATED)
    for count in range(1, len(more) + 1):
        if hashlib.new(signed.hash_algorithm, content + more[:count]).digest() == expected:
            return content + more[:count]
    return content
