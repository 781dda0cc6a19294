"""Writing what a transaction leaves behind: files that only their owner can read."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from idverify.cli import _ui
from idverify.errors import ConfigurationError

if TYPE_CHECKING:
    from idverify._secret import Secret
    from idverify.consent import Consent
    from idverify.verification import VerificationResult


def private_directory(path: Path) -> Path:
    """The directory, made with access for its owner alone where it is not there yet.

    Raises:
        ConfigurationError: a file is in its place.
        OSError: it cannot be made.
    """
    check_directory(path)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def check_directory(path: Path) -> None:
    """Whether files can be written into a folder that is there, or that can be made; nothing is made.

    Raises:
        ConfigurationError: they cannot.
    """
    if path.exists() and not path.is_dir():
        raise ConfigurationError(f"{path.name} is a file; --out names a directory")
    there = next((p for p in (path, *path.absolute().parents) if p.exists()), path)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ConfigurationError(f"--out {path}: nothing can be written into {there}")


def check_file(path: Path, option: str) -> None:
    """Whether a file can be written, as :func:`write_private` does.

    Raises:
        ConfigurationError: it cannot.
    """
    if path.is_dir():
        raise ConfigurationError(f"{option} {path}: it is a directory; {option} names a file")
    if not path.parent.is_dir():
        raise ConfigurationError(f"{option} {path}: there is no directory {path.parent}")
    if not os.access(path.parent if not path.exists() or path.is_file() else path, os.W_OK):
        raise ConfigurationError(f"{option} {path}: it cannot be written")


def check_written(*files: tuple[Path | None, str]) -> None:
    """As :func:`check_file` for each file with its option that is given, before a long measurement.

    Raises:
        ConfigurationError: one cannot be written.
    """
    for path, option in files:
        if path is not None:
            check_file(path, option)


def check_plots(*files: tuple[Path | None, str]) -> None:
    """As :func:`check_written`; and whether plots can be drawn into files of such names.

    Raises:
        ConfigurationError: one cannot.
    """
    from importlib.util import find_spec

    from idverify.biometric.evaluation.det import SUFFIXES

    check_written(*files)
    given = [(path, option) for path, option in files if path is not None]
    for path, option in given:
        if path.suffix.lower() not in SUFFIXES:
            raise ConfigurationError(f"{option} {path}: a plot is written as {' or '.join(SUFFIXES)}, by its suffix")
    if given and find_spec("matplotlib") is None:
        raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")


def write_private(path: Path, data: bytes) -> None:
    """Write a file with access for its owner alone, whole or not at all.

    One that is there is replaced, not written into: whoever made it, its rights and whatever it links to stay out of
    it. Devices and pipes are written to.

    Raises:
        OSError: it cannot be written; the error names the file, not the draft.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")  # rights: 0600
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def write_json(path: Path, answer: Mapping[str, Any]) -> None:
    """Write a JSON object."""
    write_private(path, _json(answer))


def _json(answer: Mapping[str, Any]) -> bytes:
    return (json.dumps(answer, ensure_ascii=False, indent=2) + "\n").encode()


SEALED = ".sealed"
"""What the names of sealed reports end in."""


def write_reports(result: VerificationResult, out: Path, key: Secret[bytes] | None = None) -> tuple[Path, Path]:
    """Write ``report.json`` (no holder data) and ``report.html`` (with holder data); return their paths.

    With a key both are sealed, bound to their names, and nothing else is written.
    """
    from idverify.presentation import html_report

    directory = private_directory(out)
    contents = {"report.json": _json(result.to_dict()), "report.html": html_report(result).encode()}
    paths = []
    for name, data in contents.items():
        if key is not None:
            from idverify.sealing import seal_report

            data, name = seal_report(data, key, context=name.encode()), name + SEALED
        write_private(directory / name, data)
        paths.append(directory / name)
    return paths[0], paths[1]


AuditOption = Annotated[
    Path | None, typer.Option("--audit", metavar="LOG", help="Append the outcome to this audit log; no holder data.")
]

AuditKeyOption = Annotated[
    Path | None,
    typer.Option(
        "--audit-key",
        metavar="KEYFILE",
        help="Write the document's pseudonym under this key into the log ('seal new-key' makes one), so that its "
        "entries can be found and erased.",
    ),
]

