"""Refuses models that cannot be exported."""

from __future__ import annotations

from mim_tf.config import Config
from mim_tf.errors import UserError


def check_exportable(config: Config) -> None:
    """Refuse a model that computes with OpenCV, which no SavedModel or LiteRT file can hold.

    Raises:
        UserError: ``model.boundary`` is ``canny``.
    """
    if config.model.boundary == "canny":
        raise UserError(
            "model.boundary=canny is OpenCV's and cannot be exported; "
            "train with model.boundary=sobel"
        )
