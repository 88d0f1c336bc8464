"""The contract of a data set: a :class:`Source` answers everything that the project asks of it.

No other module asks which data set it has. A set that can say more than a folder of photographs
(procedural birds know their true edits) overrides the answers in a subclass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mim_tf.config import DataConfig
from mim_tf.data.regions import Regions, Words
from mim_tf.pictures.colours import COLOURS, Palette

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")

MARGIN = 304 / 256
"""Random crops are taken from pictures this much larger than the crop: AttnGAN's 304 for 256."""

_TRIES = 20  # draws of a picture of another class before any other picture must do
# Options that do not change what records hold.
_WHERE_AND_HOW = {"root", "augment", "person_model", "teacher"}


@dataclass(frozen=True)
class Published:
    """What a data set is when it is complete.

    Attributes:
        counts: pictures with captions in each split.
        publisher: where to get it, as the end of a sentence that begins with "get".
    """

    counts: Mapping[Split, int]
    publisher: str


@dataclass(frozen=True)
class Request:
    """One edit that a test asks for.

    Attributes:
        index: of the picture to edit, within its split.
        caption: what it should become; it does not fit the picture.
        own: a caption that fits the picture as it is.
    """

    index: int
    caption: str
    own: str


@dataclass(frozen=True)
class TrueEdit:
    """An edit whose right result is known. H x W pixels.

    Attributes:
        caption: what is asked.
        picture, truth: uint8 [H, W, 3], before the edit and after the right one.
        changed: bool [H, W], the pixels that the right edit changes.
        background: bool [H, W], the pixels that belong to no object and must stay.
        mentioned: the object's parts that the caption speaks of.
        read: edited uint8 [H, W, 3] -> for every part, whether it looks as it should: as asked
            where the caption mentions it, else as before.
    """

    caption: str
    picture: np.ndarray
    truth: np.ndarray
    changed: np.ndarray
    background: np.ndarray
    mentioned: tuple[str, ...]
    read: Callable[[np.ndarray], dict[str, bool]]


@dataclass(frozen=True)
class Marks:
    """What people marked in a photograph, in pixels of the square that a source gives of it.

    Attributes:
        box: (x, y, width, height) around the object; it may reach beyond the square.
        points: part -> (x, y) of its visible points within the square; empty where none is.
    """

    box: tuple[float, float, float, float]
    points: Mapping[str, tuple[tuple[float, float], ...]]


def _no_pictures(index: int, size: int) -> np.ndarray:
    raise LookupError("this source was described, not loaded: it has no pictures")


