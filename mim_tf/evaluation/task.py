"""What an evaluation edits: pairs of pictures and captions, and a model's edits of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mim_tf.captions import split_words
from mim_tf.data.source import Source
from mim_tf.editor import Editor
from mim_tf.evaluation import truth
from mim_tf.evaluation.pairs import Pair
from mim_tf.evaluators.folder import fingerprint, vocabulary_hash
from mim_tf.pictures import pixels
from mim_tf.progress import Progress
from mim_tf.run import Run

_BATCH = 16
_UNKNOWN = "qqqqqq"  # in place of a word; nobody's caption has it


@dataclass(frozen=True)
class Task:
    """What is measured, and on what.

    Attributes:
        source: the split's pictures.
        pairs: the edits.
        size: side of the pictures, in pixels.
        seed: of R-precision's candidates.
        targeted: whether each caption asks one thing of a photograph
            (:mod:`mim_tf.evaluation.targeted`).
    """

    source: Source
    pairs: Sequence[Pair]
    size: int
    seed: int
    targeted: bool = False

    def originals(self) -> np.ndarray:
        """uint8 [N, size, size, 3], before the edits."""
        return np.stack([self.source.original(pair.index, self.size) for pair in self.pairs])


@dataclass(frozen=True)
class Edits:
    """What a method made of a task's pairs.

    Attributes:
        pictures: uint8 [N, S, S, 3], edited by the pairs' captions.
        alphas: uint8 [N, S, S, 1], 255 where newly drawn; None where the method has none.
        reconstructed: uint8 [N, S, S, 3], edited by the pictures' own captions; None if not made.
        unknown: uint8 [N, S, S, 3], edited by the pairs' captions in which the words that say what
            to change to are unknown; None if not made.
    """

    pictures: np.ndarray
    alphas: np.ndarray | None = None
    reconstructed: np.ndarray | None = None
    unknown: np.ndarray | None = None


def make_edits(
    edit: truth.EditBatch,
    task: Task,
    originals: np.ndarray,
    forget: Callable[[str], str] | None = None,
) -> Edits:
    """Edit every pair, by its caption and by the picture's own.

    Args:
        edit: uint8 pictures [B, S, S, 3] and captions, which may have no known word -> edited
            uint8 and alpha [B, S, S, 1].
        forget: a caption -> the same with unknown words in place of those that say what to change
            to.
    """
    pictures, alphas, reconstructed, unknown = [], [], [], []
    starts = range(0, len(task.pairs), _BATCH)
    for start in Progress(starts, "editing", "batch"):
        chunk, batch = task.pairs[start : start + _BATCH], originals[start : start + _BATCH]
        edited, alpha = edit(batch, [pair.caption for pair in chunk])
        pictures.append(edited)
        # Alpha counts as it is kept in a file, or digits would differ when read back.
        alphas.append(np.rint(np.clip(alpha, 0, 1) * 255).astype(np.uint8))
        reconstructed.append(edit(batch, [pair.own for pair in chunk])[0])
        if forget is not None:
            unknown.append(edit(batch, [forget(pair.caption) for pair in chunk])[0])
    return Edits(
        np.concatenate(pictures),
        np.concatenate(alphas),
        np.concatenate(reconstructed),
        np.concatenate(unknown) if unknown else None,
    )


def without_deciding_words(run: Run) -> Callable[[str], str] | None:
    """The ``forget`` of :func:`make_edits` for a run; None where it has no such words."""
    deciding = set(run.config.data.swap_words)

    def forget(caption: str) -> str:
        words = [word.text for word in split_words(caption)]
        return " ".join(_UNKNOWN if word in deciding else word for word in words)

    return forget if deciding else None


def edit_with(run: Run, task: Task, originals: np.ndarray) -> tuple[Edits, dict[str, Any]]:
    """A run's edits, and the manifest's entry of what made them.

    Pictures of another size than the model's are edited as users get them: the change, not the
    model's pixels, is put into the picture at its own size; alpha is resampled to it. A caption
    without a known word, which training takes and an editor refuses, changes nothing.
    """
    editor, max_words = Editor(run), run.config.data.max_words

    def is_read(caption: str) -> bool:
        return run.vocabulary.reads(caption, max_words)

    def edit(pictures: np.ndarray, captions: list[str]) -> tuple[np.ndarray, np.ndarray]:
        edited, alphas = pictures.copy(), np.zeros((*pictures.shape[:3], 1), np.float32)
        places = [place for place, caption in enumerate(captions) if is_read(caption)]
        if places:
            chosen = [captions[place] for place in places]
            edited[places], alphas[places] = _edit_at(editor, pictures[places], chosen, task.size)
        return edited, alphas

    if unread := [pair.key for pair in task.pairs if not is_read(pair.caption)]:
        print(
            f"{len(unread)} of {len(task.pairs)} captions have no word that the model knows, so "
            f"their pictures stay as they are ({', '.join(unread[:3])})",
            file=sys.stderr,
        )
    model = {
        "name": run.path.resolve().name,
        "weights_sha256": fingerprint(editor.generator),
        "vocabulary_sha256": vocabulary_hash(run.vocabulary),
        "config": run.config.model_dump(
            mode="json",
            include={"model": True, "deviations": True},
            exclude={"model": {"encoder_weights"}},
        ),
    }
    return make_edits(edit, task, originals, without_deciding_words(run)), model


def _edit_at(
    editor: Editor, pictures: np.ndarray, captions: list[str], size: int
) -> tuple[np.ndarray, np.ndarray]:
    if size == editor.size:
        return editor.edit_batch(pictures, captions)
    edits = editor.edit_many(list(pictures), captions, keep_size=True)
    alphas = np.stack([one.alpha for one in edits])
    return np.stack([one.picture for one in edits]), pixels.resample(alphas, size)
