"""``idverify trust import|list|show|status|diff|export``: the trust store."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from idverify.cli import _known, _trust, _ui
from idverify.errors import ConfigurationError, IdVerifyError

if TYPE_CHECKING:
    from idverify.chip.pki.trust_store import TrustEntry, TrustStore

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="The trust store: which authorities this machine believes.")
    group.command("import", help="Add master lists, LDIF, certificates and revocation lists.")(import_)
    group.command("list", help="The certificates of the store.")(list_)
    group.command("show", help="One certificate in full.")(show)
    group.command("status", help="What the store holds, and what has expired.")(status)
    group.command("diff", help="What one store has and the other has not.")(diff)
    group.command("export", help="Write a snapshot, or its certificates as files.")(export)
    app.add_typer(group, name="trust")


def _open(store: Path | None) -> tuple[TrustStore, Path]:
    from idverify.chip.pki.trust_store import TrustStore

    directory = store if store is not None else _trust.default_store()
    if not _trust.is_filled(directory):
        raise ConfigurationError(f"there is no trust store at {directory}; make one with 'idverify trust import PATH'")
    return TrustStore.open(directory), directory


@_ui.guarded
def import_(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH…", help="Files or directories: master list, LDIF, certificate, CRL.")
    ],
    store: _trust.StoreOption = None,
    root: Annotated[
        list[Path] | None,
        typer.Option("--root", metavar="CERT", help="A certificate that the lists' signers must lead to."),
    ] = None,
    allow_unverified: Annotated[
        bool, typer.Option("--allow-unverified", help="Take lists too that nobody known has signed.")
    ] = False,
    as_json: _ui.JsonOption = False,
) -> None:
    """Add to the store: whole or not at all. Exit code 1 where something named could not be used."""
    from idverify.chip.pki.importer import update

    directory = store if store is not None else _trust.default_store()
    for path in paths:
        if not path.exists():
            raise ConfigurationError(f"{path}: no such file or directory")
    roots = [_certificate(path) for path in root or ()]
    if directory.suffix != ".idvstore":
        directory.mkdir(parents=True, exist_ok=True)
    with _ui.progress() as display:
        result = update(
            directory,
            paths,
            roots=roots,
            allow_unverified=allow_unverified,
            at=datetime.now(UTC),
            on_progress=lambda name, done, total: display.update(name, done, total),
            report_refusal=True,
        )
    if as_json:
        _ui.print_json(result.to_dict())
    else:
        _ui.say(
            f"{result.parsed} certificates read, {result.usable} usable, {result.verified} verified, "
            f"{result.countries} countries; {result.lists} lists, {result.crls} revocation lists; {result.added} new"
        )
        _ui.say(f"{directory}", style="dim")
        if not result.stored:
            _ui.say("nothing could be used; no store was made", style="bold red")
        for name in result.self_vouched:
            _ui.say(f"  {name} is vouched for only by itself; --root CERT holds it against a root", style="yellow")
        for problem in result.problems[:_SHOWN]:
            hint = "; --allow-unverified takes it" if problem.reason.value == "list-signer-not-trusted" else ""
            _ui.say(f"  ! {problem}{hint}", style="yellow")
        if len(result.problems) > _SHOWN:
            _ui.say(f"  … and {len(result.problems) - _SHOWN} more (--json shows all)", style="yellow")
    _ui.leave(_ui.Exit.FAILURE if result.refused else _ui.Exit.OK)


def _certificate(path: Path) -> Any:
    from idverify.chip.pki.certificate import Certificate
    from idverify.cli import _files

    return Certificate.parse(_known.unpacked(_files.read_capped(path)))


def _row(entry: TrustEntry) -> dict[str, Any]:
    from idverify.chip.pki.certificate import Certificate

    row: dict[str, Any] = {
        "fingerprint": entry.fingerprint.hex(),
        "kind": entry.kind.name.lower().replace("_", "-"),
        "country": entry.country,
        "source": entry.provenance.to_dict(),
    }
    if entry.kind.name in ("CRL", "DEVIATION_LIST"):
        return row
    try:
        certificate = Certificate.parse(entry.data)
    except IdVerifyError as error:
        return row | {"problem": str(error)}
    return row | {
        "subject": certificate.subject.text,
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
    }


@_ui.guarded
def list_(
    store: _trust.StoreOption = None,
    country: Annotated[str | None, typer.Option("--country", metavar="XX", help="Only this country.")] = None,
    as_json: _ui.JsonOption = False,
) -> None:
    """List the store's entries."""
    opened, _ = _open(store)
    rows = [_row(e) for e in opened.entries() if country is None or e.country.upper() == country.upper()]
    rows.sort(key=lambda row: (row["country"], row.get("subject", ""), row["fingerprint"]))
    if as_json:
        _ui.print_json({"id": opened.id, "entries": rows})
        return
    from rich.table import Table

    table = Table(box=None, header_style="dim")
    for title in ("", "kind", "subject", "valid until", "SHA-256"):
        table.add_column(title, overflow="fold")
    today = datetime.now(UTC).isoformat()
    for row in rows:
        until = str(row.get("not_after", ""))
        style = "red" if until and until < today else ""
        table.add_row(
            row["country"], row["kind"], row.get("subject", ""), until[:10], row["fingerprint"][:16], style=style
        )
    _ui.stdout().print(table)


