"""Editor: the one inference path. Editing, evaluation, the demo and export all go through it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, overload

import numpy as np
from PIL import Image

from mim_tf.backends.litert import LiteRTBackend, find_files
from mim_tf.captions import HARDLY_CHANGED, Message, check_caption, refusal
from mim_tf.errors import UserError, explain_missing_package
from mim_tf.pictures import files, pixels
from mim_tf.pictures.extras import Extras
from mim_tf.places import DEFAULT_PRESET, LITERT, find_model
from mim_tf.text import Vocabulary

if TYPE_CHECKING:
    from mim_tf.backends.tensorflow import TensorFlowBackend
    from mim_tf.run import Run

Picture = str | os.PathLike[str] | Image.Image | np.ndarray
"""A file's path, a PIL image, or a uint8 array: grey [H, W], RGB or RGBA [H, W, 3 or 4]."""

BACKENDS = ("litert", "tensorflow")


class Backend(Protocol):
    """What computes an edit; see :class:`mim_tf.backends.litert.LiteRTBackend`."""

    size: int
    max_words: int
    vocabulary: Vocabulary
    deciding_words: list[str]
    resample: Callable[..., Any]
    add_change: Callable[..., Any]

    def __call__(self, squares: np.ndarray, tokens: np.ndarray) -> tuple[np.ndarray, ...]: ...


