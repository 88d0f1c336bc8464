"""Procedural birds as a source: scenes of a seed, and the true result of every edit of them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mim_tf.data.birds import captions as bird_captions
from mim_tf.data.birds import scenes
from mim_tf.data.source import Request, Source, Split, TrueEdit

if TYPE_CHECKING:
    from mim_tf.data.sets.birds import Options

# The two splits draw from seeds that can never meet: even ones train, odd ones test.
_SPLIT_SEEDS: dict[Split, int] = {"train": 0, "test": 1}
_TEST_COUNT = 1000
_LABEL_PART = "wings"  # birds have no species; the colour of their wings stands for it


class BirdSource(Source):
    """A split of the birds: :func:`mim_tf.data.birds.scenes.scene` with ``seed`` and an index.

    They are placed, turned and flipped at random when they are drawn, so they are not augmented.
    """

    if TYPE_CHECKING:
        options: Options

    has_truth: ClassVar[bool] = True
    same_labels: ClassVar[bool] = True

    @property
    def seed(self) -> int:
        """The seed of the split's scenes."""
        return 2 * self.options.seed + _SPLIT_SEEDS[self.split]

    @property
    def labels(self) -> tuple[str, ...]:
        """The colour of each bird's wings."""
        return tuple(self._colours(index)[_LABEL_PART] for index in range(len(self)))

    def original(self, index: int, size: int) -> np.ndarray:
        """Drawn at its size, even where ``picture`` reads records."""
        return scenes.scene(self.seed, index, size).render()

    def requests(self, seed: int, count: int) -> Iterator[Request]:
        """The birds in their order, each asked to change one to four parts; ``seed`` is not used,
        so that every evaluation has the same edits."""
        for index in range(min(count, len(self))):
            rng = np.random.default_rng([self.seed, index, 2])
            caption, _ = bird_captions.draw_edit(rng, self._colours(index))
            yield Request(index, caption, self.captions[index][0])

    def true_edit(self, index: int, caption: str, size: int) -> TrueEdit:
        """The same scene in the colours that the caption names."""
        scene = scenes.scene(self.seed, index, size)
        changes = bird_captions.parse(caption)
        colours = {**scene.colours, **changes}
        regions = [scenes.PARTS.index(part) for part in changes]

        def read(picture: np.ndarray) -> dict[str, bool]:
            return {
                part: scene.read_colour(part, picture, colours) == colours[part]
                for part in scenes.PARTS
            }

        return TrueEdit(
            caption=caption,
            picture=scene.render(),
            truth=scene.render(colours),
            changed=scene.regions[..., regions].sum(axis=-1) > 0.5,
            background=scene.bird <= 0,
            mentioned=tuple(changes),
            read=read,
        )

    def still_true(self, index: int, caption: str, other: str) -> bool:
        """Whether the edited bird has every colour that ``other`` names, so that ``other`` is no
        false caption: each bird is a class of its own, and captions repeat."""
        colours = {**self._colours(index), **bird_captions.parse(caption)}
        asked = bird_captions.parse(other)
        return bool(asked) and asked.items() <= colours.items()

    def _colours(self, index: int) -> dict[str, str]:
        return scenes.scene_colours(self.seed, index)


def draw_split(options: Options, split: Split) -> BirdSource:
    """A split with its captions; each picture is drawn when it is asked for."""
    seed = BirdSource(options, split).seed
    train = split == "train"
    indices = range(options.count if train else _TEST_COUNT)
    terse = options.terse if train else 0.0
    names = tuple(map(str, indices))
    return BirdSource(
        options,
        split,
        ids=names,
        captions=tuple(_captions(seed, index, options.captions, terse) for index in indices),
        classes=names,
        picture=functools.partial(_draw, seed),
    )


def _captions(seed: int, index: int, count: int, terse: float) -> tuple[str, ...]:
    """``count`` captions of a bird, of which a share ``terse`` are no sentences."""
    colours = scenes.scene_colours(seed, index)
    rng = np.random.default_rng([seed, index, 1])
    sentences = [bird_captions.draw_caption(rng, colours) for _ in range(count)]
    # Drawn apart, so that the sentences that stay are those of a split without terse captions.
    rng = np.random.default_rng([seed, index, 2])
    return tuple(
        bird_captions.draw_terse(rng, colours) if rng.random() < terse else sentence
        for sentence in sentences
    )


def _draw(seed: int, index: int, size: int) -> np.ndarray:
    return scenes.scene(seed, index, size).render()
