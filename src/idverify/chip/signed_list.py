"""What EF.COM and EF.SOD say about the other files, before anything of it is authenticated."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from typing import Final

from idverify.chip.lds.com import EfCom
from idverify.chip.lds.files import FileId
from idverify.chip.lds.sod import EfSod, SecurityObject
from idverify.chip.pki.cms import SignedData
from idverify.errors import MalformedDataError, UnsupportedAlgorithmError

_MAX_UNDERSTATED: Final = 8
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
