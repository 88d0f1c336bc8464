"""Procedural birds: nothing to download, and the right result of every edit is known.

They are drawn by :mod:`mim_tf.data.birds`, as many as one asks for.
"""

from __future__ import annotations

from pydantic import Field

from mim_tf.config import DataConfig
from mim_tf.config_fields import Count, Index, Share
from mim_tf.data.source import Source, Split

_SIZES = (32, 256)  # pixels that mim_tf.data.birds can draw


class Options(DataConfig):
    """Which birds are drawn, and how they are described."""

    count: Count = Field(8192, description="pictures in the training split")
    captions: Count = Field(10, description="captions a picture")
    terse: Share = Field(
        0.0,
        description="share of the training captions that are no sentences (red wings, white belly; "
        "make the crown blue)",
    )
    seed: Index = Field(0, description="which birds")

    def check_size(self, key: str, size: int) -> None:
        """See :meth:`mim_tf.config.DataConfig.check_size`."""
        least, most = _SIZES
        if not least <= size <= most:
            raise ValueError(f"{key}={size}: procedural birds are drawn at {least} to {most}")


def describe(options: Options, split: Split) -> Source:
    """The split without its pictures."""
    from mim_tf.data.birds.source import BirdSource  # imports OpenCV

    return BirdSource(options, split)


def load(options: Options, split: Split) -> Source:
    """The split: ``data.count`` birds that train, or 1,000 others that test."""
    from mim_tf.data.birds.source import draw_split

    return draw_split(options, split)
