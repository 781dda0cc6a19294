"""The command line ``idverify``. Needs the extra ``cli`` (typer and rich)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; ``sys.argv`` where None.

    Returns:
        0 success or accepted, 1 technical failure, 2 usage, 3 rejected, 4 review needed or inconclusive.
    """
    try:
        import rich
        import typer
    except ImportError as error:
        sys.stderr.write(f"idverify: the command line needs {error.name}: pip install 'idverify-emrtd[cli]'\n")
        return 1
    del rich, typer
    from idverify.cli._app import run

    return run(list(sys.argv[1:] if arguments is None else arguments))
