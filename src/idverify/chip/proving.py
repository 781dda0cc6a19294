"""Running active (and chip) authentication on an open session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from idverify.chip.access.active_auth import ActiveAuthEvidence, run_active_auth
from idverify.chip.chip_proof import ChipResult
from idverify.chip.iso7816.channel import FileChannel
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.dg15 import DG15
from idverify.chip.lds.files import FileId
from idverify.errors import (
    AccessDeniedError,
    MalformedDataError,
    ProtocolError,
    SecureMessagingError,
    StatusWordError,
    UnsupportedAlgorithmError,
)
from idverify.report import CheckId, CheckStatus, Reason

_T = TypeVar("_T")


def prove_active(
    files: Mapping[FileId, bytes],
    unreadable: Mapping[FileId, Reason],
    *,
    run: Callable[[Callable[[FileChannel], ActiveAuthEvidence]], ActiveAuthEvidence],
    rng: Callable[[int], bytes],
    challenge: bytes | None,
) -> ChipResult:
    """Active authentication (ICAO 9303-11 §6.1) with the key of DG15.

    Args:
        files: what was read.
        unreadable: what could not be read, and why.
        run: runs an action on the session's channel, recovering where that is allowed.
        rng: random bytes.
        challenge: 8 bytes, or None.

    Raises:
        ConfigurationError: a challenge of another length.
        TransportError, OperationCancelled
    """

    def outcome(status: CheckStatus, reason: Reason, **facts: str) -> ChipResult:
        return ChipResult(
            check=CheckId.ACTIVE_AUTHENTICATION, status=status, reason=reason, key_file=FileId.DG15, facts=facts
        )

    raw = files.get(FileId.DG15)
    if raw is None:
        why = unreadable.get(FileId.DG15)
        if why is None or why is Reason.FILE_ABSENT:
            return outcome(CheckStatus.NOT_SUPPORTED, Reason.NOT_OFFERED)
        return outcome(CheckStatus.NOT_PERFORMED, why)
    try:
        key = DG15.parse(raw).public_key
    except MalformedDataError:
        return outcome(CheckStatus.UNDETERMINED, Reason.FILE_MALFORMED)
    algorithm = _signature_algorithm(files)
    try:
        evidence = run(
            lambda channel: run_active_auth(channel, key, rng=rng, challenge=challenge, signature_algorithm=algorithm)
        )
    except UnsupportedAlgorithmError:
        return outcome(CheckStatus.UNDETERMINED, Reason.ALGORITHM_UNSUPPORTED)
    except MalformedDataError:
        return outcome(CheckStatus.FAILED, Reason.FILE_MALFORMED)
    except AccessDeniedError as error:
        cause = error.__cause__
        facts = {"sw": f"{cause.sw:04X}"} if isinstance(cause, StatusWordError) else {}
        return outcome(CheckStatus.FAILED, Reason.CHIP_REFUSED, **facts)
    except SecureMessagingError:
        return outcome(CheckStatus.FAILED, Reason.CHIP_REFUSED, error="secure-messaging")
    except ProtocolError:
        return outcome(CheckStatus.FAILED, Reason.CHIP_PROOF_INVALID)
    if not evidence.verified:
        failed = outcome(CheckStatus.FAILED, Reason.CHIP_PROOF_INVALID, algorithm=evidence.algorithm)
        return ChipResult(
            check=failed.check,
            status=failed.status,
            reason=failed.reason,
            key_file=FileId.DG15,
            facts=failed.facts,
            evidence=evidence,
        )
    return ChipResult(
        check=CheckId.ACTIVE_AUTHENTICATION,
        proven=True,
        key_file=FileId.DG15,
        facts={"algorithm": evidence.algorithm},
        evidence=evidence,
    )


def _signature_algorithm(files: Mapping[FileId, bytes]) -> str | None:
    """The algorithm that DG14's ActiveAuthenticationInfo names (§9.2.8), or None."""
    raw = files.get(FileId.DG14)
    if raw is None:
        return None
    try:
        info = DG14.parse(raw).security_infos.active_authentication
    except MalformedDataError:
        return None
    return info.signature_algorithm if info is not None else None
