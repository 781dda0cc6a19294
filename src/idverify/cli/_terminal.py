"""The options that let a terminal in where DG3 and DG4 are guarded: its certificates, and its private key."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idverify.cli import _files, _known, _passwords, _ui
from idverify.errors import ConfigurationError, MalformedDataError, TerminalKeyError

if TYPE_CHECKING:
    from idverify._secret import Secret
    from idverify.chip.access.terminal_auth import TerminalCredentials
    from idverify.chip.access.terminal_key import TerminalKey
    from idverify.chip.pki.cvc import CvCertificate

_PANEL = "Reading DG3 and DG4 (terminal authentication)"
_LARGEST = 64 * 1024
_CV_CERTIFICATE = b"\x7f\x21"

CertificateOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--terminal-certificate",
        metavar="FILE|DIR",
        rich_help_panel=_PANEL,
        help="Card verifiable certificates: the terminal's, its document verifier's, links, the CVCA's; "
        "again for each file, or a folder.",
    ),
]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--terminal-key", metavar="FILE", rich_help_panel=_PANEL, help="The terminal's private key, PEM or DER."
    ),
]
ModuleOption = Annotated[
    Path | None,
    typer.Option(
        "--terminal-pkcs11",
        metavar="MODULE",
        rich_help_panel=_PANEL,
        help="PKCS #11 library of the security module that holds the key, instead of --terminal-key.",
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option("--terminal-token", metavar="LABEL", rich_help_panel=_PANEL, help="Label of the module's token."),
]
LabelOption = Annotated[
    str | None,
    typer.Option("--terminal-key-label", metavar="LABEL", rich_help_panel=_PANEL, help="Label of the key in it."),
]
SecretOption = Annotated[
    str | None,
    typer.Option(
        "--terminal-secret",
        metavar="TEXT",
        envvar="IDVERIFY_TERMINAL_SECRET",
        rich_help_panel=_PANEL,
        help="Passphrase of the key file, or PIN of the token. '-' reads it from standard input.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the options say, where it goes together.

    Attributes:
        certificates: files and folders.
        key: file of the private key.
        module, token, label: where a security module has it.
        secret: passphrase or PIN; ``-`` for standard input.
    """

    certificates: list[Path] | None
    key: Path | None
    module: Path | None
    token: str | None
    label: str | None
    secret: str | None = field(repr=False)

    def __post_init__(self) -> None:
        """Raises typer.BadParameter where something is missing, or does not go together."""
        if self.key is None and self.module is None:
            if self.certificates or self.token is not None or self.label is not None:
                raise typer.BadParameter("the terminal's key is missing: --terminal-key, or --terminal-pkcs11")
        elif self.key is not None and self.module is not None:
            raise typer.BadParameter("--terminal-key and --terminal-pkcs11 are two places for one key; give one")
        elif not self.certificates:
            raise typer.BadParameter("the terminal's certificates are missing: --terminal-certificate")
        elif (self.module is None) != (self.token is None) or (self.module is None) != (self.label is None):
            raise typer.BadParameter("--terminal-pkcs11, --terminal-token and --terminal-key-label go together")


@contextlib.contextmanager
def credentials(context: typer.Context, given: Given, on: date) -> Iterator[TerminalCredentials | None]:
    """The terminal's credentials for the length of a block; None where no option gives any.

    Everything is looked at before the card is: that the certificates can be read, and that the key is that of the
    terminal's certificate.

    Args:
        context: the command's.
        given: the options.
        on: the day that is told from when the certificate has expired; it is the chip that judges.

    Raises:
        typer.BadParameter: standard input is taken.
        ConfigurationError, MalformedDataError, UnsupportedAlgorithmError: a certificate or the key cannot be read.
        TerminalKeyError: the key is another's, or its module does not give it.
    """
    from idverify._secret import Secret
    from idverify.chip.pki.cvc import printable

    if given.key is None and given.module is None:
        yield None
        return
    secret = _passwords.given(context, given.secret, "--terminal-secret")
    _passwords.warn(context, ("terminal_secret",), "IDVERIFY_TERMINAL_SECRET")
    certificates = _certificates(given.certificates or [])
    with contextlib.ExitStack() as using:
        key = _key(using, given, Secret(secret) if secret is not None else None)
        terminal = _fitting(certificates, key)
        if on > terminal.certificate.expires:
            holder = printable(terminal.certificate.holder_reference)
            _ui.note(f"note: the terminal's certificate {holder} expired on {terminal.certificate.expires}")
        yield terminal


def _fitting(certificates: list[CvCertificate], key: TerminalKey) -> TerminalCredentials:
    """The key with its certificate; of several that it fits, as after a renewal, the one that lasts longest.

    Raises:
        ConfigurationError: no certificate is a terminal's.
        TerminalKeyError: the key fits none.
    """
    from idverify.chip.access.terminal_auth import TerminalCredentials
    from idverify.chip.pki.cvc import Role, printable

    issuers = [c.raw for c in certificates if c.chat.role is not Role.TERMINAL]
    own = sorted((c for c in certificates if c.chat.role is Role.TERMINAL), key=lambda c: c.expires, reverse=True)
    if not own:
        raise ConfigurationError("none of the certificates is a terminal's: there are only those of its issuers")
    for certificate in own:
        terminal = TerminalCredentials.load([*issuers, certificate.raw], key)
        with contextlib.nullcontext() if len(own) == 1 else contextlib.suppress(TerminalKeyError):
            if terminal.key_belongs(getattr(key, "curve", None)) is not False:
                return terminal
    names = ", ".join(printable(c.holder_reference) for c in own)
    raise TerminalKeyError(f"the private key is not that of the terminal's certificate {names}")


def _key(using: contextlib.ExitStack, given: Given, secret: Secret[str] | None) -> TerminalKey:
    """The private key; a security module is logged out of when ``using`` ends."""
    if given.module is not None:
        from idverify.chip.access.pkcs11_key import Pkcs11TerminalKey

        return using.enter_context(
            Pkcs11TerminalKey.open(given.module, token=given.token or "", pin=secret, label=given.label)
        )
    from idverify.chip.access.terminal_key import InMemoryTerminalKey

    path = given.key or Path()
    try:
        return InMemoryTerminalKey.load(_files.read_capped(path, _LARGEST), secret)
    except ConfigurationError as error:
        hint = " (--terminal-secret)" if secret is None and "passphrase" in str(error) else ""
        raise ConfigurationError(f"{path.name}: {error}{hint}") from None


def _certificates(paths: list[Path]) -> list[CvCertificate]:
    """The certificates of files, and of folders, where other files are left alone."""
    found: list[CvCertificate] = []
    for path in paths:
        if not path.is_dir():
            found.append(_certificate(path))
            continue
        inside = [f for f in sorted(path.iterdir()) if f.is_file() and _is_certificate(f)]
        if not inside:
            raise ConfigurationError(f"{path.name}: the folder holds no card verifiable certificate")
        found += map(_certificate, inside)
    return list({c.raw: c for c in found}.values())


def _certificate(path: Path) -> CvCertificate:
    from idverify.chip.pki.cvc import CvCertificate

    with _files.naming(path):
        return CvCertificate.parse(_known.unpacked(_files.read_capped(path, _LARGEST)))


def _is_certificate(path: Path) -> bool:
    """Whether a file of a folder begins as a card verifiable certificate does, in DER or PEM."""
    if path.stat().st_size > _LARGEST:
        return False
    with contextlib.suppress(MalformedDataError):
        return _known.unpacked(path.read_bytes())[:2] == _CV_CERTIFICATE
    return False