XmlOption = Annotated[
    Path | None,
    typer.Option("--xml", metavar="FILE", help="Write the results as XML after BSI TR-03135; no holder data."),
]
SealOption = Annotated[
    Path | None,
    typer.Option("--seal", metavar="KEYFILE", help="Encrypt the reports of --out with this key ('seal new-key')."),
]

ConsentOption = Annotated[
    str | None,
    typer.Option("--consent", metavar="REFERENCE", help="Where the holder's consent is recorded; its hash is kept."),
]
PurposeOption = Annotated[
    str | None, typer.Option("--purpose", metavar="TEXT", help="What the consent was given for, in a few words.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Where a result goes; looked at before a card is, so that no reading is in vain.

    Attributes:
        out: folder of the reports.
        xml: file of the results after BSI TR-03135.
        audit: the audit log.
        audit_key: file of the key for the document's pseudonym.
        seal: file of the key that encrypts the reports.
    """

    out: Path | None = None
    xml: Path | None = None
    audit: Path | None = None
    audit_key: Path | None = None
    seal: Path | None = None

    def __post_init__(self) -> None:
        """Raises typer.BadParameter for options that do not go together, else what cannot be used or written to."""
        if self.seal is not None and self.out is None:
            raise typer.BadParameter("--seal encrypts the reports of --out; give both")
        if self.audit_key is not None and self.audit is None:
            raise typer.BadParameter("--audit-key is for the log of --audit; give both")
        self.sealing_key(), self.pseudonym_key()
        if self.out is not None:
            check_directory(self.out)
        if self.xml is not None:
            check_file(self.xml, "--xml")
        if self.audit is not None:
            from idverify.audit import AuditLog

            AuditLog(self.audit)

    def sealing_key(self) -> Secret[bytes] | None:
        """The key of ``--seal``.

        Raises:
            ConfigurationError: the file holds no key.
        """
        return _key(self.seal)

    def pseudonym_key(self) -> Secret[bytes] | None:
        """The key of ``--audit-key``.

        Raises:
            ConfigurationError: the file holds no key.
        """
        return _key(self.audit_key)


def _key(path: Path | None) -> Secret[bytes] | None:
    from idverify.sealing import read_key

    return read_key(path) if path is not None else None


def consent_of(reference: str | None, purpose: str | None) -> Consent | None:
    """The consent that the two options mean.

    Raises:
        typer.BadParameter: one without the other.
    """
    from idverify.consent import Consent

    if reference is None and purpose is None:
        return None
    if reference is None or purpose is None:
        raise typer.BadParameter("--consent and --purpose go together: where it is recorded, and what it is for")
    return Consent(reference=reference, purpose=purpose)


def _pseudonym(result: VerificationResult, key: Secret[bytes] | None) -> str | None:
    """The document's pseudonym for the log; None without a key, and where no number was read."""
    from idverify._secret import Secret
    from idverify.audit import pseudonym
    from idverify.report import CheckId

    if key is None or result.holder is None:
        return None
    states = [c.evidence.get("issuing-state") for c in result.report.results(CheckId.ISSUER_MRZ)]
    state = next((s for s in states if s), result.holder.reveal().nationality)
    return pseudonym(key, issuing_state=state, document_number=Secret(result.holder.reveal().number))


def finish(result: VerificationResult, outputs: Outputs, *, as_json: bool, holder: bool) -> None:
    """Record a result, write its reports, show it, and leave with the exit code of its outcome."""
    if outputs.audit is not None:
        from idverify.audit import AuditLog

        document = _pseudonym(result, outputs.pseudonym_key())
        AuditLog(outputs.audit).record(result.decision, result.report, document=document)
    if outputs.xml is not None:
        from idverify.presentation.tr03135 import tr03135_xml

        write_private(outputs.xml, tr03135_xml(result))
    key = outputs.sealing_key()
    written = write_reports(result, outputs.out, key) if outputs.out is not None else None
    if as_json:
        _ui.print_json(result.to_dict())
    else:
        from idverify.presentation.table import verdict_table

        console = _ui.stdout()
        console.print(verdict_table(result, holder=holder))
        if written is not None:
            kind = "mã hoá · sealed" if key is not None else "chứa dữ liệu cá nhân · contains personal data"
            console.print(f"\n{written[0]}\n{written[1]}  ({kind})", markup=False)
    _ui.leave(_ui.OUTCOME_EXIT[result.decision.outcome.value])
