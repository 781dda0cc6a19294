"""Access control: from a card just powered to a channel on which its files can be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final

from idverify.chip.access.bac import run_bac
from idverify.chip.access.pace import PaceResult, run_pace, supported_pace
from idverify.chip.access.password import AccessPassword, PasswordKind
from idverify.chip.iso7816.channel import ChannelStack, FileChannel, SecureChannel
from idverify.chip.iso7816.filesystem import FileReader, read_card_access, select_application
from idverify.chip.iso7816.limits import note_atr_info
from idverify.chip.lds.files import FileId
from idverify.chip.lds.security_infos import ID_PACE, PaceInfo, SecurityInfos
from idverify.chip.reading import Phase, ReadOptions
from idverify.errors import (
    AccessDeniedError,
    CardLockedError,
    FileNotFoundOnCardError,
    IdVerifyError,
    MalformedDataError,
    ProtocolError,
    SecurityStatusError,
    StatusWordError,
    UnsupportedAlgorithmError,
    WrongPasswordError,
)
from idverify.report import CheckId, CheckResult, CheckStatus, Reason

_MAX_PACE_ATTEMPTS: Final = 2
_NO_SUCH_COMMAND: Final = (0x6D00, 0x6E00, 0x6A81, 0x6881, 0x6985)
_MRZ_NEEDED: Final = (
    "this chip opens by basic access control only, which needs the MRZ: document number, date of birth and date of "
    "expiry; a CAN does not do"
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A card on which files can be read.

    Attributes:
        channel: the way to it.
        access: ``pace``, ``bac`` or ``none``.
        checks: the results of access control.
        card_access: EF.CardAccess as read, or None.
        security_infos: what it says, or None.
        files: files read on the way, outside the application.
        unreadable: files outside the application that could not be read.
        protocol: dotted identifier of the PACE protocol, or None.
        cipher: cipher of secure messaging, or None.
        pace: what PACE left for later protocols, or None.
    """

    channel: FileChannel
    access: str
    checks: tuple[CheckResult, ...]
    card_access: bytes | None = field(repr=False)
    security_infos: SecurityInfos | None = field(repr=False)
    files: Mapping[FileId, bytes] = field(repr=False)
    unreadable: Mapping[FileId, Reason]
    protocol: str | None = None
    cipher: str | None = None
    pace: PaceResult | None = field(default=None, repr=False)


