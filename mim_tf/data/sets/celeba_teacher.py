"""Hair and lips of a face by the alpha of an earlier model of faces: self-training.

A model that learned from the rules of :mod:`mim_tf.data.sets.celeba_regions` finds hair more whole
than the rules do, because their errors differ from picture to picture.
"""

from __future__ import annotations

from threading import Lock

import cv2
import numpy as np

from mim_tf.backends.litert import LiteRTBackend, find_files
from mim_tf.errors import UserError
from mim_tf.pictures import pixels
from mim_tf.places import LITERT, find_model

_ASKED = {"hair": "black hair", "lips": "purple lipstick"}
"""What is asked of the teacher for each part. Alpha is nearly the same for another colour."""


class Teacher:
    """An earlier model of faces, as its LiteRT files; threads may share it.

    Args:
        model: name of a preset, or folder of a preset, a run or an export.

    Raises:
        UserError: there is no such model, it has no LiteRT files, or it knows no hair and lipstick.
    """

    def __init__(self, model: str) -> None:
        try:
            folder = find_model(model)
        except UserError as error:
            raise UserError(f"data.teacher: {error}") from None
        files = find_files(folder)
        if files is None:
            raise UserError(
                f"data.teacher: {folder} has no LiteRT files; make them by python -m mim_tf export "
                f"tflite --run {folder} --variants float16 --output {folder / LITERT}"
            )
        self._model = LiteRTBackend(files)
        known = set(self._model.vocabulary.words)
        lacking = [w for text in _ASKED.values() for w in text.split() if w not in known]
        if lacking:
            raise UserError(
                f"data.teacher: {folder} does not know the word {lacking[0]}; "
                "give a model of faces, such as the preset faces-128"
            )
        encode = self._model.vocabulary.encode
        self._tokens = np.stack([encode(text, self._model.max_words) for text in _ASKED.values()])
        self._lock = Lock()

    def __call__(self, picture: np.ndarray) -> dict[str, np.ndarray]:
        """How much each pixel belongs to each part.

        Args:
            picture: uint8 [S, S, 3].

        Returns:
            part -> float32 [S, S] in [0, 1].
        """
        square = pixels.resample(pixels.to_signed(picture)[None], self._model.size)
        with self._lock:
            _, alphas, _, _ = self._model(np.repeat(square, len(_ASKED), axis=0), self._tokens)
        return {
            part: np.asarray(cv2.resize(alpha[..., 0], picture.shape[1::-1]))
            for part, alpha in zip(_ASKED, alphas, strict=True)
        }
