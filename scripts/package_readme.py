"""The README as the package carries it: it is shown away from the repository, where links to its files lead nowhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_HERE = r"(?!https?:|#)"  # neither a page elsewhere nor a place in this one
_IMAGE = re.compile(rf"!\[[^\]]*\]\({_HERE}[^)]*\)\n\n(?:\*[^*\n]+\*\n\n)?")  # with its caption
_LINK = re.compile(rf"\[([^\]]+)\]\({_HERE}([^)]*)\)")
_END = "\nThe files that are named here are in the source distribution.\n"


def standalone(readme: str) -> str:
    """The text without pictures of the repository, and with the names of its files in place of links to them."""

    def named(link: re.Match[str]) -> str:
        text, path = link.groups()
        return f"`{path}`" if text == path else f"{text} (`{path}`)"

    return _LINK.sub(named, _IMAGE.sub("", readme)) + _END


class ReadmeHook(MetadataHookInterface):
    """Gives the build its ``readme``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by the build for what ``dynamic`` names."""
        text = (Path(self.root) / "README.md").read_text("utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": standalone(text)}