@dataclass(frozen=True)
class Source:
    """One split of a data set: pictures with captions, and the answers to what is asked of them.

    =====================  =====================================================================
    question               who asks, and the answer unless a set overrides it
    =====================  =====================================================================
    ``name``               messages, evaluators: ``data.source``
    ``augment``            training of the model and of the evaluators: whether pictures may be
                           cropped and flipped at random; no
    ``stored_size``        cache and records: a margin around random crops of training pictures
    ``settings``           records: the set's own options, without which other records result
    ``parts``, ``shares``  training, evaluation: the sources that it consists of, and how much each
                           step sees of them; itself, all
    ``published``          loaders: how many pictures each split has when complete, and where to
                           get them; None where nobody published it
    ``crop``               manifest of an evaluation: which square of a picture is used
    ``original``           evaluation: the picture of an index; ``picture``
    ``requests``           evaluation, sample grids: random pictures, each with a caption of a
                           picture of another class
    ``true_edit``          evaluation, demo: the right result of an edit; None, not known
    ``has_truth``          whether ``true_edit`` gives anything; no
    ``marks``              targeted edits: points and box in a photograph; None, there are none
    ``has_marks``          whether ``marks`` gives anything; no
    ``attributes``         evaluators' classifier, targeted edits: what is true of a picture, by
                           name; None, nobody said
    ``has_attributes``     whether ``attributes`` gives anything; no
    ``still_true``         R-precision: whether a false caption happens to be true as well; no
    ``recoloured``         training: whether samples are pairs of one picture in two colourings,
                           of which the next five tell; no
    ``regions``            training pairs: which pixels each part covers; not known
    ``palette``            training pairs: colours to dye with; the eleven basic ones
    ``draw_asked``         training pairs: parts that a caption speaks of
    ``describe_parts``     training pairs: a caption that gives parts their colours
    ``decides``            training pairs: whether a caption says less without a word; yes
    ``labels``             evaluators' classifier: the class of each picture; ``classes``
    =====================  =====================================================================

    Attributes:
        options: the set's section of the configuration.
        split: which split.
        ids: for each picture, its name within the data set.
        captions: for each picture, its captions.
        classes: for each picture, its class; every picture its own where there are none.
        picture: index and size -> uint8 [size, size, 3]. Several threads may call it at once, and
            it can be sent to other processes.
    """

    options: DataConfig
    split: Split
    ids: tuple[str, ...] = ()
    captions: tuple[tuple[str, ...], ...] = ()
    classes: tuple[str, ...] = ()
    picture: Callable[[int, int], np.ndarray] = _no_pictures
    augment: bool = False
    published: Published | None = None

    has_truth: ClassVar[bool] = False
    has_marks: ClassVar[bool] = False
    has_attributes: ClassVar[bool] = False

    def __len__(self) -> int:
        return len(self.captions)

    @property
    def name(self) -> str:
        """What the user calls the data set."""
        return self.options.source

    @property
    def crop(self) -> str:
        """Which part of a picture becomes the square, in words."""
        return "largest centred square"

    @property
    def labels(self) -> tuple[str, ...]:
        """For each picture, its class for the classifier that measures IS and FID."""
        return self.classes

    @property
    def settings(self) -> dict[str, Any]:
        """The options that decide which pictures and captions the split has."""
        shared = set(DataConfig.model_fields) | _WHERE_AND_HOW
        own = [key for key in type(self.options).model_fields if key not in shared]
        return {f"data.{key}": getattr(self.options, key) for key in own}

    @property
    def parts(self) -> tuple[Source, ...]:
        """The sources that it consists of, whose pictures follow each other; itself alone."""
        return (self,)

    def shares(self, step: int) -> tuple[float, ...]:
        """For each part, its share of the pictures that a step of training sees; their sum is 1.

        Args:
            step: counted from the very start, the warm-up's steps among them.
        """
        return (1.0,)

    def stored_size(self, size: int) -> int:
        """Side of the squares that training at ``size`` pixels caches or reads from records."""
        return round(size * MARGIN) if self.augment and self.split == "train" else size

    def original(self, index: int, size: int) -> np.ndarray:
        """The picture before an edit, uint8 [size, size, 3], never from records of another size."""
        return self.picture(index, size)

    def other_picture(self, index: int, rng: np.random.Generator) -> int:
        """A random picture of another class; any other picture where there is but one class."""
        for _ in range(_TRIES):
            other = int(rng.integers(len(self)))
            if self.classes[other] != self.classes[index]:
                return other
        return (index + 1 + int(rng.integers(len(self) - 1))) % len(self)

    def requests(self, seed: int, count: int) -> Iterator[Request]:
        """The first ``count`` test edits of a seed, at most one a picture; the same every time."""
        rng = np.random.default_rng([seed, 11])
        for index in map(int, rng.permutation(len(self))[:count]):
            others = self.captions[self.other_picture(index, rng)]
            caption = others[rng.integers(len(others))]
            own = self.captions[index][rng.integers(len(self.captions[index]))]
            yield Request(index, caption, own)

    def true_edit(self, index: int, caption: str, size: int) -> TrueEdit | None:
        """The right result of editing a picture by a caption, at ``size`` pixels."""
        return None

    def marks(self, index: int, size: int) -> Marks | None:
        """What is marked in the picture ``original(index, size)``; of test pictures it measures,
        and never trains."""
        return None

    def attributes(self, index: int) -> Mapping[str, bool] | None:
        """Attribute -> whether the picture has it; the same attributes for every picture."""
        return None

    @property
    def recoloured(self) -> bool:
        """Whether training samples are pairs of one picture in two colourings, see
        :mod:`mim_tf.data.recolouring`."""
        return self.options.on_pairs and self.split == "train"

    def regions(self, index: int, picture: np.ndarray) -> Regions:
        """The parts of a picture.

        Args:
            picture: what ``picture(index, size)`` gives, uint8 [size, size, 3].

        Raises:
            UserError: the set's files do not tell them.
        """
        raise NotImplementedError(f"{self.name} has no regions")

    def palette(self, part: str) -> Palette:
        """Names of colours that a part, or a group, is dyed in, with their levels."""
        return tuple(COLOURS.items())

    def draw_asked(
        self, rng: np.random.Generator, index: int, present: Sequence[str]
    ) -> tuple[str, ...]:
        """Parts, or one group of parts, that a caption of a picture speaks of, of those
        ``present``."""
        raise NotImplementedError(f"{self.name} has no parts")

    def describe_parts(
        self, rng: np.random.Generator, index: int, colours: Mapping[str, str]
    ) -> Words:
        """A caption of a picture that gives parts or groups their colours, word by word."""
        raise NotImplementedError(f"{self.name} has no parts")

    def decides(self, word: str) -> bool:
        """Whether a word of a caption, which speaks of a part, is needed to know what is asked."""
        return True

    def still_true(self, index: int, caption: str, other: str) -> bool:
        """Whether ``other`` is also true of the picture once it is edited by ``caption``."""
        return False
