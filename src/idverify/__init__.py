"""Read chip ID cards, prove them genuine, and match the holder's face."""

from idverify._version import __version__

__all__ = ["__version__"]
