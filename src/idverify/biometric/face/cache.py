"""The portrait's template, kept while its holder is at the counter."""

from __future__ import annotations

import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable
from os import urandom

from idverify.biometric.codecs import CHIP_FORMATS, decode_image
from idverify.biometric.face.matcher import FaceMatcher, FaceSample
from idverify.biometric.face.quality import CaptureKind
from idverify.errors import ConfigurationError


class PortraitCache:
    """Samples of encoded portraits, the latest few, in memory only. Thread-safe.

    Each entry is found by an HMAC-SHA-256 under a key that is drawn for this object and never leaves it, so that no
    fingerprint of a portrait stays behind. It holds biometric data: clear it when the counter closes.
    """

    def __init__(self, matcher: FaceMatcher, *, size: int = 16, rng: Callable[[int], bytes] = urandom) -> None:
        """Keeps a matcher.

        Args:
            matcher: makes the samples.
            size: number of portraits that are kept, 1 … 10 000.
            rng: source of the key.

        Raises:
            ConfigurationError: size out of range.
        """
        if not 1 <= size <= 10_000:
            raise ConfigurationError(f"a portrait cache keeps 1 to 10000 portraits, not {size}")
        self._matcher, self._size, self._key = matcher, size, rng(32)
        self._kept: OrderedDict[bytes, FaceSample] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def sample(self, portrait: bytes) -> FaceSample:
        """The sample of a chip's portrait, made at most once.

        Raises:
            ImageError: the portrait cannot be decoded.
            NoFaceError: it shows no face.
            BiometricError: the face cannot be aligned.
            ModelError: a model is missing, altered or failed.
        """
        name = hmac.digest(self._key, portrait, "sha256")
        with self._lock:
            found = self._kept.get(name)
            if found is not None:
                self._kept.move_to_end(name)
                return found
        made = self._matcher.analyse(decode_image(portrait, formats=CHIP_FORMATS), kind=CaptureKind.PORTRAIT)
        with self._lock:
            self._kept[name] = made
            self._kept.move_to_end(name)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return made

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._kept.clear()
