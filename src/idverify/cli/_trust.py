"""Where trust comes from: ``--trust PATH``, else the trust store of this user."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idverify.errors import ConfigurationError

if TYPE_CHECKING:
    from idverify.chip.pki.trust_store import TrustStore

TrustOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--trust",
        metavar="PATH",
        help="Trust anchors: a certificate, a directory, a master list (.ml), an LDIF, or a trust store. "
        "May be given several times. Without it: the trust store of 'idverify trust import'.",
    ),
]
StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        envvar="IDVERIFY_TRUST_STORE",
        help="The trust store; that of this user where not given.",
    ),
]


def default_store() -> Path:
    """The directory of this user's trust store, by the platform's custom (XDG on Linux); it may not exist yet."""
    given = os.environ.get("IDVERIFY_TRUST_STORE")
    if given:
        return Path(given)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", str(Path.home() / "AppData" / "Local")))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "idverify" / "trust"


def is_filled(store: Path) -> bool:
    """Whether anything is there: an import that found nothing to take leaves a folder with its lock behind."""
    return store.is_file() or (store.is_dir() and any(f.suffix != ".lock" for f in store.iterdir()))


def load_trust(paths: list[Path] | None) -> TrustStore:
    """The trust store that the options mean.

    Raises:
        ConfigurationError: there is none.
        TrustStoreError: it cannot be read.
    """
    from idverify.chip.pki.trust_store import TrustStore

    if not paths:
        store = default_store()
        if not is_filled(store):
            raise ConfigurationError(
                "no trust anchors: give --trust PATH, or fill this user's trust store with 'idverify trust import PATH'"
            )
        paths = [store]
    for path in paths:
        if not path.exists():
            raise ConfigurationError(f"--trust {path}: no such file or directory")
    return TrustStore.load(paths)
