"""Picture headers, read before any decoder sees the bytes.

Each ``_read_*`` function walks the container of one format, finds size, depth and orientation, and refuses what would
make a decoder work or allocate without bound: many progressive scans, many tiles or precincts, animations, bytes that
end early. Pure Python, no allocation beyond the input.

Sources: ITU-T T.81 annex B (JPEG); ISO/IEC 15948 clause 5 (PNG); ITU-T T.800 annexes A and I (JPEG 2000);
TIFF 6.0 section 2; Microsoft BITMAPINFOHEADER; RFC 9649 (WebP); CIPA DC-008 4.6.4 (Exif orientation); IAFIS-IC-0110
(WSQ); pgm(5) and ppm(5) of Netpbm.
"""

from __future__ import annotations

import enum
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from idverify.errors import ImageError

MAX_JPEG_SCANS = 64
MAX_J2K_TILES = 1_024
MAX_J2K_PRECINCTS = 65_536
MAX_J2K_LAYERS = 256
MAX_SEGMENTS = 4_096


class ImageFormat(enum.Enum):
    """Formats that the decoder knows."""

    JPEG = "jpeg"
    PNG = "png"
    JPEG2000 = "jpeg2000"
    BMP = "bmp"
    WEBP = "webp"
    TIFF = "tiff"
    WSQ = "wsq"
    PNM = "pnm"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHeader:
    """What the header of a picture says.

    Attributes:
        format: the container.
        width: pixels in a row, before orientation.
        height: rows, before orientation.
        components: colour components in the file.
        bits: bits a component.
        orientation: Exif orientation 1 … 8; 1 where the file says nothing.
    """

    format: ImageFormat
    width: int
    height: int
    components: int
    bits: int
    orientation: int = 1


def _unpack(form: str, data: bytes, offset: int) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(form, data, offset)
    except (struct.error, OverflowError):  # an offset of 64 bits may be beyond every buffer
        raise ImageError("the picture's header ends early") from None


def exif_orientation(block: bytes) -> int:
    """Orientation (tag 0112) of IFD0 of a TIFF-structured Exif block; 1 where absent or malformed."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return 1
    try:
        (first,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, first)
        for index in range(min(count, 256)):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", block, first + 2 + 12 * index)
            if tag == 0x0112 and kind == 3:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


_JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff])")
_JPEG_SOF = frozenset({0xC0, 0xC1, 0xC2})
_JPEG_OTHER_SOF = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})


def _jpeg_markers(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and segment content, in file order, entropy-coded data skipped."""
    at = 2
    for _ in range(MAX_SEGMENTS):
        match = _JPEG_MARKER.search(data, at)
        if match is None:
            raise ImageError("the JPEG picture ends early")
        marker = match[1][0]
        at = match.end()
        if marker == 0xD9:
            yield marker, b""
            return
        if 0xD0 <= marker <= 0xD8 or marker == 0x01:
            at = _skip_restarts(data, at)
            continue
        (length,) = _unpack(">H", data, at)
        if length < 2 or at + length > len(data):
            raise ImageError("a JPEG segment is longer than the picture")
        yield marker, data[at + 2 : at + length]
        at += length
    raise ImageError(f"the JPEG picture has more than {MAX_SEGMENTS} segments")


_JPEG_NOT_RESTART = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")


def _skip_restarts(data: bytes, at: int) -> int:
    match = _JPEG_NOT_RESTART.search(data, at)
    return match.start() if match else len(data)


def _read_jpeg(data: bytes) -> ImageHeader:
    frame: tuple[int, int, int, int] | None = None
    orientation, scans, ended = 1, 0, False
    for marker, body in _jpeg_markers(data):
        if marker in _JPEG_SOF and frame is None:
            bits, height, width, components = _unpack(">BHHB", body, 0)
            frame = (width, height, components, bits)
        elif marker in _JPEG_SOF or marker in _JPEG_OTHER_SOF:
            raise ImageError("the JPEG picture uses a coding process that is not read here (baseline or progressive)")
        elif marker == 0xE1 and body[:6] == b"Exif\0\0":
            orientation = exif_orientation(body[6:])
        elif marker == 0xDA:
            scans += 1
            if scans > MAX_JPEG_SCANS:
                raise ImageError(f"the JPEG picture has more than {MAX_JPEG_SCANS} scans")
        ended = marker == 0xD9
    if frame is None or not scans or not ended:
        raise ImageError("the JPEG picture has no frame or no scan")
    width, height, components, bits = frame
    if bits != 8 or components not in (1, 3, 4):
        raise ImageError(f"a JPEG picture of {components} components and {bits} bits is not read here")
    return ImageHeader(
        format=ImageFormat.JPEG, width=width, height=height, components=components, bits=bits, orientation=orientation
    )


