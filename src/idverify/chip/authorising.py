"""Terminal authentication on an open session: the chip learns what this terminal may read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from idverify.chip.access.chip_auth import ChipAuthResult, chip_auth_choices, run_chip_auth
from idverify.chip.access.password import AccessPassword, PasswordKind
from idverify.chip.access.terminal_auth import (
    TerminalAuthEvidence,
    TerminalCredentials,
    document_number_of,
    run_terminal_auth,
)
from idverify.chip.chip_proof import ChipResult
from idverify.chip.iso7816.apdu import CardChannel
from idverify.chip.lds.card_files import EfCvca
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.files import FileId
from idverify.chip.opening import Opened
from idverify.chip.pki.cvc import Chat, CvProblem, printable
from idverify.errors import (
    AccessDeniedError,
    ConfigurationError,
    MalformedDataError,
    StatusWordError,
    TerminalRefusedError,
)
from idverify.report import CheckId, CheckResult, CheckStatus, Reason

_REASONS: Final[Mapping[CvProblem, Reason]] = {
    CvProblem.ISSUER_NOT_FOUND: Reason.TERMINAL_ISSUER_UNKNOWN,
    CvProblem.SIGNATURE_INVALID: Reason.SIGNATURE_INVALID,
    CvProblem.ALGORITHM_UNSUPPORTED: Reason.ALGORITHM_UNSUPPORTED,
    CvProblem.ROLE: Reason.TERMINAL_ROLE,
    CvProblem.TERMINAL_TYPE: Reason.TERMINAL_ROLE,
    CvProblem.EXPIRED: Reason.EXPIRED,
    CvProblem.NOT_YET_VALID: Reason.NOT_YET_VALID,
}
_REFUSED: Final[Mapping[str, Reason]] = {
    "issuer": Reason.TERMINAL_ISSUER_UNKNOWN,
    "certificate": Reason.TERMINAL_CERTIFICATE_REFUSED,
    "terminal": Reason.TERMINAL_CERTIFICATE_REFUSED,
    "proof": Reason.TERMINAL_PROOF_REFUSED,
}
_GUARDED: Final = (FileId.DG3, FileId.DG4)


@dataclass(frozen=True, slots=True)
class TerminalResult:
    """How terminal authentication came out.

    Attributes:
        check: ``terminal.ta``; the evidence names the chain's end and rights, or the step that failed. It is
            successful with the reason ``rights-insufficient`` where the chip accepts the terminal, but the rights do
            not cover every guarded group of the document.
        evidence: what can be verified again, or None.
        chip: what chip authentication showed that belongs to the same procedure (version 2), or None.
    """

    check: CheckResult
    evidence: TerminalAuthEvidence | None = field(default=None, repr=False)
    chip: ChipResult | None = field(default=None, repr=False)

    @property
    def accepted(self) -> bool:
        """Whether the chip has accepted the terminal."""
        return self.check.status is CheckStatus.SUCCESSFUL


@dataclass(frozen=True, slots=True, kw_only=True)
class Authoriser:
    """Version 1 (ICAO 9303-11 §7.1): chip authentication, then the terminal's certificates and signature.

    Attributes:
        credentials: the terminal's.
        on: the terminal's day for judging its own chain beforehand; None leaves dates to the chip.
        rng: random bytes.
    """

    credentials: TerminalCredentials
    on: date | None
    rng: Callable[[int], bytes]

    def agree(self, channel: CardChannel, inner: CardChannel, files: Mapping[FileId, bytes]) -> ChipAuthResult:
        """Chip authentication, which terminal authentication builds on.

        Raises:
            AccessDeniedError: the chip offers none of version 1, refuses it, or does not know its key.
        """
        try:
            choices = chip_auth_choices(DG14.parse(files[FileId.DG14]).security_infos)
        except (KeyError, MalformedDataError):
            choices = ()
        if not choices:
            raise AccessDeniedError("the chip offers no chip authentication of version 1 in DG14")
        result = run_chip_auth(channel, inner, choices[0], rng=self.rng)
        if not result.proven:
            raise AccessDeniedError("the chip does not know the private key of DG14; it may be a copy")
        return result

    def authorise(
        self,
        channel: CardChannel,
        *,
        terminal_key: bytes,
        opened: Opened,
        passwords: Sequence[AccessPassword],
        ef_cvca: bytes | None,
        groups: Collection[FileId] = (),
    ) -> TerminalResult:
        """Show the chain that the chip's trust points ask for, and sign.

        Args:
            channel: under the keys of chip authentication.
            terminal_key: Comp(PK_DH,IFD).
            opened: how the chip was opened: PACE names the chip and its trust points.
            passwords: those of the session; after BAC the MRZ names the chip.
            ef_cvca: EF.CVCA, or None.
            groups: the data groups of the document, to tell whether the rights cover them.

        Raises:
            ConfigurationError: the chip was opened without access control.
            TransportError, SecureMessagingError, TerminalKeyError
        """
        return present(
            channel,
            self.credentials,
            references_of(opened, ef_cvca),
            version=1,
            on=self.on,
            chip_identifier=_chip_identifier(opened, passwords),
            terminal_key=terminal_key,
            groups=groups,
        )


def without_chip(chip: ChipResult) -> TerminalResult:
    """Terminal authentication that could not be run, because chip authentication did not show anything."""
    status = CheckStatus.NOT_SUPPORTED if chip.status is CheckStatus.NOT_SUPPORTED else CheckStatus.NOT_PERFORMED
    return TerminalResult(_result(status, chip.reason, needs=chip.check.value).check, chip=chip)


def present(
    channel: CardChannel,
    credentials: TerminalCredentials,
    references: Sequence[str],
    *,
    version: int,
    on: date | None,
    chip_identifier: bytes,
    terminal_key: bytes,
    groups: Collection[FileId] = (),
) -> TerminalResult:
    """One run of terminal authentication as a check.

    Args:
        channel: the card.
        credentials: the terminal's.
        references: what the chip trusts; where it does not say, the terminal shows what it has.
        version: 1 or 2.
        on: the terminal's day, or None.
        chip_identifier, terminal_key: as for :func:`~idverify.chip.access.terminal_auth.run_terminal_auth`.
        groups: the data groups of the document, to tell whether the rights cover them.
    """
    chain = credentials.chain(references or credentials.authorities, on)
    if isinstance(chain, CvProblem):
        trusted = printable(" ".join(references))
        return _result(CheckStatus.FAILED, _REASONS[chain], problem=chain.value, **_known(trusted=trusted))
    try:
        evidence = run_terminal_auth(
            channel,
            credentials,
            chain,
            version=version,
            chip_identifier=chip_identifier,
            terminal_key_compressed=terminal_key,
        )
    except TerminalRefusedError as error:
        return _result(
            CheckStatus.FAILED, _REFUSED[error.step], step=error.step, holder=error.holder, sw=f"{error.sw:04X}"
        )
    except StatusWordError as error:
        return _result(CheckStatus.FAILED, Reason.CHIP_REFUSED, sw=f"{error.sw:04X}")
    reads = Chat(credentials.certificate.chat.oid, chain.rights).reads
    missing = [f.label for f in _GUARDED if f in groups and f.label not in reads]
    result = _result(
        CheckStatus.SUCCESSFUL,
        Reason.RIGHTS_INSUFFICIENT if missing else Reason.OK,
        version=str(version),
        terminal=printable(credentials.certificate.holder_reference),
        authority=printable(chain.anchor),
        rights=chain.rights.hex().upper(),
        **_known(reads=" ".join(reads), missing=" ".join(missing)),
    )
    return TerminalResult(result.check, evidence)


def _known(**facts: str) -> dict[str, str]:
    return {name: text for name, text in facts.items() if text}


def references_of(opened: Opened, ef_cvca: bytes | None = None) -> tuple[str, ...]:
    """What the chip trusts, the most recent first: EF.CVCA, and what PACE told (ICAO 9303-11 §7.1.5)."""
    found: list[str] = []
    if ef_cvca is not None:
        with contextlib.suppress(MalformedDataError):
            found += EfCvca.parse(ef_cvca).references
    if opened.pace is not None:
        found += [r.decode("latin-1") for r in opened.pace.authority_references]
    return tuple(dict.fromkeys(found))


def _chip_identifier(opened: Opened, passwords: Sequence[AccessPassword]) -> bytes:
    if opened.pace is not None:
        return opened.pace.chip_identifier
    password = next((p for p in passwords if p.kind is PasswordKind.MRZ), None)
    if opened.access != "bac" or password is None:
        raise ConfigurationError("terminal authentication needs a chip that was opened by PACE or BAC")
    return document_number_of(password)


def _result(status: CheckStatus, reason: Reason, **facts: str) -> TerminalResult:
    return TerminalResult(
        CheckResult(check=CheckId.TERMINAL_AUTHENTICATION, status=status, reason=reason, evidence=facts)
    )
