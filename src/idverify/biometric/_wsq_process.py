"""WSQ pictures to pixels and back, through the ``_wsq`` module of the optional package ``wsq`` (NIST's NBIS in C).

That decoder was written for pictures that one has made oneself. Here it meets bytes from chips, so it runs in a process
of its own with caps on time and, where the system has such limits, on memory: damage that it trips over ends that
process, not a counter. Where the program has no interpreter to start (embedded, frozen to one file), it runs in place.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from idverify.biometric._headers import ImageHeader
from idverify.errors import ConfigurationError, ImageError

SECONDS: Final = 10
MEMORY: Final = 1 << 30
_RATIO: Final = 12  # the package takes a ratio and writes 0.75 bit a pixel whatever it is, about 11 to 1

_CHILD: Final = f"""
import sys
sys.path.insert(0, sys.argv[1])
try:
    import resource
except ImportError:
    resource = None
for name, limit in (("RLIMIT_AS", {MEMORY}), ("RLIMIT_CPU", {SECONDS}), ("RLIMIT_CORE", 0)):
    try:
        resource.setrlimit(getattr(resource, name), (limit, limit))
    except (AttributeError, OSError, ValueError):
        pass
import _wsq
pixels, width, height, _ = _wsq.decompress(sys.stdin.buffer.read())
sys.stdout.buffer.write(width.to_bytes(4, "big") + height.to_bytes(4, "big") + pixels)
"""


def decode(data: bytes, header: ImageHeader) -> NDArray[np.uint8]:
    """The grey pixels.

    Args:
        data: the picture, its header already read and within the caps.
        header: that header.

    Returns:
        ``uint8`` of shape (height, width).

    Raises:
        ConfigurationError: the package ``wsq`` is not installed.
        ImageError: the picture is damaged.
    """
    module = _module()
    try:
        width, height, pixels = _in_place(module, data) if _no_interpreter() else _in_child(module, data)
    except (subprocess.SubprocessError, ValueError):
        raise ImageError("the wsq picture cannot be decoded; it is damaged") from None
    except OSError as error:
        raise ImageError(f"the wsq picture cannot be decoded; no process for it ({error.strerror})") from None
    if (width, height) != (header.width, header.height) or len(pixels) != width * height:
        raise ImageError("the wsq picture cannot be decoded; it is damaged")
    return np.frombuffer(pixels, np.uint8).reshape(height, width)


def encode(grey: NDArray[np.uint8]) -> bytes:
    """A grey picture of shape (height, width) as WSQ.

    Raises:
        ConfigurationError: the package ``wsq`` is not installed.
        ImageError: the encoder refuses the picture.
    """
    height, width = grey.shape
    module = _module()
    try:
        data: bytes = module.compress(np.ascontiguousarray(grey).tobytes(), height, width, _RATIO)
    except Exception as error:  # noqa: BLE001 - the C module raises nothing more exact
        raise ImageError(f"the picture cannot be written as WSQ ({type(error).__name__})") from None
    return data


def _module() -> Any:
    if importlib.util.find_spec("_wsq") is None:
        raise ConfigurationError("WSQ pictures need the extra 'wsq': pip install 'idverify-emrtd[wsq]'")
    import _wsq

    return _wsq


def _no_interpreter() -> bool:
    return not sys.executable or bool(getattr(sys, "frozen", False))


def _in_child(module: Any, data: bytes) -> tuple[int, int, bytes]:
    command = [sys.executable, "-I", "-c", _CHILD, os.path.dirname(module.__file__)]
    done = subprocess.run(command, input=data, capture_output=True, timeout=SECONDS, check=True)  # noqa: S603 - ours
    out = done.stdout
    return int.from_bytes(out[:4], "big"), int.from_bytes(out[4:8], "big"), out[8:]


def _in_place(module: Any, data: bytes) -> tuple[int, int, bytes]:
    try:
        pixels, width, height, _ = module.decompress(data)
    except Exception:  # noqa: BLE001 - the C module raises nothing more exact
        raise ValueError("damaged") from None
    return width, height, pixels
