"""Runs requests that wait at the same time as one batch."""

from __future__ import annotations

import asyncio
import concurrent.futures

import numpy as np

from mim_tf.server.limits import Limits, RequestError
from mim_tf.server.messages import Call


class Batcher:
    """A queue of calls, and the worker that runs them in batches.

    Args:
        limits: of the queue, of a batch and of the time until an answer.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: list[tuple[Call, asyncio.Future]] = []
        self._pixels = 0  # of all calls that wait or run
        self._wake = asyncio.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "model")

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return len(self._waiting)

    @property
    def pixels(self) -> int:
        """Pixels of the pictures of all calls that wait or run."""
        return self._pixels

    @property
    def full(self) -> bool:
        """Whether the queue takes no further call."""
        return len(self._waiting) >= self._limits.queue

    async def submit(self, call: Call) -> dict[str, np.ndarray]:
        """Put a call into the queue and wait for its outputs.

        Raises:
            RequestError: 503, the queue is full or the pictures in flight have too many pixels;
                504, no answer in time; 400, the model finds the input wrong.
        """
        if self.full:
            raise RequestError(503, f"{self._limits.queue} requests wait already; try again later")
        if self._pixels + call.pixels > self._limits.flight_pixels:
            raise RequestError(
                503,
                f"the pictures of all requests have more than {self._limits.flight_pixels} pixels; "
                "try again later",
            )
        future = asyncio.get_running_loop().create_future()
        entry = (call, future)
        self._pixels += call.pixels
        self._waiting.append(entry)
        self._wake.set()
        try:
            return await asyncio.wait_for(future, self._limits.answer_seconds)
        except TimeoutError:
            raise RequestError(
                504, f"no answer within {self._limits.answer_seconds:g} seconds; try again later"
            ) from None
        finally:  # also after a timeout, and when the client has gone
            if entry in self._waiting:
                self._waiting.remove(entry)
                self._pixels -= call.pixels

    async def work(self) -> None:
        """Run batches until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._wake.wait()
                batch = self._take_batch()
                if not batch:
                    self._wake.clear()
                    continue
                calls = [call for call, _ in batch]
                results = await loop.run_in_executor(self._pool, self._run, calls)
                # Not before: the batch runs on where a client has gone or a time-out has passed.
                self._pixels -= sum(call.pixels for call in calls)
                for (_, future), result in zip(batch, results, strict=True):
                    if future.done():  # timed out, or its client has gone
                        continue
                    if isinstance(result, Exception):
                        future.set_exception(result)
                    else:
                        future.set_result(result)
        finally:
            self._pool.shutdown(wait=False)

    def _take_batch(self) -> list[tuple[Call, asyncio.Future]]:
        """Take the oldest call from the queue, and the later ones that fit into a batch with it."""
        taken: list[tuple[Call, asyncio.Future]] = []
        count = 0
        for entry in list(self._waiting):
            call = entry[0]
            fits = not taken or (
                _batch_key(call) == _batch_key(taken[0][0])
                and count + call.count <= self._limits.batch
            )
            if not fits:
                continue
            taken.append(entry)
            count += call.count
            self._waiting.remove(entry)
        return taken

    def _run(self, calls: list[Call]) -> list[dict[str, np.ndarray] | Exception]:
        """The outputs or the error of each call. Runs in the worker thread."""
        if len(calls) > 1:
            names = calls[0].inputs
            merged = {name: np.concatenate([call.inputs[name] for call in calls]) for name in names}
            try:
                outputs = calls[0].model.run(calls[0].signature, merged)
            except Exception:
                # Run each call alone, so that only the call with the wrong input fails.
                return [self._run([call])[0] for call in calls]
            ends = np.cumsum([call.count for call in calls])
            return [
                {name: rows[end - call.count : end] for name, rows in outputs.items()}
                for call, end in zip(calls, ends, strict=True)
            ]
        try:
            return [calls[0].model.run(calls[0].signature, calls[0].inputs)]
        except Exception as error:
            return [error]


def _batch_key(call: Call) -> tuple:
    """Model, signature, types and shapes of a call; calls with equal keys can run as one batch."""
    arrays = call.inputs.values()
    return id(call.model), call.signature, *((array.dtype.str, array.shape[1:]) for array in arrays)
