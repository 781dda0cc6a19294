"""Passive authentication of a document whose files are still coming in.

The signature and the signer's path need EF.SOD alone, and are the costly part; each data group needs one hash. What is
found here on the way is what :func:`idverify.chip.pki.passive_auth.examine` finds in the end, and is not done twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from idverify.chip.lds.files import FileId
from idverify.chip.pki.passive_auth import (
    PassiveAuthentication,
    PassiveAuthOptions,
    examine,
    group_hash,
    open_security_object,
)
from idverify.chip.pki.trust_store import TrustStore
from idverify.report import CheckResult, Reason


class ArrivingDocument:
    """One document. Not thread-safe; made once EF.SOD is in.

    Args:
        sod: EF.SOD as read.
        trust: the trust anchors.
        at: time of the inspection, time zone aware.
        options: how strictly to judge.

    Raises:
        TrustStoreError: the trust store's file is damaged.
    """

    def __init__(
        self, sod: bytes, *, trust: TrustStore, at: datetime, options: PassiveAuthOptions | None = None
    ) -> None:
        self._trust, self._at, self._options = trust, at, options or PassiveAuthOptions()
        self._opened = open_security_object(sod, trust=trust, at=at)
        self._final = not trust.deviation_lists()

    def signer_checks(self) -> tuple[CheckResult, ...]:
        """The checks that no other file can change: signature, path, validity and revocation.

        Empty where the store holds deviation lists: what those say depends on the other files.
        """
        if not self._final:
            return ()
        return self._opened.checks(self._trust, self._at, self._options)

    def group(self, file: FileId, raw: bytes) -> CheckResult | None:
        """A data group's hash; None for other files, and where the store holds deviation lists."""
        return group_hash(self._opened, file, raw) if self._final else None

    def examine(self, files: Mapping[FileId, bytes], unreadable: Mapping[FileId, Reason]) -> PassiveAuthentication:
        """The whole, once everything is in.

        Raises:
            TrustStoreError: the trust store's file is damaged.
        """
        return examine(
            files, trust=self._trust, at=self._at, unreadable=unreadable, options=self._options, opened=self._opened
        )
