"""What a picture file carries besides its pixels, and an edit of it keeps: EXIF and ICC profile."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image

_STORED_SIZE = (ExifTags.Base.ImageWidth, ExifTags.Base.ImageLength)
_SHOWN_SIZE = (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)


@dataclass(frozen=True)
class Extras:
    """EXIF (camera, time, place) and the ICC profile of RGB pixels; empty where there is none.

    The EXIF is that of upright pixels: its orientation is 1, and its preview is left out, for it
    would show the picture before the edit.
    """

    exif: bytes = b""
    icc_profile: bytes = b""

    @classmethod
    def of(cls, image: Image.Image) -> Extras:
        """What an opened file carries. Broken EXIF counts as none."""
        profile = image.info.get("icc_profile") or b""
        # The profile of a grey or CMYK file says nothing about the RGB pixels that are written.
        is_rgb = isinstance(profile, bytes) and profile[16:20] == b"RGB "
        return cls(_upright_exif(image), profile if is_rgb else b"")

    def options(self, width: int, height: int) -> dict[str, Any]:
        """The arguments of ``Image.save`` that write them into a file of this size."""
        found: dict[str, Any] = {"icc_profile": self.icc_profile} if self.icc_profile else {}
        if self.exif:
            exif = Image.Exif()
            exif.load(self.exif)
            details = exif.get_ifd(ExifTags.IFD.Exif)
            for place, tags in ((exif, _STORED_SIZE), (details, _SHOWN_SIZE)):
                place.update((tag, side) for tag, side in zip(tags, (width, height), strict=True)
                             if tag in place)  # fmt: skip
            found["exif"] = exif.tobytes()
        return found


def _upright_exif(image: Image.Image) -> bytes:
    if image.format == "TIFF":  # its tags say how this very file is laid out
        return b""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exif = image.getexif()
            if not exif:
                return b""
            if ExifTags.Base.Orientation in exif:
                exif[ExifTags.Base.Orientation] = 1
            return exif.tobytes()  # writes no preview (IFD1)
    except MemoryError:
        raise
    except Exception:  # whatever a broken file makes the reader trip over
        return b""