@dataclass(frozen=True)
class Edit:
    """One edited picture.

    Attributes:
        picture: uint8 [H, W, 3], of the original's size, or F x F at the model's own.
        alpha: float32 [F, F, 1] in [0, 1], how much of each pixel is newly drawn.
        coarse: uint8 [C, C, 3], the first stage's picture.
        boundary: float32 [F, F, 1] in [0, 1], the structure the model saw.
        warnings: what about the caption may not come out as meant, and whether there is next
            to nothing to see of it, one line each.
        extras: EXIF and ICC profile of the picture that was given as a file or a PIL image.
    """

    picture: np.ndarray = field(repr=False)
    alpha: np.ndarray = field(repr=False)
    coarse: np.ndarray = field(repr=False)
    boundary: np.ndarray = field(repr=False)
    warnings: tuple[str, ...] = ()
    extras: Extras = Extras()

    @property
    def image(self) -> Image.Image:
        """``picture`` as a PIL image, with ``extras`` in its ``info``."""
        image = Image.fromarray(self.picture)
        image.info.update(self.extras.options(*image.size))
        return image

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``picture`` with ``extras``: a .png, .jpg, .jpeg or .webp file.

        Raises:
            UserError: another suffix, or a place that cannot be written.
        """
        files.write(path, self.picture, self.extras)


def load(
    model: str | os.PathLike[str] = DEFAULT_PRESET,
    backend: Literal["litert", "tensorflow"] | None = None,
) -> Editor:
    """The editor of a preset or a run.

    Args:
        model: a preset's name, or the folder of a preset, a run, or a LiteRT export.
        backend: what computes. By default LiteRT where the folder has its files, else TensorFlow:
            LiteRT needs a fraction of the time and memory to start, and gives the same picture to
            within 2 of 255 levels.

    Raises:
        UserError: there is no such model, its files are broken, the backend has no files there,
            or a package that the backend needs is not installed.
    """
    if backend is not None and backend not in BACKENDS:
        raise UserError(f"backend={backend!r}: choose one of {', '.join(BACKENDS)}, or None")
    folder = find_model(model)
    if backend != "tensorflow" and (found := find_files(folder)) is not None:
        return Editor(LiteRTBackend(found))
    if backend == "litert":
        raise UserError(
            f"{folder} has no LiteRT files; make them with python -m mim_tf export tflite "
            f"--run {folder} --output {folder / LITERT}, or choose the backend tensorflow"
        )
    try:
        from mim_tf.run import Run

        return Editor(Run.open(folder))
    except ModuleNotFoundError as error:
        raise explain_missing_package(error) from None


class Editor:
    """Edits pictures by captions.

    ``editor("bird.png", "a bird with red wings")`` gives an :class:`Edit`; see :meth:`__call__`.

    Args:
        model: a run or preset, whose generator TensorFlow runs, or the files of a LiteRT export.

    Attributes:
        backend: what computes.
        size: side F of the square that the model takes and gives.
    """

    def __init__(self, model: Run | LiteRTBackend) -> None:
        self.backend: Backend
        if isinstance(model, LiteRTBackend):
            self.backend = model
        else:
            from mim_tf.backends.tensorflow import TensorFlowBackend

            self.backend = TensorFlowBackend(model)
        self.size: int = self.backend.size

    @overload
    def __call__(
        self,
        picture: Picture,
        text: str,
        *,
        keep_size: bool = True,
        strength: float = 1.0,
        anyway: bool = False,
    ) -> Edit: ...
    @overload
    def __call__(
        self,
        picture: list[Picture] | tuple[Picture, ...],
        text: str | Sequence[str],
        *,
        keep_size: bool = True,
        strength: float = 1.0,
        anyway: bool = False,
    ) -> list[Edit]: ...
    def __call__(self, picture, text, *, keep_size=True, strength=1.0, anyway=False):
        """Edit a picture, or a list of them; the largest centred square is what the model sees.

        Args:
            picture: a path, a PIL image or a uint8 array (see :data:`Picture`), or a list of them.
            text: the caption, or a list of as many captions as pictures.
            keep_size: give the picture back at its own size, the change put into it; False gives
                the square of the model's own size.
            strength: scales the change, from 0 (none) to 1.5; 1 is the model's own.
            anyway: edit by a caption that :meth:`check` would refuse, if it has a known word.

        Returns:
            An :class:`Edit`, or a list of them for a list of pictures.

        Raises:
            UserError: a picture that cannot be read or is no uint8 array, a caption that is
                refused, not as many captions as pictures, or a strength out of its range.
        """
        if not isinstance(picture, list | tuple):
            if not isinstance(text, str):
                raise UserError("one picture takes one caption; give a list of pictures for more")
            given = [files.with_extras(picture)]
            self.check([text], anyway=anyway)
            return self._edit_given(given, [text], keep_size, strength)[0]
        captions = _captions(text, len(picture))
        given = [
            files.with_extras(item, f"picture {number}")
            for number, item in enumerate(picture, start=1)
        ]
        self.check(captions, anyway=anyway)
        return self._edit_given(given, captions, keep_size, strength)

    def _edit_given(
        self,
        given: Sequence[tuple[np.ndarray, Extras]],
        captions: Sequence[str],
        keep_size: bool,
        strength: float,
    ) -> list[Edit]:
        """:meth:`edit_many`; each edit has the extras of its picture."""
        edits = self.edit_many([picture for picture, _ in given], captions, keep_size, strength)
        return [
            replace(edit, extras=extras) for edit, (_, extras) in zip(edits, given, strict=True)
        ]

    def edit(
        self, picture: np.ndarray, caption: str, keep_size: bool = False, strength: float = 1.0
    ) -> Edit:
        """Edit one uint8 picture [H, W, 3]; see :meth:`edit_many`."""
        return self.edit_many([picture], [caption], keep_size, strength)[0]

    def edit_many(
        self,
        pictures: Sequence[np.ndarray],
        captions: Sequence[str],
        keep_size: bool = False,
        strength: float = 1.0,
    ) -> list[Edit]:
        """Edit several pictures in one batch: what evaluation and the other commands call.

        Captions that can be forced are taken: those of a data set are as they are.

        Args:
            pictures: uint8 [H, W, 3] each, of any sizes.
            captions: one for each.
            keep_size: as in :meth:`__call__`; by default the model's own size, which is scored.
            strength: as in :meth:`__call__`.

        Raises:
            UserError: a caption is empty or has no known word, or a strength out of its range.
        """
        pixels.check_strength(strength)
        if not pictures:
            return []
        tokens = self.tokens(captions)
        crops = [pixels.fit(picture) for picture in pictures]
        squares = np.concatenate(
            [
                self.backend.resample(
                    pixels.to_signed(pixels.square_crop(picture, crop))[None], self.size
                )
                for picture, crop in zip(pictures, crops, strict=True)
            ]
        )
        edited, alpha, coarse, boundary = self.backend(squares, tokens)
        shown = [pixels.shows(*pair) for pair in zip(squares, edited, strict=True)]
        edited = pixels.strengthened(squares, edited, strength)
        results = []
        for index, picture in enumerate(pictures):
            if keep_size:
                result = pixels.same_size_composite(
                    picture,
                    squares[index],
                    edited[index],
                    alpha[index],
                    crops[index],
                    add=self.backend.add_change,
                )
            else:
                result = pixels.to_uint8(edited[index])
            warnings = self.warnings(captions[index])
            if strength > 0 and not shown[index]:
                warnings += (HARDLY_CHANGED,)
            results.append(
                Edit(
                    result, alpha[index], pixels.to_uint8(coarse[index]), boundary[index], warnings
                )
            )
        return results

    def edit_batch(
        self, pictures: np.ndarray, captions: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Edit uint8 pictures [B, F, F, 3]; gives them and alpha [B, F, F, 1], for scoring."""
        edits = self.edit_many(list(pictures), captions)
        return np.stack([edit.picture for edit in edits]), np.stack([edit.alpha for edit in edits])

    def tokens(self, captions: Sequence[str]) -> np.ndarray:
        """Token ids int32 [B, T] of captions that somebody typed.

        Raises:
            UserError: a caption is empty or has no known word.
        """
        self.check(captions, anyway=True)
        encode = self.backend.vocabulary.encode
        return np.stack([encode(caption, self.backend.max_words) for caption in captions])

    def messages(self, caption: str) -> list[Message]:
        """What the user should know about a caption: :func:`mim_tf.captions.check_caption`."""
        backend = self.backend
        return check_caption(
            caption, backend.vocabulary.words, backend.max_words, backend.deciding_words
        )

    def check(self, captions: Iterable[str], *, anyway: bool = False) -> None:
        """Refuse captions by which an edit would show nothing that was asked for.

        Args:
            captions: what somebody typed.
            anyway: take captions in which a word is known, but none that says what to change to.

        Raises:
            UserError: the first caption that is refused, with everything there is to say about it.
        """
        for caption in captions:
            told = refusal(self.messages(caption), anyway=anyway)
            if told:
                raise UserError(f"{caption!r}: {told}")

    def warnings(self, caption: str) -> tuple[str, ...]:
        """What about a caption may not come out as meant, one line each."""
        return tuple(message.text for message in self.messages(caption))

    # What the TensorFlow backend alone has: for evaluation, exports and the memory sheet.

    @property
    def _tensorflow(self) -> TensorFlowBackend:
        return cast("TensorFlowBackend", self.backend)

    @property
    def run(self) -> Run:
        return self._tensorflow.run

    @property
    def generator(self) -> Any:
        return self._tensorflow.generator

    @property
    def graph(self) -> Any:
        return self._tensorflow.graph

    @property
    def paint(self) -> Any:
        return self._tensorflow.paint


def _captions(text: str | Sequence[str], count: int) -> list[str]:
    """One caption for each of ``count`` pictures; raises UserError where ``text`` gives none."""
    captions = [text] * count if isinstance(text, str) else text
    if not isinstance(captions, Sequence) or not all(isinstance(each, str) for each in captions):
        raise UserError("a caption is a text; give one, or a list of one for each picture")
    if len(captions) != count:
        raise UserError(
            f"{len(captions)} captions for {count} pictures; give one caption for all, "
            "or one for each"
        )
    return list(captions)
