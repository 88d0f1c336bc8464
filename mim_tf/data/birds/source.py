"""Procedural birds as a source: scenes of a seed, and the true result of every edit of them."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mim_tf.data.birds import captions as bird_captions
from mim_tf.data.birds import photographic, scenes
from mim_tf.data.birds.captions import Words
from mim_tf.data.birds.scenes import Scene
from mim_tf.data.birds.surroundings import list_photographs
from mim_tf.data.source import Request, Source, Split, TrueEdit

if TYPE_CHECKING:
    from mim_tf.data.sets.birds import Options

# The two splits draw from seeds that can never meet: even ones train, odd ones test.
_SPLIT_SEEDS: dict[Split, int] = {"train": 0, "test": 1}
_TEST_COUNT = 1000
_LABEL_PART = "wings"  # birds have no species; the colour of their wings stands for it


_OF_PHOTOGRAPHIC = ("data.photographic", "data.backgrounds")  # drawn birds have no such settings


@dataclass(frozen=True)
class BirdSource(Source):
    """A split of the birds: drawn ones of :func:`mim_tf.data.birds.scenes.scene`, or those of
    :func:`mim_tf.data.birds.photographic.photographic_scene`, with ``seed`` and an index.

    They are placed, turned and flipped at random when they are drawn, so they are not augmented.

    Attributes:
        photographs: files that may stand behind photographic birds.
    """

    photographs: tuple[str, ...] = ()

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
        if self.options.photographic:
            colours = (photographic.draw_colours(self.seed, index) for index in range(len(self)))
        else:
            colours = (scenes.scene_colours(self.seed, index) for index in range(len(self)))
        return tuple(of_bird[_LABEL_PART] for of_bird in colours)

    @property
    def settings(self) -> dict[str, Any]:
        """The options that decide which pictures and captions the split has; of a folder of
        photographs, a checksum of what lies in it."""
        settings = super().settings
        if not self.options.photographic:
            return {key: settings[key] for key in settings if key not in _OF_PHOTOGRAPHIC}
        return {**settings, "data.backgrounds": _checksum(self.photographs)}

    def original(self, index: int, size: int) -> np.ndarray:
        """Drawn at its size, even where ``picture`` reads records."""
        return self._scene(index, size).render()

    def requests(self, seed: int, count: int) -> Iterator[Request]:
        """The birds in their order, each asked to change one to four parts; ``seed`` is not used,
        so that every evaluation has the same edits."""
        for index in range(min(count, len(self))):
            rng = np.random.default_rng([self.seed, index, 2])
            caption, _ = bird_captions.draw_edit(rng, self._colours(index), self.words)
            yield Request(index, caption, self.captions[index][0])

    def true_edit(self, index: int, caption: str, size: int) -> TrueEdit:
        """The same scene in the colours that the caption names."""
        scene = self._scene(index, size)
        changes = bird_captions.parse(caption, self.words)
        colours = {**scene.colours, **changes}
        regions = [scene.parts.index(part) for part in changes]

        def read(picture: np.ndarray) -> dict[str, bool]:
            return {
                part: scene.read_colour(part, picture, colours) == colours[part]
                for part in scene.visible
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
        colours = {**self._colours(index), **bird_captions.parse(caption, self.words)}
        asked = bird_captions.parse(other, self.words)
        return bool(asked) and asked.items() <= colours.items()

    @property
    def words(self) -> Words:
        """What colours and parts are called."""
        return photographic.WORDS if self.options.photographic else bird_captions.DRAWN

    def _scene(self, index: int, size: int) -> Scene:
        return _scene(self.seed, self.options.photographic, self.photographs, index, size)

    def _colours(self, index: int) -> dict[str, str]:
        """Part -> colour, of the parts that show."""
        if self.options.photographic:
            subject = photographic.draw_subject(self.seed, index)
            return {part: subject.colours[part] for part in subject.visible}
        return scenes.scene_colours(self.seed, index)


def describe(options: Options, split: Split) -> BirdSource:
    """A split without its pictures and captions.

    Raises:
        UserError: the folder of backgrounds is missing or holds too few photographs.
    """
    folder = options.backgrounds
    photographs = () if folder is None else list_photographs(folder, split)
    return BirdSource(options, split, photographs=photographs)


def draw_split(options: Options, split: Split) -> BirdSource:
    """A split with its captions; each picture is drawn when it is asked for.

    Raises:
        UserError: as of `describe`.
    """
    source = describe(options, split)
    train = split == "train"
    names = tuple(map(str, range(options.count if train else _TEST_COUNT)))
    terse = options.terse if train else 0.0
    captions = tuple(_captions(source, index, terse) for index in range(len(names)))
    picture = functools.partial(_draw, source.seed, options.photographic, source.photographs)
    return replace(source, ids=names, captions=captions, classes=names, picture=picture)


def _captions(source: BirdSource, index: int, terse: float) -> tuple[str, ...]:
    """``data.captions`` captions of a bird, of which a share ``terse`` are no sentences."""
    colours, words = source._colours(index), source.words
    rng = np.random.default_rng([source.seed, index, 1])
    sentences = [
        bird_captions.draw_caption(rng, colours, words) for _ in range(source.options.captions)
    ]
    # Drawn apart, so that the sentences that stay are those of a split without terse captions.
    rng = np.random.default_rng([source.seed, index, 2])
    return tuple(
        bird_captions.draw_terse(rng, colours, words) if rng.random() < terse else sentence
        for sentence in sentences
    )


def _scene(
    seed: int, looks_photographic: bool, photographs: tuple[str, ...], index: int, size: int
) -> Scene:
    if looks_photographic:
        return photographic.photographic_scene(seed, index, size, photographs)
    return scenes.scene(seed, index, size)


def _draw(
    seed: int, looks_photographic: bool, photographs: tuple[str, ...], index: int, size: int
) -> np.ndarray:
    return _scene(seed, looks_photographic, photographs, index, size).render()


def _checksum(photographs: Sequence[str]) -> str | None:
    """Of the names and lengths of files; None of no files."""
    if not photographs:
        return None
    files = [(Path(name).name, Path(name).stat().st_size) for name in photographs]
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()
