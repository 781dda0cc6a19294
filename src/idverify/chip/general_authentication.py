"""The general authentication procedure: after PACE, terminal authentication 2 and then chip authentication 2.

BSI TR-03110-2 §2.4, §3.3 and §3.4. The terminal announces its ephemeral key when it authenticates, and the chip sends
nonce and token for exactly that key. The chip's key comes from EF.CardSecurity, whose signature is for passive
authentication to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date
from typing import Final

from idverify.chip.access.chip_auth import (
    ChipAuthChoice,
    ChipAuthPlan,
    ChipTokenResult,
    chip_auth_choices,
    chip_auth_plans,
    run_chip_auth_2,
)
from idverify.chip.access.domain import static_key
from idverify.chip.access.terminal_auth import TerminalCredentials
from idverify.chip.authorising import TerminalResult, present, references_of, without_chip
from idverify.chip.chip_proof import ChipResult
from idverify.chip.iso7816.channel import FileChannel
from idverify.chip.iso7816.filesystem import select_application, select_master_file
from idverify.chip.lds.files import FileId
from idverify.chip.lds.security_infos import SecurityInfos
from idverify.chip.opening import Opened
from idverify.chip.pki.cms import SignedData
from idverify.errors import AccessDeniedError, MalformedDataError, StatusWordError
from idverify.report import CheckId, CheckStatus, Reason

_FILE: Final = FileId.CARD_SECURITY


def offers_version_2(opened: Opened) -> bool:
    """Whether EF.CardAccess asks for the general procedure: terminal authentication 2, and not 1 as well."""
    infos = opened.security_infos
    versions = {i.version for i in infos.terminal_authentication} if infos is not None else set()
    return opened.pace is not None and 2 in versions and 1 not in versions


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralAuthenticator:
    """One session's way through the procedure; it can be walked again when the card was opened anew.

    Attributes:
        credentials: the terminal's.
        on: the terminal's day for judging its own chain beforehand; None leaves dates to the chip.
        rng: random bytes.
        read: reads a file outside the application on a channel, or gives what was read before; None where it cannot
            be read.
        switch: takes the new session over and gives its channel, None where the chip did not prove itself.
        groups: the data groups of the document, to tell whether the rights cover them.
    """

    credentials: TerminalCredentials
    on: date | None
    rng: Callable[[int], bytes]
    read: Callable[[FileChannel, FileId], bytes | None]
    switch: Callable[[ChipTokenResult], FileChannel | None]
    groups: Collection[FileId] = ()

    def run(self, channel: FileChannel, opened: Opened) -> TerminalResult:
        """Terminal authentication 2, EF.CardSecurity, chip authentication 2, and back into the application.

        Args:
            channel: under the secure messaging of PACE.
            opened: how the card was opened this time.

        Raises:
            AccessDeniedError: the card did not open by PACE.
            TransportError, SecureMessagingError, TerminalKeyError
        """
        pace = opened.pace
        if pace is None:
            raise AccessDeniedError("the general authentication procedure begins with PACE")
        select_master_file(channel)
        plan = self._plan(channel, opened)
        if plan is None:
            select_application(channel)
            chip = ChipResult(
                check=CheckId.CHIP_AUTHENTICATION,
                key_file=_FILE,
                status=CheckStatus.NOT_SUPPORTED,
                reason=Reason.NOT_OFFERED,
            )
            return without_chip(chip)
        key = plan.domain.generate(self.rng)
        terminal = present(
            channel,
            self.credentials,
            references_of(opened),
            version=2,
            on=self.on,
            chip_identifier=pace.chip_identifier,
            terminal_key=plan.domain.compress(key.public),
            groups=self.groups,
        )
        if not terminal.accepted:
            select_application(channel)
            return terminal
        try:
            result = run_chip_auth_2(channel, self._choice(channel, plan), key)
        except (AccessDeniedError, MalformedDataError) as error:
            select_application(channel)
            return TerminalResult(terminal.check, terminal.evidence, _refused(error))
        after = self.switch(result)
        chip = ChipResult(
            check=CheckId.CHIP_AUTHENTICATION,
            key_file=_FILE,
            proven=result.proven,
            status=CheckStatus.FAILED,
            reason=Reason.CHIP_PROOF_INVALID,
            facts={"protocol": plan.protocol, "cipher": result.cipher.label, "domain": result.domain, "version": "2"},
            evidence=result.evidence,
        )
        if after is not None:
            select_application(after)
        return TerminalResult(terminal.check, terminal.evidence, chip)

    def _plan(self, channel: FileChannel, opened: Opened) -> ChipAuthPlan | None:
        """The group for the ephemeral key: EF.CardAccess names it, else EF.CardSecurity if it is readable yet."""
        plans = chip_auth_plans(opened.security_infos) if opened.security_infos is not None else ()
        if plans:
            return plans[0]
        for choice in self._choices(channel):
            return ChipAuthPlan(choice.protocol, static_key(choice.public_key).domain, choice.key_id)
        return None

    def _choice(self, channel: FileChannel, plan: ChipAuthPlan) -> ChipAuthChoice:
        for choice in self._choices(channel):
            same = choice.protocol == plan.protocol and choice.key_id == plan.key_id
            if same and static_key(choice.public_key).domain == plan.domain:
                return choice
        raise AccessDeniedError(f"{_FILE.label} holds no key for the chip authentication that the chip announced")

    def _choices(self, channel: FileChannel) -> tuple[ChipAuthChoice, ...]:
        try:
            raw = self.read(channel, _FILE)
            if raw is None:
                return ()
            content = SignedData.parse(raw, what=_FILE.label, allow_trailing=True).content
            return chip_auth_choices(SecurityInfos.parse(content, what=_FILE.label, lenient=True), version=2)
        except (MalformedDataError, StatusWordError):
            return ()


def _refused(error: AccessDeniedError | MalformedDataError) -> ChipResult:
    """Chip authentication 2 that the chip would not carry out."""
    facts = {"version": "2"}
    if isinstance(error.__cause__, StatusWordError):
        facts["sw"] = f"{error.__cause__.sw:04X}"
    return ChipResult(
        check=CheckId.CHIP_AUTHENTICATION,
        key_file=_FILE,
        status=CheckStatus.FAILED,
        reason=Reason.CHIP_REFUSED if isinstance(error, AccessDeniedError) else Reason.FILE_MALFORMED,
        facts=facts,
    )
