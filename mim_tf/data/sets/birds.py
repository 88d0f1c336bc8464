"""Procedural birds: nothing to download, and the right result of every edit is known.

They are drawn by :mod:`mim_tf.data.birds`, as many as one asks for, as drawings or so that they
look like photographs.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from mim_tf.config_fields import Count, Seed, Share
from mim_tf.data.on_pairs import RecolouredOptions
from mim_tf.data.source import Source, Split

_SIZES = (32, 256)  # pixels that mim_tf.data.birds can draw


class Options(RecolouredOptions):
    """Which birds are drawn, and how they are described."""

    count: Count = Field(8192, description="pictures in the training split")
    captions: Count = Field(10, description="captions a picture")
    terse: Share = Field(
        0.0,
        description="share of the training captions that are no sentences (red wings, white belly; "
        "make the crown blue)",
    )
    seed: Seed = Field(0, description="which birds")
    photographic: bool = Field(
        False,
        description="birds that look like photographs: seven parts, twelve colours, textured "
        "plumage, uneven light, cluttered backgrounds; off: as drawn",
    )
    backgrounds: Path | None = Field(
        None, description="folder of photographs to put behind three of four photographic birds"
    )

    @model_validator(mode="after")
    def _backgrounds_need_photographic(self) -> Options:
        if self.backgrounds is not None and not self.photographic:
            raise ValueError("data.backgrounds needs data.photographic=true")
        return self

    @model_validator(mode="after")
    def _recoloured_need_photographic(self) -> Options:
        if self.recoloured and not self.photographic:
            raise ValueError("data.recoloured of procedural birds needs data.photographic=true")
        if self.recoloured and self.terse:
            raise ValueError(
                "data.terse: captions of recoloured birds have short ones among them; leave it out"
            )
        return self

    @property
    def kind(self) -> str:
        """See :meth:`mim_tf.config.DataConfig.kind`: drawn birds' evaluators know four parts."""
        return "birds-photographic" if self.photographic else super().kind

    def check_size(self, key: str, size: int) -> None:
        """See :meth:`mim_tf.config.DataConfig.check_size`."""
        least, most = _SIZES
        if not least <= size <= most:
            raise ValueError(f"{key}={size}: procedural birds are drawn at {least} to {most}")


def describe(options: Options, split: Split) -> Source:
    """The split without its pictures."""
    from mim_tf.data.birds import source  # imports OpenCV

    return source.describe(options, split)


def load(options: Options, split: Split) -> Source:
    """The split: ``data.count`` birds that train, or 1,000 others that test."""
    from mim_tf.data.birds.source import draw_split

    return draw_split(options, split)
