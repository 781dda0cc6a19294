"""Having the chip show that it is no copy: active authentication, chip authentication, PACE with CAM."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from idverify.chip.access.active_auth import ActiveAuthEvidence, run_active_auth
from idverify.chip.access.chip_auth import (
    ChipAuthChoice,
    ChipAuthEvidence,
    ChipAuthResult,
    chip_auth_choices,
    run_chip_auth,
)
from idverify.chip.access.pace import CamEvidence, verify_cam
from idverify.chip.chip_proof import ChipResult
from idverify.chip.iso7816.apdu import CardChannel
from idverify.chip.iso7816.channel import FileChannel
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.dg15 import DG15
from idverify.chip.lds.files import FileId
from idverify.chip.lds.security_infos import SecurityInfos
from idverify.chip.pki.cms import SignedData
from idverify.errors import (
    AccessDeniedError,
    MalformedDataError,
    ProtocolError,
    SecureMessagingError,
    StatusWordError,
    UnsupportedAlgorithmError,
)
from idverify.report import CheckId, CheckStatus, Reason

_CHOICES_TRIED: Final = 2
_BARE_BYTES: Final = 2
_NOT_RUN: Final = (CheckStatus.NOT_SUPPORTED, CheckStatus.NOT_PERFORMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prover:
    """Runs the protocols for one session.

    Attributes:
        files: what was read.
        unreadable: what could not be read, and why.
        run: runs an action on the session's channel (and on the channel below secure messaging), recovering where
            that is allowed.
        switch: called with the result of chip authentication: the old keys are over.
        rng: random bytes.
        challenge: 8 bytes for active authentication, or None.
        mappings: what PACE with chip authentication mapping left, once for each time that the card was opened; None
            for a time that it opened in another way.
        done: what chip authentication showed already: running it again could end the terminal's rights.
    """

    files: Mapping[FileId, bytes]
    unreadable: Mapping[FileId, Reason]
    run: Callable[[Callable[[FileChannel, CardChannel], Any]], Any]
    switch: Callable[[ChipAuthResult], None]
    rng: Callable[[int], bytes]
    challenge: bytes | None
    mappings: Sequence[CamEvidence | None] = ()
    done: ChipResult | None = None

    def prove(self) -> tuple[ChipResult, ...]:
        """One result each for ``chip.aa`` and ``chip.ca``.

        Raises:
            ConfigurationError: a challenge of another length.
            SecureMessagingError, TransportError, OperationCancelled
        """
        return self._active(), self._of_the_chip()

    def _of_the_chip(self) -> ChipResult:
        """One way that shows something: a chip that announces one and does not go it is asked the other."""
        found = self.done
        if found is None and any(self.mappings):
            found = self._mapping()
        if found is None or (not found.proven and found.status in _NOT_RUN):
            other = self.chip()
            return other if found is None or other.proven or other.status not in _NOT_RUN else found
        return found

    # ---- active authentication ----------------------------------------------------------------------------------

    def _active(self) -> ChipResult:
        """ICAO 9303-11 §6.1, with the key of DG15."""
        check, file = CheckId.ACTIVE_AUTHENTICATION, FileId.DG15
        raw = self.files.get(file)
        if raw is None:
            return self._missing(check, file)
        try:
            key = DG15.parse(raw).public_key
        except MalformedDataError:
            return ChipResult(check=check, key_file=file, status=CheckStatus.UNDETERMINED, reason=Reason.FILE_MALFORMED)
        algorithm = self._signature_algorithm()
        evidence: ActiveAuthEvidence
        try:
            evidence = self.run(
                lambda channel, _: run_active_auth(
                    channel, key, rng=self.rng, challenge=self.challenge, signature_algorithm=algorithm
                )
            )
        except (ProtocolError, MalformedDataError, UnsupportedAlgorithmError) as error:
            return _failure(check, file, error)
        return ChipResult(
            check=check,
            key_file=file,
            proven=evidence.verified,
            status=CheckStatus.FAILED,
            reason=Reason.CHIP_PROOF_INVALID,
            facts={"algorithm": evidence.algorithm},
            evidence=evidence,
        )

    def _signature_algorithm(self) -> str | None:
        """The algorithm that DG14's ActiveAuthenticationInfo names (§9.2.8), or None."""
        infos = self._dg14()
        info = infos.active_authentication if infos is not None else None
        return info.signature_algorithm if info is not None else None

    def _dg14(self) -> SecurityInfos | None:
        try:
            return DG14.parse(self.files[FileId.DG14]).security_infos
        except (KeyError, MalformedDataError):
            return None

    # ---- chip authentication ------------------------------------------------------------------------------------

    def chip(self) -> ChipResult:
        """Chip authentication of version 1 (ICAO 9303-11 §6.2), with a key of DG14.

        Raises:
            SecureMessagingError, TransportError, OperationCancelled
        """
        check, file = CheckId.CHIP_AUTHENTICATION, FileId.DG14
        if file not in self.files:
            return self._missing(check, file)
        infos = self._dg14()
        if infos is None:
            return ChipResult(check=check, key_file=file, status=CheckStatus.UNDETERMINED, reason=Reason.FILE_MALFORMED)
        if not infos.chip_authentication_keys:
            return ChipResult(check=check, key_file=file, status=CheckStatus.NOT_SUPPORTED, reason=Reason.NOT_OFFERED)
        failed = ChipResult(
            check=check, key_file=file, status=CheckStatus.UNDETERMINED, reason=Reason.ALGORITHM_UNSUPPORTED
        )
        for choice in chip_auth_choices(infos)[:_CHOICES_TRIED]:
            try:
                result = self._agree(choice)
            except AccessDeniedError as error:
                failed = _failure(check, file, error)
                continue  # the old session goes on (§6.2.2): a second key may do
            except (ProtocolError, MalformedDataError, UnsupportedAlgorithmError) as error:
                return _failure(check, file, error)
            self.switch(result)
            return proven_by(result)
        return failed

    def _agree(self, choice: ChipAuthChoice) -> ChipAuthResult:
        """One run; a second one where the first answer came bare, as from a chip that lost power in between."""
        result: ChipAuthResult = self._agree_once(choice)
        evidence = result.evidence
        if result.proven or not isinstance(evidence, ChipAuthEvidence) or len(evidence.response) > _BARE_BYTES:
            return result
        self.switch(result)
        return self._agree_once(choice)

    def _agree_once(self, choice: ChipAuthChoice) -> ChipAuthResult:
        result: ChipAuthResult = self.run(lambda channel, inner: run_chip_auth(channel, inner, choice, rng=self.rng))
        return result

    def _mapping(self) -> ChipResult | None:
        """PACE with chip authentication mapping (§4.4.3.5), with a key of EF.CardSecurity.

        EF.CardSecurity is not bound to the data groups by any hash; that one secure channel brought both is all that
        binds them. So where the card was opened more than once, the chip must have shown each time that it has the
        same key. None where it was opened in another way in between: that says nothing of what was read then.
        """
        check, file = CheckId.CHIP_AUTHENTICATION, FileId.CARD_SECURITY
        shown = [m for m in self.mappings if m is not None]
        if len(shown) < len(self.mappings):
            return None
        raw = self.files.get(file)
        if raw is None:  # §9.2.11: there must be one where the chip offers this mapping
            why = self.unreadable.get(file, Reason.KEY_MISSING)
            reason = Reason.KEY_MISSING if why is Reason.FILE_ABSENT else why
            return ChipResult(check=check, key_file=file, status=CheckStatus.NOT_PERFORMED, reason=reason)
        proven = False
        try:
            content = SignedData.parse(raw, what=file.label, allow_trailing=True).content
            infos = SecurityInfos.parse(content, what=file.label, lenient=True)
            proven = any(all(verify_cam(m, k.public_key) for m in shown) for k in infos.chip_authentication_keys)
        except (MalformedDataError, UnsupportedAlgorithmError) as error:
            return _failure(check, file, error)
        return ChipResult(
            check=check,
            key_file=file,
            proven=proven,
            status=CheckStatus.FAILED,
            reason=Reason.CHIP_PROOF_INVALID,
            facts={"mapping": "CAM", "domain": shown[0].curve},
            evidence=shown[0],
        )

    def _missing(self, check: CheckId, file: FileId) -> ChipResult:
        why = self.unreadable.get(file)
        if why is None or why is Reason.FILE_ABSENT:
            return ChipResult(check=check, key_file=file, status=CheckStatus.NOT_SUPPORTED, reason=Reason.NOT_OFFERED)
        return ChipResult(check=check, key_file=file, status=CheckStatus.NOT_PERFORMED, reason=why)


