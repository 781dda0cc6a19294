"""The terminal's rights on one card: gained once, renewed whenever the card is opened anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from idverify.chip.access.terminal_auth import TerminalCredentials
from idverify.chip.authorising import Authoriser, TerminalResult, without_chip
from idverify.chip.chip_proof import ChipResult
from idverify.chip.collecting import Collector
from idverify.chip.general_authentication import GeneralAuthenticator, offers_version_2
from idverify.chip.lds.files import FileId
from idverify.chip.metering import Meter
from idverify.chip.proving import proven_by
from idverify.chip.reading import Phase, Progress
from idverify.chip.recovering import OpenCard
from idverify.errors import AccessDeniedError, ConfigurationError


class TerminalRights:
    """Terminal authentication of the version that the card asks for, with the chip authentication it needs.

    Args:
        card: the open card.
        files: what was read of it; DG14 and EF.CVCA are read where they were not.
        meter: what time is spent on.
        rng: random bytes.
        credentials: the terminal's certificates and key.
        on: the terminal's day for judging its own certificates beforehand; None leaves dates to the chip.
        prove: runs chip authentication of version 1 on its own.
        chip_done: what an earlier run has shown, or None.

    Attributes:
        chip_done: what chip authentication showed that must not be run again, since that could end the rights.
    """

    def __init__(
        self,
        card: OpenCard,
        files: Collector,
        *,
        meter: Meter,
        rng: Callable[[int], bytes],
        credentials: TerminalCredentials,
        on: date | None,
        prove: Callable[[], ChipResult],
        chip_done: ChipResult | None = None,
    ) -> None:
        self.chip_done = chip_done
        self._card = card
        self._files = files
        self._meter = meter
        self._rng = rng
        self._credentials = credentials
        self._on = on
        self._prove = prove

    def gain(self) -> TerminalResult:
        """Show the card that this terminal has rights.

        Raises:
            See :meth:`idverify.chip.session.DocumentSession.authenticate_terminal`.
        """
        self._files.attempt(FileId.COM)  # tells which groups the rights must cover
        authoriser = self._authoriser()
        with self._meter.timed(Phase.CHIP_AUTHENTICATION), self._card.ending():
            self._meter.tell(Progress(Phase.CHIP_AUTHENTICATION))
            if isinstance(authoriser, Authoriser) and self._card.terminal_key is None:
                self.chip_done = self._prove()
                if not self.chip_done.proven:
                    return without_chip(self.chip_done)
            result = self._card.run(lambda _: self._authorise(authoriser))
        self.chip_done = result.chip or self.chip_done
        if result.chip is not None and result.chip.proven:
            self._files.forget_groups()  # read before the chip had proven itself by a key that no data group holds
        if result.accepted:
            self._card.renew = lambda: self._authorise(authoriser)
            self._files.allow_again()
        return self._with_trust_file(result)

    def _with_trust_file(self, result: TerminalResult) -> TerminalResult:
        """Say why EF.CVCA, which names the chip's trust points, could not be read."""
        why = self._files.unreadable.get(FileId.CVCA)
        if why is None:
            return result
        evidence = {**result.check.evidence, "ef_cvca": why.value}
        return replace(result, check=replace(result.check, evidence=evidence))

    def _authoriser(self) -> Authoriser | GeneralAuthenticator:
        opened = self._card.opened
        if opened is not None and offers_version_2(opened):
            return GeneralAuthenticator(
                credentials=self._credentials,
                on=self._on,
                rng=self._rng,
                read=self._files.read_outside,
                switch=lambda result: self._card.switch(result.secure_messaging if result.proven else None),
                groups=self._files.listed_groups(),
            )
        if FileId.DG14 not in self._files.files:
            self._files.attempt(FileId.DG14)
            self._files.unreadable.pop(FileId.CVCA, None)  # DG14 says where it is
        self._files.attempt(FileId.CVCA)
        return Authoriser(credentials=self._credentials, on=self._on, rng=self._rng)

    def _authorise(self, authoriser: Authoriser | GeneralAuthenticator) -> TerminalResult:
        """Chip and terminal authentication on the channel as it is."""
        channel, below, opened = self._card.present()
        if isinstance(authoriser, GeneralAuthenticator):
            result = authoriser.run(channel, opened)
            shown = result.chip is not None and result.chip.proven
            if self.chip_done is not None and self.chip_done.proven and not shown:
                self._card.drop()
                raise AccessDeniedError("the chip has not shown its key again after the card had moved")
            return result
        if self._card.terminal_key is None:
            agreed = authoriser.agree(channel, below, self._files.files)
            self._card.switch(agreed.secure_messaging, agreed.terminal_key_compressed)
            self.chip_done = proven_by(agreed)
            channel = self._card.present()[0]
        if self._card.terminal_key is None:
            raise ConfigurationError("the session is not open")
        return authoriser.authorise(
            channel,
            terminal_key=self._card.terminal_key,
            opened=opened,
            passwords=self._card.passwords or (),
            ef_cvca=self._files.files.get(FileId.CVCA),
            groups=self._files.listed_groups(),
        )
