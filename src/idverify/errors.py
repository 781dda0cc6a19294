"""The exception tree of idverify.

Every exception that leaves a public call is one of these, whatever the bytes from the chip or the camera::

    IdVerifyError
    ├── ConfigurationError (ValueError)      an argument or setting of the caller cannot be used
    │   └── PolicyError                      a policy is malformed or asks for what cannot be decided
    ├── OperationCancelled                   the caller's cancel token was set
    ├── TransportError                       the way to the card is broken
    │   ├── ServiceUnavailableError          no PC/SC service (pcscd stopped, library missing)
    │   ├── ReaderNotFoundError              no reader of that name, or the reader was unplugged
    │   ├── NoCardError                      the reader holds no card
    │   ├── CardRemovedError                 the card left the field in the middle
    │   ├── CardInUseError                   another program holds the card
    │   └── TransportTimeout (TimeoutError)  no answer in time
    ├── ProtocolError                        the card answered, but not as the standard asks
    │   ├── StatusWordError                  an unexpected status word (``.sw``)
    │   │   ├── FileNotFoundOnCardError      SW 6A82
    │   │   ├── ApplicationNotFoundError     no eMRTD application on this card
    │   │   └── SecurityStatusError          SW 6982: access rights do not suffice
    │   ├── SecureMessagingError             a protected response does not verify; the session is dead
    │   └── AccessDeniedError                access control did not open the chip
    │       ├── WrongPasswordError           the chip does not accept this password
    │       ├── CardLockedError              the password is blocked or suspended on the chip
    │       └── TerminalRefusedError         the chip does not accept a certificate or the proof of the terminal
    ├── MalformedDataError                   bytes that do not follow their format
    │   └── ImageError                       a picture that cannot be decoded within the caps
    ├── UnsupportedAlgorithmError            a standard algorithm that this library does not know
    ├── TerminalKeyError                     the terminal's private key cannot be used
    ├── TrustStoreError                      the trust store cannot be read or written
    ├── AuditError                           the audit log cannot be written, or its chain is broken
    ├── ModelError                           a model file is missing, altered or of another shape
    └── BiometricError                       a sample that cannot be used
        ├── NoFaceError                      no face in the picture
        └── NoFingerError                    no finger in the picture

A check that ran and failed is no exception but a :class:`idverify.report.CheckResult`.
Messages say what was expected, what came and what to do; they never hold data of the document holder.
"""

from __future__ import annotations


class IdVerifyError(Exception):
    """Root of all exceptions of this library."""


class ConfigurationError(IdVerifyError, ValueError):
    """An argument or a setting given by the caller cannot be used."""


class PolicyError(ConfigurationError):
    """A policy is malformed, or asks for a decision that the evidence cannot carry.

    Attributes:
        problems: everything that is wrong, each with its path; the message alone where there is one.
    """

    def __init__(self, message: str, *, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems or (message,)


class OperationCancelled(IdVerifyError):  # noqa: N818 - the name says what happened, as asyncio.CancelledError does
    """The caller's cancel token was set; the card session is closed."""


class TransportError(IdVerifyError):
    """The way to the card is broken."""


class ServiceUnavailableError(TransportError):
    """There is no PC/SC service to talk to."""


class ReaderNotFoundError(TransportError):
    """No reader matches, or the reader has been unplugged."""


class NoCardError(TransportError):
    """The reader holds no card."""


class CardRemovedError(TransportError):
    """The card was taken away, or lost the field, in the middle of an exchange."""


class CardInUseError(TransportError):
    """Another program holds the card."""


class TransportTimeout(TransportError, TimeoutError):  # noqa: N818 - a TimeoutError, named after it
    """The card or the reader did not answer in time."""


class ProtocolError(IdVerifyError):
    """The card answered, but not as the standard asks."""


class StatusWordError(ProtocolError):
    """An unexpected status word.

    Attributes:
        sw: the status word, 0 … 0xFFFF.
        command: the name of the command in the standard's words; never its data.
    """

    def __init__(self, sw: int, *, command: str, meaning: str = "", advice: str = "") -> None:
        text = f"{command}: the card answered {sw:04X}"
        if meaning:
            text += f" ({meaning})"
        if advice:
            text += f". {advice}"
        super().__init__(text)
        self.sw = sw
        self.command = command


class FileNotFoundOnCardError(StatusWordError):
    """The card has no such file (SW 6A82)."""


class ApplicationNotFoundError(StatusWordError):
    """The card has no eMRTD application."""


class SecurityStatusError(StatusWordError):
    """The access rights of this session do not suffice (SW 6982)."""


class SecureMessagingError(ProtocolError):
    """A protected response does not verify. The keys are gone; open the chip anew.

    Attributes:
        bare_status: the status word of an answer that came without any protection, which is how a chip refuses or says
            that it has lost the session; None where an answer was protected, but wrongly.
    """

    bare_status: int | None = None


class AccessDeniedError(ProtocolError):
    """Access control (BAC, PACE, terminal authentication) did not open the chip."""


class WrongPasswordError(AccessDeniedError):
    """The chip does not accept this password.

    Attributes:
        tries_left: tries that the chip reports, or None where it reports none.
    """

    def __init__(self, message: str, *, tries_left: int | None = None) -> None:
        super().__init__(message)
        self.tries_left = tries_left


class CardLockedError(AccessDeniedError):
    """The password is blocked or suspended on the chip, or the chip is deactivated."""


class TerminalRefusedError(AccessDeniedError):
    """The chip does not accept a certificate of the terminal, or its proof.

    Attributes:
        step: ``issuer`` (the chip does not know who issued it), ``certificate``, ``terminal`` or ``proof``.
        holder: holder reference of the certificate concerned.
        sw: the status word.
    """

    def __init__(self, message: str, *, step: str, holder: str, sw: int) -> None:
        super().__init__(message)
        self.step = step
        self.holder = holder
        self.sw = sw


class TerminalKeyError(IdVerifyError):
    """The terminal's private key cannot be used: another kind of key, or its keeper does not answer."""


class MalformedDataError(IdVerifyError):
    """Bytes that do not follow their format."""


class ImageError(MalformedDataError):
    """A picture that cannot be decoded, or that exceeds the caps."""


class UnsupportedAlgorithmError(IdVerifyError):
    """An algorithm or parameter that this library does not know."""


class TrustStoreError(IdVerifyError):
    """The trust store cannot be read or written."""


class AuditError(IdVerifyError):
    """The audit log cannot be written, or its chain is broken."""


class ModelError(IdVerifyError):
    """A model file is missing, altered, or of another shape than its card says."""


class BiometricError(IdVerifyError):
    """A biometric sample that cannot be used."""


class NoFaceError(BiometricError):
    """There is no face in the picture."""


class NoFingerError(BiometricError):
    """There is no finger in the picture, or too little of it."""
