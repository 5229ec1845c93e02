"""Log of a training: `log.jsonl`, a progress bar, and optionally TensorBoard."""

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor
from tqdm import tqdm

from pasd_batch.config.optimization import TrainingLogSettings
from pasd_batch.storage.storage import NotFound, Storage
from pasd_batch.training.errors import TrainingError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LOG_FILE = "log.jsonl"
_SECONDS_BETWEEN_WRITES = 10.0


class TrainingLog:
    """One JSON object per line, each with its `step` and `kind`.

    The file is stored as a whole every few seconds and with every checkpoint, because object stores cannot append.
    A resumed training drops the lines after its checkpoint: those steps are done again.
    """

    def __init__(self, storage: Storage, settings: TrainingLogSettings, *, first_step: int, steps: int) -> None:
        self._storage = storage
        self._lines = _lines_until(storage, first_step)
        self._written = time.monotonic()
        self._board = None if settings.tensorboard is None else open_tensorboard(settings, first_step)
        self._bar = tqdm(
            total=steps, initial=first_step, unit="step", disable=None if settings.progress else True, smoothing=0.05
        )

    def step_done(self, step: int, values: Mapping[str, Any] | None) -> None:
        """Advance the progress bar, and log `values`, if there are any."""
        self._bar.update(1)
        if values is not None:
            self._bar.set_postfix({name: f"{values[name]:.4g}" for name in ("loss",) if name in values})
            self.write("step", step, values)

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Add a line; numbers go to TensorBoard too."""
        self._lines.append(json.dumps({"kind": kind, "step": step, **values}))
        if self._board is not None:
            for name, value in values.items():
                if isinstance(value, int | float):
                    self._board.add_scalar(f"{kind}/{name}", value, step)
        if time.monotonic() - self._written > _SECONDS_BETWEEN_WRITES:
            self.flush()

    def picture(self, name: str, step: int, picture: Tensor) -> None:
        """Show a picture (3, height, width) in [0, 1] in TensorBoard."""
        if self._board is not None:
            self._board.add_image(f"validation/{name}", picture, step)

    def flush(self) -> None:
        """Store everything written so far."""
        self._storage.write(LOG_FILE, "".join(f"{line}\n" for line in self._lines).encode())
        self._written = time.monotonic()
        if self._board is not None:
            self._board.flush()

    def close(self) -> None:
        """Store everything and take the progress bar away."""
        self.flush()
        self._bar.close()
        if self._board is not None:
            self._board.close()


def open_tensorboard(settings: TrainingLogSettings, first_step: int) -> "SummaryWriter":
    """TensorBoard's writer; what it has of steps from `first_step` on is hidden.

    Raises:
        TrainingError: the package is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise TrainingError(
            f"log.tensorboard is set, but TensorBoard cannot be imported ({error}); run "
            "`pip install 'pasd-batch[tensorboard]'`, or remove log.tensorboard"
        ) from error
    return SummaryWriter(str(settings.tensorboard), purge_step=first_step + 1)


def read_log(storage: Storage) -> list[dict[str, Any]]:
    """The lines of a training's log; none if it has not been written yet."""
    try:
        text = storage.read(LOG_FILE).decode()
    except NotFound:
        return []
    return [json.loads(line) for line in text.splitlines()]


def _lines_until(storage: Storage, step: int) -> list[str]:
    return [json.dumps(line) for line in read_log(storage) if line["step"] <= step]
