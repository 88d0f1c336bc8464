"""Which picture stands at which position of a training: a pure function of (seed, position).

Of one source, position p lies in epoch p // N, whose order is a permutation drawn from (seed,
epoch). Of several, a draw from (seed, p) picks the part by the shares that hold at the step of p;
within a part of M pictures the order is again a permutation, of (seed, p // M, part). So a picture
comes at most once while p goes through M positions, and how often is its part's share.
"""

from __future__ import annotations

import functools

import numpy as np

from mim_tf.data.source import Source

_DRAWS = 4  # a position: Philox counts in fours


class Order:
    """Draws pictures.

    Args:
        source: of one part or several.
        seed: of the training.
        batch_size: samples a step, by which positions become steps.

    Attributes:
        part: for each picture of the source, the number of its part, int [N].
        starts: for each part, the index of its first picture, and N, int [K + 1].
    """

    def __init__(self, source: Source, seed: int, batch_size: int) -> None:
        self.source, self.seed, self.batch_size = source, seed, batch_size
        lengths = np.array([len(part) for part in source.parts])
        self.starts = np.concatenate([[0], np.cumsum(lengths)])
        self.part = np.repeat(np.arange(len(lengths)), lengths)
        self._order = functools.lru_cache(maxsize=4 * len(lengths))(self._permutation)

    def __call__(self, first: int, count: int) -> np.ndarray:
        """The pictures at positions ``first`` to ``first + count - 1``, int [count]."""
        positions = range(first, first + count)
        parts = [0] * count if len(self.starts) == 2 else self._parts(first, count)
        return np.array([self._index(*place) for place in zip(parts, positions, strict=True)])

    def _parts(self, first: int, count: int) -> list[int]:
        """The part of each position."""
        counter = np.random.Philox(key=[self.seed, 2])
        counter.advance(int(first) * _DRAWS // 4)
        u = np.random.Generator(counter).random((count, _DRAWS))[:, 0]
        found = []
        for position, draw in zip(range(first, first + count), u, strict=True):
            shares = np.cumsum(self.source.shares(position // self.batch_size))
            # Of parts with a share, even where rounding leaves the last sum below one.
            last = int(np.flatnonzero(np.diff(shares, prepend=0))[-1])
            found.append(min(int(np.searchsorted(shares, draw, side="right")), last))
        return found

    def _index(self, part: int, position: int) -> int:
        start, end = self.starts[part : part + 2].tolist()
        epoch, place = divmod(position, end - start)
        return start + int(self._order(part, epoch)[place])

    def _permutation(self, part: int, epoch: int) -> np.ndarray:
        several = [part] if len(self.starts) > 2 else []
        rng = np.random.default_rng([self.seed, 0, epoch, *several])
        return rng.permutation(self.starts[part + 1] - self.starts[part])
