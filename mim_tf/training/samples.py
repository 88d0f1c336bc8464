"""The sample grid: the same pictures and captions, edited again and again as training goes on."""

from __future__ import annotations

import sys

import numpy as np
import tensorflow as tf

from mim_tf.data.source import Source
from mim_tf.data.sources import load_source
from mim_tf.errors import UserError
from mim_tf.models.boundary import boundary_image
from mim_tf.pictures import files, pixels, sheets, tensor_pixels
from mim_tf.run import Run
from mim_tf.storage import remove_partial
from mim_tf.training.mimnet import MIMNet

_SAMPLES = 6  # rows of the sample grid


class Samples:
    """The rows of a run's sample grid.

    Args:
        source: what the run is trained on.
    """

    def __init__(self, run: Run, source: Source, model: MIMNet) -> None:
        self.folder = run.path / "samples"
        remove_partial(self.folder)
        self.run = run
        self.pictures, self.captions, self.tokens = _sample_inputs(run, source)
        self._edit = tf.function(model.call)

    def draw(self, step: int) -> np.ndarray:
        """Edit, and write the grid as ``samples/step-<step>.png``.

        Returns:
            The grid, uint8 [H, W, 3]: input, boundary, alpha of the last stage, each stage's edit.
        """
        model = self.run.config.model
        out = self._edit({"picture": self.pictures, "tokens": self.tokens})
        alpha = list(out["alphas"].values())[-1]
        columns = {
            "input": pixels.to_uint8(self.pictures),
            "boundary": boundary_image(self.pictures, model.boundary).numpy(),
            "alpha": tensor_pixels.resample(alpha, model.fine_size).numpy(),
        }
        for stage, painted in out["images"].items():
            columns[stage] = pixels.to_uint8(tensor_pixels.resample(painted, model.fine_size))
        rows = [
            [column[index] for column in columns.values()] for index in range(len(self.captions))
        ]
        sheet = sheets.labelled_grid(rows, list(columns), self.captions)
        files.write(self.folder / f"step-{step:07d}.png", sheet)
        return sheet


def _sample_inputs(run: Run, source: Source):
    """Pictures [K, F, F, 3], captions and tokens for the sample grid, the same all run long.

    They are the first test requests of the test split, or of the training split where there is no
    other.
    """
    config, size = run.config, run.config.model.fine_size
    try:
        source = load_source(config, "test")
    except UserError as error:
        print(f"sample grids use training pictures: {error}", file=sys.stderr)
    requests = list(source.requests(0, _SAMPLES))
    captions = [request.caption for request in requests]
    pictures = np.stack([source.original(request.index, size) for request in requests])
    tokens = np.stack([run.vocabulary.encode(text, config.data.max_words) for text in captions])
    return tf.constant(pixels.to_signed(pictures)), captions, tf.constant(tokens)
