"""Picture files with misleading headers."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image


def bomb(width: int, height: int, *, broken_note: bool = False) -> bytes:
    """A decompression bomb: a PNG file of a few bytes whose header announces this size.

    Args:
        broken_note: with a note whose checksum is wrong: Pillow refuses it, libpng does not.
    """

    def chunk(kind: bytes, body: bytes, damage: int = 0) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body) ^ damage)
        return struct.pack(">I", len(body)) + kind + body + checksum

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    if broken_note:
        header += chunk(b"tEXt", b"a\0b", damage=1)
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def animation(*frames: Image.Image) -> bytes:
    """An animated WebP file. Without transparency, TensorFlow's decoder would write beyond its
    memory."""
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
    return buffer.getvalue()