def _read_png(data: bytes) -> ImageHeader:
    length, kind = _unpack(">I4s", data, 8)
    if kind != b"IHDR" or length != 13:
        raise ImageError("the PNG picture does not begin with IHDR")
    width, height, bits, colour = _unpack(">IIBB", data, 16)
    components = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}.get(colour)
    if components is None or bits not in (1, 2, 4, 8, 16):
        raise ImageError("the PNG picture has an unknown colour type or depth")
    at, orientation, has_data = 8, 1, False
    for _ in range(MAX_SEGMENTS * 16):
        length, kind = _unpack(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise ImageError("the PNG picture ends early")
        if kind == b"IEND":
            break
        if kind == b"acTL":
            raise ImageError("an animated PNG is no photograph")
        has_data = has_data or kind == b"IDAT"
        if kind == b"eXIf":
            orientation = exif_orientation(data[at + 8 : end - 4])
        at = end
    else:
        raise ImageError("the PNG picture has too many chunks")
    if not has_data:
        raise ImageError("the PNG picture has no data")
    return ImageHeader(
        format=ImageFormat.PNG, width=width, height=height, components=components, bits=bits, orientation=orientation
    )


def _j2k_codestream(data: bytes) -> int:
    """Offset of the contiguous codestream: 0 for a raw one, else of the ``jp2c`` box (T.800 annex I)."""
    if data[:4] == b"\xff\x4f\xff\x51":
        return 0
    at = 0
    for _ in range(256):
        length, kind = _unpack(">I4s", data, at)
        head = 8
        if length == 1:
            (length,) = _unpack(">Q", data, at + 8)
            head = 16
        if kind == b"jp2c":
            return at + head
        if length < head:
            break
        at += length
    raise ImageError("the JP2 file has no codestream box")


def _check_coding_style(
    body: bytes, style: int, levels_at: int, tile: tuple[int, int], tiles: int, components: int
) -> None:
    """Bounds on the number of precincts of a COD or COC segment (T.800 A.6.1, A.6.2, B.6)."""
    levels = body[levels_at] if len(body) > levels_at else 255
    if levels > 32:
        raise ImageError("the JPEG 2000 picture has more than 32 decomposition levels")
    total = 0
    for resolution in range(levels + 1):
        if style & 1:
            at = levels_at + 5 + resolution
            if at >= len(body):
                raise ImageError("the JPEG 2000 coding style ends early")
            wide, high = body[at] & 15, body[at] >> 4
        else:
            wide = high = 15
        down = levels - resolution
        columns = ((tile[0] >> down) + 1 >> wide) + 2
        rows = ((tile[1] >> down) + 1 >> high) + 2
        total += columns * rows
    if total * tiles * components > MAX_J2K_PRECINCTS + (levels + 1) * 4 * tiles * components:
        raise ImageError("the JPEG 2000 picture has too many precincts")


def _j2k_segments(data: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Marker segments of the main header and of each tile-part header; tile data are skipped by Psot."""
    at, tile_end = start + 2, 0
    for _ in range(MAX_SEGMENTS * 4):
        (marker,) = _unpack(">H", data, at)
        if marker == 0xFFD9:
            return
        if marker == 0xFF93:
            if tile_end <= at:
                return  # Psot 0: the last tile-part runs to the end of the codestream
            at = tile_end
            if at >= len(data):
                return
            continue
        (length,) = _unpack(">H", data, at + 2)
        if length < 2 or at + 2 + length > len(data):
            raise ImageError("the JPEG 2000 header ends early")
        body = data[at + 4 : at + 2 + length]
        if marker == 0xFF90:
            (part,) = _unpack(">I", body, 2)
            tile_end = at + part if part else 0
            if tile_end > len(data):
                raise ImageError("the JPEG 2000 picture ends early")
        yield marker, body
        at += 2 + length
    raise ImageError("the JPEG 2000 picture has too many segments")


def _read_jpeg2000(data: bytes) -> ImageHeader:
    start = _j2k_codestream(data)
    (marker,) = _unpack(">H", data, start)
    (first,) = _unpack(">H", data, start + 2)
    if marker != 0xFF4F or first != 0xFF51:
        raise ImageError("the JPEG 2000 codestream does not begin with SOC and SIZ")
    x1, y1, x0, y0, tile_w, tile_h, tile_x, tile_y, components = _unpack(">8IH", data, start + 8)
    width, height = x1 - x0, y1 - y0
    if width < 1 or height < 1 or not 1 <= components <= 4:
        raise ImageError(f"a JPEG 2000 picture of {width} x {height} pixels and {components} components is not read")
    if not (tile_w and tile_h and tile_x <= x0 and tile_y <= y0):
        raise ImageError("the JPEG 2000 picture has impossible tiles")
    tiles = -(-(x1 - tile_x) // tile_w) * -(-(y1 - tile_y) // tile_h)
    if tiles > MAX_J2K_TILES:
        raise ImageError(f"the JPEG 2000 picture has more than {MAX_J2K_TILES} tiles")
    bits = 0
    for index in range(components):
        depth, dx, dy = _unpack(">BBB", data, start + 42 + 3 * index)
        if (dx, dy) != (1, 1):
            raise ImageError("a JPEG 2000 picture with subsampled components is not read here")
        bits = max(bits, (depth & 0x7F) + 1)
    tile = (min(tile_w, width), min(tile_h, height))
    for marker, body in _j2k_segments(data, start):
        if marker == 0xFF52:
            style, _, layers = _unpack(">BBH", body, 0)
            if layers > MAX_J2K_LAYERS:
                raise ImageError(f"the JPEG 2000 picture has more than {MAX_J2K_LAYERS} layers")
            _check_coding_style(body, style, 5, tile, tiles, components)
        elif marker == 0xFF53:
            _, style = _unpack(">BB", body, 0)
            _check_coding_style(body, style, 2, tile, tiles, components)
        elif marker == 0xFF5F:
            raise ImageError("a JPEG 2000 picture with a changed progression order is not read here")
    return ImageHeader(format=ImageFormat.JPEG2000, width=width, height=height, components=components, bits=bits)


def _read_bmp(data: bytes) -> ImageHeader:
    (header,) = _unpack("<I", data, 14)
    if header < 40:
        raise ImageError("a BMP picture of that age is not read here")
    width, height, _, bits, compression = _unpack("<iiHHI", data, 18)
    if compression not in (0, 3) or bits not in (8, 24, 32):
        raise ImageError("a compressed or palette BMP picture is not read here")
    (offset,) = _unpack("<I", data, 10)
    rows, stride = abs(height), (width * bits + 31) // 32 * 4
    if width < 1 or offset + rows * stride > len(data):
        raise ImageError("the BMP picture ends early")
    return ImageHeader(format=ImageFormat.BMP, width=width, height=rows, components=max(1, bits // 8), bits=8)


def _read_webp(data: bytes) -> ImageHeader:
    (length,) = _unpack("<I", data, 4)
    if length + 8 > len(data):
        raise ImageError("the WebP picture ends early")
    kind = data[12:16]
    width, height, components, orientation = 0, 0, 3, 1
    if kind == b"VP8 ":
        if data[23:26] != b"\x9d\x01\x2a":
            raise ImageError("the WebP picture has no key frame")
        width, height = _unpack("<HH", data, 26)
        width, height = width & 0x3FFF, height & 0x3FFF
    elif kind == b"VP8L":
        signature, packed = _unpack("<BI", data, 20)
        if signature != 0x2F:
            raise ImageError("the lossless WebP picture has no signature")
        width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    elif kind == b"VP8X":
        if data[20:21] and data[20] & 2:
            raise ImageError("an animated WebP is no photograph")
        width, height = _vp8x_size(data)
        orientation = _webp_orientation(data)
    else:
        raise ImageError("the WebP picture has an unknown first chunk")
    return ImageHeader(
        format=ImageFormat.WEBP, width=width, height=height, components=components, bits=8, orientation=orientation
    )


def _vp8x_size(data: bytes) -> tuple[int, int]:
    a, b, c, d, e, f = _unpack("<6B", data, 24)
    return (a | b << 8 | c << 16) + 1, (d | e << 8 | f << 16) + 1


def _webp_orientation(data: bytes) -> int:
    at = 12
    for _ in range(64):
        if at + 8 > len(data):
            break
        (length,) = _unpack("<I", data, at + 4)
        if data[at : at + 4] == b"EXIF":
            return exif_orientation(data[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0"))
        at += 8 + length + (length & 1)
    return 1


def _read_tiff(data: bytes) -> ImageHeader:
    order = "<" if data[:2] == b"II" else ">"
    (first,) = _unpack(order + "I", data, 4)
    (count,) = _unpack(order + "H", data, first)
    if count > 256:
        raise ImageError("the TIFF picture has too many fields")
    values: dict[int, int] = {}
    for index in range(count):
        tag, kind = _unpack(order + "HH", data, first + 2 + 12 * index)
        if kind in (3, 4):
            (values[tag],) = _unpack(order + ("H" if kind == 3 else "I"), data, first + 2 + 12 * index + 8)
    width, height, components = values.get(256, 0), values.get(257, 0), values.get(277, 1)
    if values.get(259, 1) not in (1, 5, 32773) or components not in (1, 3, 4):
        raise ImageError("the TIFF picture uses a compression or layout that is not read here")
    return ImageHeader(
        format=ImageFormat.TIFF,
        width=width,
        height=height,
        components=components,
        bits=8,
        orientation=values.get(274, 1) if 1 <= values.get(274, 1) <= 8 else 1,
    )


_WSQ_SOF, _WSQ_SOB, _WSQ_EOI = 0xA2, 0xA3, 0xA1
_WSQ_TABLES = frozenset({0xA4, 0xA5, 0xA6, 0xA8})  # transform, quantisation, Huffman, comment
_WSQ_MARKER = re.compile(rb"\xff[\xa1-\xa8]")
MAX_WSQ_BLOCKS = 64


def _read_wsq(data: bytes) -> ImageHeader:
    """Markers of IAFIS-IC-0110: tables, one frame header, blocks of coded data, end of image."""
    size: tuple[int, int] | None = None
    at, blocks = 2, 0
    for _ in range(MAX_SEGMENTS):
        first, marker = _unpack(">BB", data, at)
        if first != 0xFF:
            break
        if marker == _WSQ_EOI:
            if size is None or not blocks:
                raise ImageError("the WSQ picture has no frame or no block")
            return ImageHeader(format=ImageFormat.WSQ, width=size[0], height=size[1], components=1, bits=8)
        (length,) = _unpack(">H", data, at + 2)
        if length < 2 or at + 2 + length > len(data):
            raise ImageError("a WSQ segment is longer than the picture")
        if marker == _WSQ_SOF and size is None:
            _, _, height, width = _unpack(">BBHH", data, at + 4)
            size = (width, height)
        elif marker == _WSQ_SOB and size is not None:
            blocks += 1
            found = _WSQ_MARKER.search(data, at + 2 + length)
            if blocks > MAX_WSQ_BLOCKS or found is None:
                raise ImageError("the WSQ picture has too many blocks, or ends early")
            at = found.start()
            continue
        elif marker not in _WSQ_TABLES:
            break
        at += 2 + length
    raise ImageError("the WSQ picture has an unknown marker, or too many segments")


_PNM_HEADER = re.compile(rb"P[56](?:\s|#[^\r\n]*[\r\n])+(\d{1,9})(?:\s|#[^\r\n]*[\r\n])+(\d{1,9})\s+(\d{1,9})\s")


def _read_pnm(data: bytes) -> ImageHeader:
    match = _PNM_HEADER.match(data[:1024])
    if match is None:
        raise ImageError("the PGM or PPM picture has no header")
    width, height, greatest = (int(match[i]) for i in (1, 2, 3))
    if greatest != 255:
        raise ImageError("a PGM or PPM picture of other than 8 bits is not read here")
    components = 1 if data[1:2] == b"5" else 3
    if len(data) - match.end() < width * height * components:
        raise ImageError("the PGM or PPM picture ends early")
    return ImageHeader(format=ImageFormat.PNM, width=width, height=height, components=components, bits=8)


_SIGNATURES: tuple[tuple[bytes, Callable[[bytes], ImageHeader]], ...] = (
    (b"\xff\xd8\xff", _read_jpeg),
    (b"\x89PNG\r\n\x1a\n", _read_png),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", _read_jpeg2000),
    (b"\xff\x4f\xff\x51", _read_jpeg2000),
    (b"BM", _read_bmp),
    (b"II*\x00", _read_tiff),
    (b"MM\x00*", _read_tiff),
    (b"\xff\xa0\xff", _read_wsq),
    *((kind + space, _read_pnm) for kind in (b"P5", b"P6") for space in (b"\n", b" ", b"\t", b"\r")),
)


def read_header(data: bytes) -> ImageHeader:
    """Reads the header of a picture of any known format.

    Raises:
        ImageError: unknown format, malformed or truncated container, or a structure over the caps.
    """
    for signature, reader in _SIGNATURES:
        if data.startswith(signature):
            return reader(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _read_webp(data)
    if not data:
        raise ImageError("the picture is empty: it has no bytes")
    raise ImageError("the bytes are of no known picture format (JPEG, PNG, JPEG 2000, WSQ, PGM, PPM, BMP, WebP, TIFF)")
