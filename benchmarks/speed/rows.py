"""Rows of the table, and the time that is left for them."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pasd_batch.pasd.state_dict import CheckpointError

_COLUMNS = "| case | setting | photos | s a photo | TFLOP/s | of the peak | GiB | beside |"
_ALIGNED = "|---|---|---:|---:|---:|---:|---:|---|"


@dataclass(frozen=True)
class Row:
    """One measurement; what a case does not have is left out."""

    case: str
    setting: str
    photos: int
    """Photos (or tiles) at a time."""

    seconds: float
    """A photo (or tile)."""

    teraflops: float | None = None
    """Arithmetic of a photo's networks, in 10^12 operations a second."""

    gib: float | None = None
    """Most memory of the GPU in use."""

    beside: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    """Numbers for the JSON file alone."""

    def line(self, peak: float) -> str:
        """The row in Markdown; `peak` is the hardware's, in TFLOP/s."""
        rate, share, gib = "", "", "" if self.gib is None else f"{self.gib:.1f}"
        if self.teraflops is not None:
            rate, share = f"{self.teraflops:.0f}", f"{self.teraflops / peak:.0%}"
        cells = (self.case, self.setting, str(self.photos), f"{self.seconds:.4f}", rate, share, gib, self.beside)
        return f"| {' | '.join(cells)} |"


@dataclass(frozen=True)
class Task:
    """Rows that are measured together."""

    name: str
    seconds: float
    """Time they take on a large GPU; with less left they are not begun."""

    rows: Callable[[], Iterable[Row]]


class Clock:
    """Time since the start against a budget."""

    def __init__(self, budget: float) -> None:
        self.budget = budget
        self._began = time.monotonic()

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def has(self, seconds: float) -> bool:
        """True if so much of the budget is left."""
        return self.budget - self.spent >= seconds


@dataclass
class Results:
    """Rows measured so far, kept in a file after each, so that an early end loses none."""

    about: dict[str, Any]
    peak: float
    path: Path | None = None
    rows: list[Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def measure(self, tasks: Iterable[Task], clock: Clock) -> None:
        """Measure what there is time for, in order, printing the table as it grows."""
        print(f"{_COLUMNS}\n{_ALIGNED}", flush=True)
        for task in tasks:
            if not clock.has(task.seconds):
                self.left_out.append(f"{task.name} (takes some {task.seconds:.0f} s)")
                continue
            try:
                for row in task.rows():
                    self.rows.append(row)
                    print(row.line(self.peak), flush=True)
            except (RuntimeError, CheckpointError) as error:
                # One case that does not run, for want of memory or weights, should not cost the others.
                self.left_out.append(f"{task.name} (failed: {str(error).splitlines()[0]})")
            self.save()
        print(f"\n{clock.spent:.0f} s; left out: {'; '.join(self.left_out) or 'nothing'}", flush=True)
        self.save()

    def save(self) -> None:
        """Write everything to the file, if there is one."""
        if self.path is not None:
            content = {**self.about, "rows": [asdict(row) for row in self.rows], "left_out": self.left_out}
            self.path.write_text(json.dumps(content, indent=1) + "\n")
