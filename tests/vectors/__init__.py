"""Small published figures, each file with its source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def load(name: str) -> Any:
    """The JSON file of that name in this folder."""
    return json.loads(Path(__file__).with_name(f"{name}.json").read_text(encoding="utf-8"))


def unhex(text: str) -> bytes:
    """Bytes from hexadecimal text."""
    return bytes.fromhex(text)
