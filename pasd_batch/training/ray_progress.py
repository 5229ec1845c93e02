"""Progress of a training on Ray, for people: a bar on the driver's terminal, a line now and then in its log.

What is written here is for show: it may be lost or late, and nothing is decided by it.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from pasd_batch.cluster.board import read_board, start_board

logger = logging.getLogger(__name__)

_LOG_EVERY_SECONDS = 60.0
_READ_EVERY_SECONDS = 1.0


class StepDisplay:
    """Shows steps: a bar where standard error is a terminal, and log lines of level INFO."""

    def __init__(self, steps: int, *, bar: bool) -> None:
        self._steps = steps
        # `None` shows the bar on terminals only.
        self._bar = tqdm(total=steps, unit="step", disable=None if bar else True, smoothing=0.05)
        self._shown = 0
        self._logged = time.monotonic()

    def show(self, step: int, loss: float) -> None:
        """Show how far the training is."""
        if step == self._shown:
            return
        self._bar.set_postfix({"loss": f"{loss:.4g}"}, refresh=False)
        self._bar.update(step - self._shown)
        self._shown = step
        if step == self._steps or time.monotonic() - self._logged > _LOG_EVERY_SECONDS:
            logger.info("step %d of %d, loss %.4g", step, self._steps, loss)
            self._logged = time.monotonic()

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()


@contextmanager
def steps_shown(steps: int, *, bar: bool) -> Iterator[Any]:
    """A progress board for rank zero, which writes `(step, loss)` under 0; shown until the context ends.

    Ray must be running.
    """
    board = start_board()
    display, ended = StepDisplay(steps, bar=bar), threading.Event()
    reader = threading.Thread(target=_follow, args=(board, display, ended), daemon=True)
    reader.start()
    try:
        yield board
        # What was written last may not have been read yet.
        _read(board, display)
    finally:
        ended.set()
        reader.join(2 * _READ_EVERY_SECONDS)
        display.close()


def _follow(board: Any, display: StepDisplay, ended: threading.Event) -> None:
    while not ended.wait(_READ_EVERY_SECONDS):
        _read(board, display)


def _read(board: Any, display: StepDisplay) -> None:
    for step, loss in read_board(board):
        display.show(step, loss)