def proven_by(result: ChipAuthResult) -> ChipResult:
    """What one run of chip authentication with a key of DG14 shows."""
    return ChipResult(
        check=CheckId.CHIP_AUTHENTICATION,
        key_file=FileId.DG14,
        proven=result.proven,
        status=CheckStatus.FAILED,
        reason=Reason.CHIP_PROOF_INVALID,
        facts={"protocol": result.evidence.protocol, "cipher": result.cipher.label, "domain": result.domain},
        evidence=result.evidence,
    )


def _failure(check: CheckId, file: FileId, error: Exception) -> ChipResult:
    """The result of a protocol that ended in an exception.

    Raises:
        SecureMessagingError: ``error``, where an answer was protected wrongly: that says something about the way to
            the chip, and nothing about the chip.
    """
    if isinstance(error, SecureMessagingError) and error.bare_status is None:
        raise error
    status, reason, facts = CheckStatus.FAILED, Reason.CHIP_PROOF_INVALID, {"error": type(error).__name__}
    if isinstance(error, UnsupportedAlgorithmError):
        status, reason = CheckStatus.UNDETERMINED, Reason.ALGORITHM_UNSUPPORTED
    elif isinstance(error, MalformedDataError):
        reason = Reason.FILE_MALFORMED
    elif isinstance(error, (AccessDeniedError, SecureMessagingError)):
        reason = Reason.CHIP_REFUSED
        if isinstance(error.__cause__, StatusWordError):
            facts = {"sw": f"{error.__cause__.sw:04X}"}
        elif isinstance(error, SecureMessagingError):
            facts = {"sw": f"{error.bare_status:04X}"}
    return ChipResult(check=check, key_file=file, status=status, reason=reason, facts=facts)
