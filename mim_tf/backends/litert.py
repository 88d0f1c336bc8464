"""Edits by exported LiteRT files: with ai-edge-litert and NumPy alone.

An app on a phone does the same: tokens by the vocabulary (`mim_tf.text`), the square picture
(`mim_tf.pictures.pixels`), the text file, the image file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from mim_tf import json_text
from mim_tf.checksums import check_sums, sha256_of
from mim_tf.errors import UserError
from mim_tf.pictures import pixels
from mim_tf.places import LITERT, WEIGHTS
from mim_tf.quiet import silenced
from mim_tf.text import Vocabulary

METADATA = "metadata.json"
OUTPUTS = ("fine", "alpha", "coarse", "boundary")
"""What an image file gives, in the order in which a backend returns it."""
_THREADS = min(4, os.cpu_count() or 1)


def file_name(kind: str, variant: str) -> str:
    """``image.tflite`` in float32, ``image_float16.tflite``, ..."""
    return f"{kind}.tflite" if variant == "float32" else f"{kind}_{variant}.tflite"


def find_files(folder: Path) -> Path | None:
    """The LiteRT files of a run or preset, or of an export itself; None where there are none.

    Raises:
        UserError: they were exported from other weights than lie beside them.
    """
    if not (folder / WEIGHTS).is_file():
        return folder if (folder / METADATA).is_file() else None
    files = folder / LITERT
    if not (files / METADATA).is_file():
        return None
    if _read_metadata(files).get("weights_sha256") != sha256_of(folder / WEIGHTS):
        raise UserError(
            f"{files} was exported from other weights than {folder / WEIGHTS}; export them again "
            f"by python -m mim_tf export tflite --run {folder} --output {files}, or delete {files}"
        )
    return files


class LiteRTBackend:
    """The two files of an export, text and image, ready to run on the CPU.

    Args:
        folder: what ``export.tflite`` wrote.
        variant: ``float16``, ``float32``, ``dynamic`` or ``int8``; by default the first of float16
            and float32 that is there. A text file that a variant lacks is taken in float32.

    Attributes:
        size: side of the square that the model takes and gives.
        max_words: token ids in a caption.
        vocabulary: the words it knows.
        deciding_words: those of them that say what to change to, such as colours.

    Raises:
        UserError: the folder is no export, lacks the variant, or a file of it is damaged.
    """

    resample = staticmethod(pixels.resample)
    add_change = staticmethod(pixels.add_change)

    def __init__(self, folder: Path, variant: str | None = None) -> None:
        metadata = _read_metadata(folder)
        try:
            self.size: int = metadata["size"]
            self.max_words: int = metadata["max_words"]
            check_sums(folder, [METADATA, metadata["vocabulary"]])
            self.vocabulary = Vocabulary.load(folder / metadata["vocabulary"])
            self.deciding_words: list[str] = metadata["deciding_words"]
        except KeyError as error:
            raise UserError(f"{folder / METADATA} has no {error}; export the model again") from None
        if variant is None:
            has_half = (folder / file_name("image", "float16")).is_file()
            variant = "float16" if has_half else "float32"
        self._text, self._image = (
            _runner(folder, "text", variant),
            _runner(folder, "image", variant),
        )

    def __call__(self, squares: np.ndarray, tokens: np.ndarray) -> tuple[np.ndarray, ...]:
        """The edit of each square picture by its caption.

        Args:
            squares: float32 [B, F, F, 3] in [-1, 1].
            tokens: int32 [B, T], at least one word in each row.

        Returns:
            edited [B, F, F, 3], alpha [B, F, F, 1], coarse [B, C, C, 3], boundary [B, F, F, 1].
        """
        rows = []
        for index in range(len(squares)):  # the files take one picture at a time
            words = self._text(tokens=tokens[index : index + 1])
            out = self._image(
                image=squares[index : index + 1], h_hat=words["h_hat"], mask=words["mask"]
            )
            rows.append([out[name] for name in OUTPUTS])
        return tuple(np.concatenate(column) for column in zip(*rows, strict=True))


def _read_metadata(folder: Path) -> dict[str, Any]:
    file = folder / METADATA
    try:
        content = json_text.read(file)
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise UserError(f"{file} is missing or broken; export the model again")
    return content


def _runner(folder: Path, kind: str, variant: str) -> Any:
    """One file's signature as a function of named arrays."""
    from ai_edge_litert.interpreter import Interpreter

    file = folder / file_name(kind, variant)
    if kind == "text" and not file.is_file():
        file = folder / file_name(kind, "float32")
    if not file.is_file():
        raise UserError(f"{folder} has no {file.name}; choose another variant, or export it")
    check_sums(folder, [file.name])
    try:
        with silenced():  # it says which delegate it has made
            interpreter = Interpreter(str(file), num_threads=_THREADS)
            interpreter.allocate_tensors()
            return interpreter.get_signature_runner()
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"{file} is no LiteRT file that runs here ({str(error).splitlines()[0]}); export again"
        ) from None