class Opener:
    """Opens one card once.

    Args:
        stack: the processors over the link.
        passwords: PACE takes the first, BAC the first one of the MRZ.
        options: limits and choices.
        rng: random bytes.
        tell: called when a phase begins.
        timed: measures a phase.
        chat: the terminal's authorisation template (tag 7F4C), which PACE announces to chips with terminal
            authentication version 2; None for none.
        restart: power-cycles the card where EF.CardAccess cannot be read although the card has one: an earlier session
            has left the application selected, and Viet Nam's citizen card refuses SELECT MF. None: the card is fresh.
    """

    def __init__(
        self,
        stack: ChannelStack,
        passwords: Sequence[AccessPassword],
        *,
        options: ReadOptions,
        rng: Callable[[int], bytes],
        tell: Callable[[Phase], None],
        timed: Callable[[Phase], AbstractContextManager[None]],
        chat: bytes | None = None,
        restart: Callable[[], None] | None = None,
    ) -> None:
        self._chat = chat
        self._restart = restart
        self._stack = stack
        self._passwords = passwords
        self._options = options
        self._rng = rng
        self._tell = tell
        self._timed = timed
        self._files: dict[FileId, bytes] = {}
        self._unreadable: dict[FileId, Reason] = {}
        self._checks: list[CheckResult] = []
        self._spoilt = ""
        self._token_sent = False

    def open(self) -> Opened:
        """EF.CardAccess, PACE, the application, BAC (ICAO 9303-11 §4.2).

        Raises:
            See :meth:`idverify.chip.session.DocumentSession.open`.
        """
        with self._timed(Phase.CONNECTING):
            self._tell(Phase.CONNECTING)
            plain = self._stack.plain()
            raw = read_card_access(self._reader(plain), plain)
            if raw is None and self._restart is not None:
                self._restart()
                plain = self._stack.plain()
                raw = read_card_access(self._reader(plain), plain)
            infos = self._parse(raw)
            self._learn_limits(plain)
        with self._timed(Phase.ACCESS_CONTROL):
            self._tell(Phase.ACCESS_CONTROL)
            pace = self._pace(infos)
            if pace is not None:
                channel: FileChannel = self._stack.secure(pace.secure_messaging)
                self._read_master_files(channel, security=pace.cam is not None)
                select_application(channel)
                access = "pace"
                cipher: str | None = pace.cipher.label
            else:
                plain = self._stack.plain()
                self._read_master_files(plain, security=False)
                select_application(plain)
                channel, access, cipher = self._bac(plain)
        return Opened(
            channel=channel,
            access=access,
            checks=tuple(self._checks),
            card_access=raw,
            security_infos=infos,
            files=self._files,
            unreadable=self._unreadable,
            protocol=pace.protocol if pace else None,
            cipher=cipher,
            pace=pace,
        )

    # ---- before the application ---------------------------------------------------------------------------------

    def _reader(self, channel: FileChannel) -> FileReader:
        return FileReader(
            channel,
            self._stack.limits,
            max_file_size=self._options.max_file_size,
            max_block=self._options.max_block,
            probe=0 if isinstance(channel, SecureChannel) else self._stack.extended_room,
        )

    def _parse(self, raw: bytes | None) -> SecurityInfos | None:
        if raw is None:
            return None
        self._files[FileId.CARD_ACCESS] = raw
        try:
            return SecurityInfos.parse_card_access(raw)
        except MalformedDataError:
            self._unreadable[FileId.CARD_ACCESS] = Reason.FILE_MALFORMED
            return None

    def _learn_limits(self, channel: FileChannel) -> None:
        """EF.ATR/INFO, once for each card model that does extended length; many cards have none."""
        limits = self._stack.limits
        if limits.info_read or not limits.extended or not self._stack.may_extend:
            return
        limits.info_read = True
        try:
            content = bytes(self._reader(channel).read(FileId.ATR_INFO).data)
        except (StatusWordError, MalformedDataError):
            return
        if content:
            self._files[FileId.ATR_INFO] = content
            note_atr_info(limits, content)

    def _read_master_files(self, channel: FileChannel, *, security: bool) -> None:
        wanted = dict.fromkeys(self._options.master_files)
        if security:
            wanted[FileId.CARD_SECURITY] = None  # holds the static key that CAM proves (§4.4.3.3)
        for file in wanted:
            if file in self._files:
                continue
            try:
                self._files[file] = bytes(self._reader(channel).read(file).data)
            except FileNotFoundOnCardError:
                self._unreadable[file] = Reason.FILE_ABSENT
            except SecurityStatusError:
                self._unreadable[file] = Reason.ACCESS_REFUSED
            except StatusWordError:
                self._unreadable[file] = Reason.READ_ERROR
            except MalformedDataError:
                self._unreadable[file] = Reason.FILE_MALFORMED

    # ---- PACE ---------------------------------------------------------------------------------------------------

    def _pace(self, infos: SecurityInfos | None) -> PaceResult | None:
        if infos is None and FileId.CARD_ACCESS in self._unreadable:  # garbled: nobody can say that none is offered
            self._check(CheckId.ACCESS_PACE, CheckStatus.NOT_PERFORMED, Reason.FILE_MALFORMED)
            return None
        offered = sorted({i.protocol for i in infos.infos if i.protocol.startswith(f"{ID_PACE}.")}) if infos else []
        if infos is None or not offered:
            self._check(CheckId.ACCESS_PACE, CheckStatus.NOT_SUPPORTED, Reason.NOT_OFFERED)
            return None
        if not self._passwords:
            self._check(CheckId.ACCESS_PACE, CheckStatus.NOT_PERFORMED, Reason.NOT_REQUESTED)
            return None
        candidates = supported_pace(infos)
        if not candidates:
            self._check(
                CheckId.ACCESS_PACE,
                CheckStatus.NOT_SUPPORTED,
                Reason.ALGORITHM_UNSUPPORTED,
                offered=" ".join(offered),
            )
            return None
        for number, info in enumerate(candidates[:_MAX_PACE_ATTEMPTS]):
            result = self._try_pace(info, infos, last=number + 1 == min(len(candidates), _MAX_PACE_ATTEMPTS))
            if result is not None:
                return result
        return None

    def _try_pace(self, info: PaceInfo, infos: SecurityInfos, *, last: bool) -> PaceResult | None:
        """None where PACE failed for a reason that says nothing about the password."""
        password = self._passwords[0]
        try:
            announced = self._chat if any(i.version == 2 for i in infos.terminal_authentication) else None
            result = run_pace(
                self._stack.plain(), info, password, rng=self._rng, offered=infos, chat=announced,
                before_token=self._note_token,
            )  # fmt: skip
        except (WrongPasswordError, CardLockedError):
            raise
        except (ProtocolError, MalformedDataError, UnsupportedAlgorithmError) as error:
            if isinstance(error, AccessDeniedError) and not isinstance(error.__cause__, StatusWordError):
                raise  # the chip could not prove that it knows the password: no fall-back to anything weaker
            may_fall_back = any(p.kind is PasswordKind.MRZ for p in self._passwords) and not self._token_sent
            if last and not may_fall_back:
                raise
            self._note_failure(info, error, last=last)
            return None
        self._check(
            CheckId.ACCESS_PACE,
            CheckStatus.SUCCESSFUL,
            Reason.OK,
            protocol=result.protocol,
            mapping=result.mapping,
            cipher=result.cipher.label,
            domain=result.domain,
            password=password.kind.name,
            **self._before(),
        )
        return result

    def _note_token(self) -> None:
        """The terminal's token goes out: from here on the chip has to prove that it knows the password."""
        self._token_sent = True

    def _note_failure(self, info: PaceInfo, error: IdVerifyError, *, last: bool) -> None:
        """A way of PACE that did not work, which says nothing about the password."""
        cause = error.__cause__
        refused = isinstance(cause, StatusWordError)
        facts = {"protocol": info.protocol, "error": type(cause or error).__name__} | self._before()
        if isinstance(cause, StatusWordError):
            facts["sw"] = f"{cause.sw:04X}"
        if last:
            reason = Reason.CHIP_REFUSED if refused else Reason.ANSWER_MALFORMED
            self._check(CheckId.ACCESS_PACE, CheckStatus.FAILED, reason, **facts)
        else:
            self._spoilt = f"{info.protocol} ({facts.get('sw', facts['error'])})"

    def _before(self) -> dict[str, str]:
        """The way of PACE that was tried first and did not work, as evidence."""
        return {"failed-before": self._spoilt} if self._spoilt else {}

    # ---- BAC ----------------------------------------------------------------------------------------------------

    def _bac(self, plain: FileChannel) -> tuple[FileChannel, str, str | None]:
        """BAC on the selected application, or none where the chip has no access control."""
        if not self._passwords:
            return plain, "none", None
        pace = self._checks[-1]
        fell_back = not (pace.status is CheckStatus.NOT_SUPPORTED and pace.reason is Reason.NOT_OFFERED)
        if fell_back and not self._options.fall_back_to_bac:
            raise AccessDeniedError(
                f"the chip did not open by PACE ({pace.reason}), and BAC instead is not allowed here"
            )
        password = next((p for p in self._passwords if p.kind is PasswordKind.MRZ), None)
        if password is None:
            raise AccessDeniedError(_MRZ_NEEDED)
        try:
            unknown = self._stack.limits.extended is None and self._stack.may_extend
            messaging = run_bac(plain, password, rng=self._rng, probe=unknown)
        except (WrongPasswordError, CardLockedError):
            raise
        except AccessDeniedError as error:
            cause = error.__cause__
            if not (isinstance(cause, StatusWordError) and cause.sw in _NO_SUCH_COMMAND and self._is_open(plain)):
                raise
            self._check(CheckId.ACCESS_BAC, CheckStatus.NOT_SUPPORTED, Reason.NOT_OFFERED)
            return plain, "none", None
        self._check(
            CheckId.ACCESS_BAC,
            CheckStatus.SUCCESSFUL,
            Reason.FALLBACK_FROM_PACE if fell_back else Reason.OK,
            cipher=messaging.cipher.label,
        )
        return self._stack.secure(messaging), "bac", messaging.cipher.label

    def _is_open(self, plain: FileChannel) -> bool:
        """Whether EF.COM can be read without access control."""
        select_application(plain)
        try:
            self._reader(plain).read(FileId.COM)
        except (StatusWordError, MalformedDataError):
            return False
        return True

    def _check(self, check: CheckId, status: CheckStatus, reason: Reason, **facts: str) -> None:
        self._checks.append(CheckResult(check=check, status=status, reason=reason, evidence=facts))
