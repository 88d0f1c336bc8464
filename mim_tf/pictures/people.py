"""Which pixels belong to a person: by MediaPipe's model for selfies, a LiteRT file of 250 kB.

It is ``selfie_segmentation.tflite`` (Apache-2.0) of the npm package
``@mediapipe/selfie_segmentation``.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock

import cv2
import numpy as np

from mim_tf.errors import UserError
from mim_tf.quiet import silenced

_WHERE_FROM = "get it by npm pack @mediapipe/selfie_segmentation"


class PersonModel:
    """The model, ready to run; threads may share it.

    Args:
        file: ``selfie_segmentation.tflite``.

    Raises:
        UserError: no such file, or it is another.
    """

    def __init__(self, file: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        if not file.is_file():
            raise UserError(f"data.person_model: no file {file}; {_WHERE_FROM}")
        try:
            with silenced():  # it says which delegate it has made
                self._interpreter = Interpreter(str(file), num_threads=1)
                self._interpreter.allocate_tensors()
            (self._input,) = self._interpreter.get_input_details()
            (self._output,) = self._interpreter.get_output_details()
            if self._input["shape"][-1] != 3 or self._output["shape"][-1] != 1:
                raise ValueError("other inputs and outputs")
        except (ValueError, RuntimeError):
            raise UserError(f"data.person_model: {file} is another file; {_WHERE_FROM}") from None
        self._lock = Lock()

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """How likely each pixel belongs to a person.

        Args:
            picture: uint8 [S, S, 3].

        Returns:
            float32 [S, S] in [0, 1].
        """
        _, height, width, _ = self._input["shape"]
        seen = cv2.resize(picture, (int(width), int(height)), interpolation=cv2.INTER_LINEAR)
        with self._lock:
            self._interpreter.set_tensor(self._input["index"], seen[None].astype(np.float32) / 255)
            self._interpreter.invoke()
            found = self._interpreter.get_tensor(self._output["index"])[0, ..., 0]
        return np.asarray(cv2.resize(found, picture.shape[1::-1]))