@_ui.guarded
def show(
    fingerprint: Annotated[str, typer.Argument(metavar="SHA-256", help="Fingerprint, or its first digits.")],
    store: _trust.StoreOption = None,
    as_json: _ui.JsonOption = False,
) -> None:
    """Show one entry in full."""
    opened, _ = _open(store)
    wanted = fingerprint.lower().replace(":", "")
    found = [entry for entry in opened.entries() if entry.fingerprint.hex().startswith(wanted)]
    if len(found) != 1:
        raise ConfigurationError(
            f"{len(found) or 'no'} entries begin with {fingerprint!r}; 'idverify trust list' shows them"
        )
    entry = found[0]
    row = _row(entry) | {"fields": _known.describe(entry.data).fields}
    if as_json:
        _ui.print_json(row)
        return
    _ui.say(f"{row['kind']} {row['country']} {row['fingerprint']}", style="bold")
    for name, value in row["fields"].items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        _ui.say(f"  {name:16}{text}")
    for name, value in row["source"].items():
        _ui.say(f"  {name:16}{value}", style="dim")


@_ui.guarded
def status(
    store: _trust.StoreOption = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="ISO-DATE", help="Time that validity and age are judged at; now else.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a page with a map of countries, lists and their age."),
    ] = None,
    as_json: _ui.JsonOption = False,
) -> None:
    """Sum up the store: countries, how long their authorities last, lists and their age."""
    from idverify.chip.pki.coverage import Horizon, coverage

    opened, directory = _open(store)
    with _ui.progress() as display:
        found = coverage(
            opened, _ui.moment(at), on_progress=lambda done, total: display.update("certificates", done, total)
        )
    if html is not None:
        from idverify.presentation.trust_page import trust_page

        try:
            html.write_text(trust_page(found), encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{html}: cannot be written ({error.strerror})") from error
    kinds = {kind.name.lower().replace("_", "-"): number for kind, number in opened.counts().items()}
    countries = opened.countries()
    expired = sum(c.expired for c in found.countries)
    if as_json:
        answer = {
            "id": opened.id,
            "path": str(directory),
            "entries": len(opened),
            "kinds": kinds,
            "countries": countries,
            "expired": expired,
            "coverage": found.to_dict(),
        }
        _ui.print_json(answer)
        return
    _ui.say(f"{directory}", style="bold")
    _ui.say(f"  id         {opened.id}")
    for kind, number in kinds.items():
        _ui.say(f"  {kind:20}{number:>6}")
    _ui.say(f"  countries           {len(countries):>6}")
    _ui.say(f"  CSCA past validity  {expired:>6}", style="yellow" if expired else "")
    ending = [c.code for c in found.covered if c.horizon in (Horizon.SHORT, Horizon.EXPIRED)]
    if ending:
        _ui.say(f"  expired, or within a year: {', '.join(ending)}", style="yellow")
    for source in found.sources[:_SHOWN]:
        age = f"{max(0, source.age.days)} days old" if source.age is not None else "of unknown age"
        _ui.say(f"  {source.provenance.source}: {source.entries} of the entries, {age}", style="dim")
    if html is not None:
        _ui.say(f"{html}")


@_ui.guarded
def diff(
    older: Annotated[Path, typer.Argument(metavar="OLD", help="A trust store.")],
    newer: Annotated[Path, typer.Argument(metavar="NEW", help="Another one.")],
    as_json: _ui.JsonOption = False,
) -> None:
    """Compare two stores. Exit code 0, whether or not they differ."""
    first, second = _open(older)[0], _open(newer)[0]
    difference = first.difference(second)
    added, removed = ([_row(e) for e in entries] for entries in (difference.added, difference.removed))
    if as_json:
        _ui.print_json({"older": first.id, "newer": second.id, "added": added, "removed": removed})
        return
    for sign, colour, rows in (("+", "green", added), ("-", "red", removed)):
        for row in rows:
            about = row.get("subject", row["kind"])
            _ui.say(f"{sign} {row['country']:3}{row['fingerprint'][:16]}  {about}", style=colour)
    if not added and not removed:
        _ui.say("không khác nhau · no difference")


@_ui.guarded
def export(
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="A directory for files, or FILE.idvstore.")],
    store: _trust.StoreOption = None,
    country: Annotated[str | None, typer.Option("--country", metavar="XX", help="Only this country's files.")] = None,
    as_json: _ui.JsonOption = False,
) -> None:
    """Write the store as one file, or every certificate and revocation list as a DER file."""
    opened, _ = _open(store)
    if out.suffix == ".idvstore":
        if country is not None:
            raise ConfigurationError("--country is for files; a snapshot is the whole store")
        opened.save(out)
        count = len(opened)
    else:
        out.mkdir(parents=True, exist_ok=True)
        chosen = [e for e in opened.entries() if country is None or e.country.upper() == country.upper()]
        for entry in chosen:
            suffix = {"CRL": "crl", "DEVIATION_LIST": "dl"}.get(entry.kind.name, "cer")
            land = "".join(c for c in entry.country if c.isalnum()) or "XX"
            (out / f"{land}_{entry.fingerprint.hex()[:16]}.{suffix}").write_bytes(entry.data)
        count = len(chosen)
    if as_json:
        _ui.print_json({"written": count, "path": str(out), "id": opened.id})
    else:
        _ui.say(f"{count} → {out}")
