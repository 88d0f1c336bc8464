"""Which pixels belong to an object: around known points by GrabCut, or on a white background."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

_ROUNDS = 3  # of GrabCut
_POINT = 0.025  # radius of a disc of sure foreground around a point, of the object's longer side
_BORDER = 0.8  # share of the border that is white where a picture lies on white
_RIM = 0.1  # width of the rim of likely foreground around the points' hull, likewise


def object_mask(
    picture: np.ndarray,
    points: Sequence[tuple[float, float]],
    box: tuple[float, float, float, float],
) -> np.ndarray:
    """The pixels of an object; the same for the same picture.

    Pixels outside of the box are background. Within it, those near the points are foreground, those
    in the points' convex hull and near it likely so, and the others likely background, from which
    GrabCut learns the colours of both.

    Args:
        picture: uint8 [H, W, 3].
        points: (x, y) in pixels, at least one.
        box: (x, y, width, height) in pixels, around the object.

    Returns:
        bool [H, W].
    """
    height, width = picture.shape[:2]
    x, y, box_width, box_height = box
    side = max(box_width, box_height)
    rows = slice(max(0, round(y) - 1), min(height, round(y + box_height) + 1))
    columns = slice(max(0, round(x) - 1), min(width, round(x + box_width) + 1))
    hull = cv2.convexHull(np.array(points, np.float32).reshape(-1, 1, 2)).round().astype(np.int32)
    likely = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(likely, hull, 1)
    cv2.polylines(likely, [hull], True, 1, max(1, round(_RIM * side)))
    known = np.full((height, width), cv2.GC_BGD, np.uint8)
    known[rows, columns] = np.where(likely[rows, columns] > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    for point_x, point_y in points:
        centre = (int(point_x), int(point_y))
        cv2.circle(known, centre, max(1, int(_POINT * side)), int(cv2.GC_FGD), -1)
    return grab_cut(picture, known)


def grab_cut(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Foreground by GrabCut, the same for the same arguments.

    Args:
        picture: uint8 [H, W, 3].
        known: uint8 [H, W] of OpenCV's ``GC_BGD``, ``GC_FGD``, ``GC_PR_BGD`` and ``GC_PR_FGD``.

    Returns:
        bool [H, W]; what is foreground already where one of the two is missing.
    """
    known = known.copy()
    foreground = (known == cv2.GC_FGD) | (known == cv2.GC_PR_FGD)
    if foreground.all() or not foreground.any():
        return np.asarray(foreground)
    cv2.setRNGSeed(0)  # GrabCut's k-means draws at random
    models = np.zeros((1, 65)), np.zeros((1, 65))
    reversed_channels = np.ascontiguousarray(picture[..., ::-1])
    cv2.grabCut(reversed_channels, known, None, *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.asarray((known == cv2.GC_FGD) | (known == cv2.GC_PR_FGD))


def white_background(picture: np.ndarray, white: int) -> np.ndarray | None:
    """What is nearly white and hangs together with the border of a picture that lies on white.

    Args:
        picture: uint8 [H, W, 3].
        white: levels from which all three channels are nearly white.

    Returns:
        bool [H, W]; None where less than ``_BORDER`` of the border is so.
    """
    near = (picture >= white).all(axis=-1)
    _, areas = cv2.connectedComponents(near.astype(np.uint8), connectivity=4)
    border = np.concatenate([areas[0], areas[-1], areas[1:-1, 0], areas[1:-1, -1]])
    if (border > 0).mean() < _BORDER:
        return None
    return np.isin(areas, border[border > 0])


def nearest_points(size: tuple[int, int], points: Sequence[tuple[float, float]]) -> np.ndarray:
    """For every pixel of a picture of ``size`` (height, width), which point is nearest: int [H, W],
    the point's place in ``points``."""
    rows, columns = np.arange(size[0])[:, None] + 0.5, np.arange(size[1])[None, :] + 0.5
    distances = [(columns - x) ** 2 + (rows - y) ** 2 for x, y in points]
    return np.asarray(np.argmin(np.stack(distances), axis=0))
