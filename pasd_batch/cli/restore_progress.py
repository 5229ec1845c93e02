"""Progress of `pasd-batch restore`: bars over photos and over steps with their tiles, and lines for what went wrong."""

import builtins
import logging
import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from pasd_batch.batch.local.restoring import RestoreProgress
from pasd_batch.batch.worker import photo_state
from pasd_batch.batch.worker.rows import Row
from pasd_batch.manifests.file_pages import page_id
from pasd_batch.records import Status
from pasd_batch.storage.printable import printable_line

_PHOTO_LOG = logging.getLogger(photo_state.__name__)


class ProgressBars:
    """Bars on a terminal, which lines of the log do not cut through; elsewhere the lines alone."""

    def __init__(self) -> None:
        self.photos = self.skipped = self.restored = 0
        self._bars: list[tqdm] = []
        self._on_terminal = sys.stderr.isatty()
        self._log = logging_redirect_tqdm()
        self._level = _PHOTO_LOG.level

    def __enter__(self) -> Self:
        _PHOTO_LOG.setLevel(logging.ERROR)  # its warnings are told here, with the photo's path
        if self._on_terminal:
            self._log.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _PHOTO_LOG.setLevel(self._level)
        for bar in reversed(self._bars):
            bar.close()
        if self._on_terminal:
            self._log.__exit__(kind, error, trace)

    def show(self, progress: RestoreProgress) -> None:
        """Show what was told last."""
        self.photos, self.skipped, self.restored = progress.photos, progress.skipped, progress.restored
        if progress.row is not None:
            for line in _lines(progress.row):
                tqdm.write(printable_line(line), file=sys.stderr)
        if self._on_terminal and not self._bars:
            photos = tqdm(desc="photos", unit="photo", file=sys.stderr)
            # Its steps are too few for a rate.
            steps = tqdm(desc="steps", file=sys.stderr, leave=False, bar_format="{l_bar}{bar}| {n:.3g}/{total_fmt}")
            self._bars = [photos, steps]
        if self._bars:
            self._bars[0].set_description("loading the model" if progress.loading else "photos", refresh=False)
        counts = ((progress.done, progress.photos), (progress.step, progress.steps))
        for bar, (done, total) in zip(self._bars, counts, strict=False):
            _move(bar, done, total)


def _move(bar: tqdm, done: float, total: int) -> None:
    if done < bar.n:
        bar.reset()
    bar.total = total
    bar.update(done - bar.n)
    bar.refresh()


def _lines(row: Row) -> list[str]:
    name = page_id(row["uri"], row["page"])
    lines = [f"{name}: warning: {message}" for message in row["warnings"]]
    if row["status"] == Status.FAILED:
        message, kind = row["error_message"], row["error_type"]
        if hasattr(builtins, kind) and kind != message:  # Python's own errors say little without their names
            message = f"{kind}: {message}"
        lines.append(message if message.startswith(f"{row['uri']}: ") else f"{name}: {message}")
    return lines
