"""Templates at rest: sealed with AES-256-GCM under a key of the caller (NIST SP 800-38D).

A sealed template is

====== =====================================================
octets content
====== =====================================================
4      ``IDVT``
1      version, 1
12     nonce, drawn anew for each
n      ciphertext and 16 octets of tag
====== =====================================================

The first five octets and the caller's context are authenticated besides. Inside lie the model's identity, the quality
and the vector; a template of another model is refused when it is compared, not when it is opened. One key must not
seal more than 2^32 templates (SP 800-38D 8.3).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from os import urandom

import numpy as np

from idverify._secret import Secret
from idverify.biometric.face.embed import Embedding
from idverify.biometric.face.matcher import FaceTemplate
from idverify.crypto import sealing
from idverify.crypto.sealing import KEY_BYTES
from idverify.errors import ConfigurationError, MalformedDataError

__all__ = ["KEY_BYTES", "seal", "unseal"]

MAX_DIM = 4096
MAX_SEALED = 64 * 1024
_MAGIC = b"IDVT\x01"
_HEAD = struct.Struct(">BfH")
"""Length of the model's identity, quality (negative: none), length of the vector."""


def seal(
    template: FaceTemplate, key: Secret[bytes], *, context: bytes = b"", rng: Callable[[int], bytes] = urandom
) -> bytes:
    """A template that only the key opens.

    Args:
        template: the template.
        key: 32 octets; it stays with the caller.
        context: what the template belongs to, such as a record number: opening asks for the same octets.
        rng: source of the nonce.

    Raises:
        ConfigurationError: a key of another length, or a template that has no form here.
    """
    name = template.model.encode("utf-8")
    vector = np.asarray(template.embedding, np.float32)
    if vector.ndim != 1 or not 1 <= len(vector) <= MAX_DIM or not 1 <= len(name) <= 255:
        raise ConfigurationError("this template has another form than those that are sealed here")
    quality = -1.0 if template.quality is None else float(template.quality)
    plain = _HEAD.pack(len(name), quality, len(vector)) + name + vector.astype("<f4").tobytes()
    return sealing.seal(plain, key, magic=_MAGIC, context=context, rng=rng)


def unseal(sealed: bytes, key: Secret[bytes], *, context: bytes = b"") -> FaceTemplate:
    """Opens a sealed template.

    Args:
        sealed: from :func:`seal`.
        key: the same key.
        context: the same octets.

    Raises:
        ConfigurationError: a key of another length.
        MalformedDataError: not a sealed template, altered, of another context, or under another key.
    """
    if len(sealed) > MAX_SEALED:
        raise MalformedDataError("these bytes are no sealed template")
    return _parse(sealing.unseal(sealed, key, magic=_MAGIC, context=context, what="template"))


def _parse(plain: bytes) -> FaceTemplate:
    """Authentic octets to a template; whoever holds the key may still write nonsense."""
    try:
        name_length, quality, dim = _HEAD.unpack_from(plain)
        name = plain[_HEAD.size : _HEAD.size + name_length].decode("utf-8")
        raw = plain[_HEAD.size + name_length :]
        if len(raw) != 4 * dim or not 1 <= dim <= MAX_DIM:
            raise ValueError
        vector = np.frombuffer(raw, "<f4").astype(np.float32)
        if not 0.1 <= float(np.linalg.norm(vector)) <= 1.001 or not -1 <= quality <= 100:
            raise ValueError
    except (struct.error, ValueError):
        raise MalformedDataError("the sealed template holds no template") from None
    vector.setflags(write=False)
    return FaceTemplate(embedding=Embedding(vector), model=name, quality=None if quality < 0 else float(quality))
