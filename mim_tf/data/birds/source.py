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

from mim_tf.data.bird_wording import RecolouredBirds
from mim_tf.data.birds import captions as bird_captions
from mim_tf.data.birds import photographic, scenes
from mim_tf.data.birds.captions import Words
from mim_tf.data.birds.scenes import Scene
from mim_tf.data.birds.surroundings import list_photographs
from mim_tf.data.on_pairs import with_own_captions
from mim_tf.data.regions import Regions
from mim_tf.data.source import Marks, Request, Source, Split, TrueEdit
from mim_tf.pictures.colours import COLOURS as BASIC

if TYPE_CHECKING:
    from mim_tf.data.sets.birds import Options

# The two splits draw from seeds that can never meet: even ones train, odd ones test.
_SPLIT_SEEDS: dict[Split, int] = {"train": 0, "test": 1}
_TEST_COUNT = 1000
_LABEL_PART = "wings"  # birds have no species; the colour of their wings stands for it


# Drawn birds have no such settings.
_OF_PHOTOGRAPHIC = ("data.photographic", "data.backgrounds", "data.recoloured")


class BirdSource(Source):
    """A split of drawn birds: :func:`mim_tf.data.birds.scenes.scene` with ``seed`` and an index.

    They are placed, turned and flipped at random when they are drawn, so they are not augmented.
    """

    words: ClassVar[Words] = bird_captions.DRAWN

    if TYPE_CHECKING:
        options: Options

    has_truth: ClassVar[bool] = True

    @property
    def seed(self) -> int:
        """The seed of the split's scenes."""
        return 2 * self.options.seed + _SPLIT_SEEDS[self.split]

    @property
    def labels(self) -> tuple[str, ...]:
        """The colour of each bird's wings."""
        return tuple(self.all_colours(index)[_LABEL_PART] for index in range(len(self)))

    @property
    def settings(self) -> dict[str, Any]:
        """The options that decide which pictures and captions the split has."""
        settings = super().settings
        return {key: settings[key] for key in settings if key not in _OF_PHOTOGRAPHIC}

    def scene(self, index: int, size: int) -> Scene:
        """The scene behind a picture."""
        return scenes.scene(self.seed, index, size)

    def all_colours(self, index: int) -> dict[str, str]:
        """Part -> colour of a bird."""
        return scenes.scene_colours(self.seed, index)

    def colours(self, index: int) -> dict[str, str]:
        """Part -> colour, of the parts that show."""
        return self.all_colours(index)

    def original(self, index: int, size: int) -> np.ndarray:
        """Drawn at its size, even where ``picture`` reads records."""
        return self.scene(index, size).render()

    def requests(self, seed: int, count: int) -> Iterator[Request]:
        """The birds in their order, each asked to change one to four parts; ``seed`` is not used,
        so that every evaluation has the same edits."""
        for index in range(min(count, len(self))):
            rng = np.random.default_rng([self.seed, index, 2])
            caption, _ = bird_captions.draw_edit(rng, self.colours(index), self.words)
            yield Request(index, caption, self.captions[index][0])

    def true_edit(self, index: int, caption: str, size: int) -> TrueEdit:
        """The same scene in the colours that the caption names."""
        scene = self.scene(index, size)
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
        colours = {**self.colours(index), **bird_captions.parse(caption, self.words)}
        asked = bird_captions.parse(other, self.words)
        return bool(asked) and asked.items() <= colours.items()


@dataclass(frozen=True)
class PhotographicBirds(BirdSource, RecolouredBirds):
    """A split of birds that look like photographs, and may train on pairs of colourings.

    Attributes:
        photographs: files that may stand behind them.
    """

    photographs: tuple[str, ...] = ()

    words: ClassVar[Words] = photographic.WORDS
    has_marks: ClassVar[bool] = True
    askable: ClassVar[tuple[str, ...]] = photographic.PARTS
    stream: ClassVar[int] = 16

    @property
    def settings(self) -> dict[str, Any]:
        """All options; of the folder of photographs, a checksum of what lies in it."""
        backgrounds = _checksum(self.photographs)
        own = (True, backgrounds, self.options.on_pairs)
        return {**super().settings, **dict(zip(_OF_PHOTOGRAPHIC, own, strict=True))}

    def scene(self, index: int, size: int) -> Scene:
        """The scene behind a picture."""
        return _photographic_scene(self.seed, index, size, self.photographs)

    def all_colours(self, index: int) -> dict[str, str]:
        """Part -> colour of a bird."""
        return photographic.draw_colours(self.seed, index)

    def colours(self, index: int) -> dict[str, str]:
        """Part -> colour, of the parts that show."""
        subject = photographic.draw_subject(self.seed, index)
        return {part: subject.colours[part] for part in subject.visible}

    def marks(self, index: int, size: int) -> Marks:
        """Where the parts of a bird are; see :class:`mim_tf.data.source.Marks`."""
        return self.scene(index, size).marks()

    def regions(self, index: int, picture: np.ndarray) -> Regions:
        """The parts as they were drawn, each where it covers more than half of a pixel; the colours
        of those that show and have one of the basic eleven."""
        scene = self.scene(index, len(picture))
        labels = (1 + scene.regions.argmax(axis=-1)) * (scene.regions.max(axis=-1) > 0.5)
        colours = {part: colour for part, colour in self.colours(index).items() if colour in BASIC}
        return Regions(labels.astype(np.uint8), scene.parts, colours, photographic.GROUPS)


# A picture and its regions are asked for one after the other, by a few threads.
_photographic_scene = functools.lru_cache(maxsize=16)(photographic.photographic_scene)


def describe(options: Options, split: Split) -> BirdSource:
    """A split without its pictures and captions.

    Raises:
        UserError: the folder of backgrounds is missing or holds too few photographs.
    """
    if not options.photographic:
        return BirdSource(options, split)
    folder = options.backgrounds
    photographs = () if folder is None else list_photographs(folder, split)
    return PhotographicBirds(options, split, photographs=photographs)


def draw_split(options: Options, split: Split) -> BirdSource:
    """A split with its captions; each picture is drawn when it is asked for.

    Raises:
        UserError: as of `describe`.
    """
    source = describe(options, split)
    train = split == "train"
    names = tuple(map(str, range(options.count if train else _TEST_COUNT)))
    terse = options.terse if train else 0.0
    picture = functools.partial(_draw, source)
    drawn = replace(source, ids=names, classes=names, picture=picture)
    if source.recoloured:  # captions of what is there would cost each bird's outlines
        return with_own_captions(replace(drawn, captions=((),) * len(names)))
    captions = tuple(_captions(source, index, terse) for index in range(len(names)))
    return replace(drawn, captions=captions)


def _captions(source: BirdSource, index: int, terse: float) -> tuple[str, ...]:
    """``data.captions`` captions of a bird, of which a share ``terse`` are no sentences."""
    colours, words = source.colours(index), source.words
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


def _draw(source: BirdSource, index: int, size: int) -> np.ndarray:
    return source.scene(index, size).render()


def _checksum(photographs: Sequence[str]) -> str | None:
    """Of the names and lengths of files; None of no files."""
    if not photographs:
        return None
    files = [(Path(name).name, Path(name).stat().st_size) for name in photographs]
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()
