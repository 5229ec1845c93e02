"""Bars and lines of `pasd-batch restore`."""

import io
import logging
import sys

import pytest

from pasd_batch.batch.local.restoring import RestoreProgress
from pasd_batch.cli.restore_progress import ProgressBars


class Terminal(io.StringIO):
    def isatty(self):
        return True


def row(number: int, status: str = "ok", **values):
    return {"uri": f"/in/{number}.jpg", "page": None, "status": status, "warnings": [], "error_type": None} | values


WARNED = row(1, warnings=["a profile is ignored", "is\ndamaged"])
FAILED = row(2, "failed", error_type="CorruptPhoto", error_message="is no photo; fetch it again")
STEPS = [
    RestoreProgress(photos=3, loading=True),
    RestoreProgress(photos=3),
    RestoreProgress(photos=3, step=1 / 3, steps=2),
    RestoreProgress(photos=3, step=1, steps=2),
    RestoreProgress(photos=3, step=2, steps=2),
]
PROGRESS = [
    *STEPS,
    RestoreProgress(photos=3, done=1, restored=1, step=2, steps=2, row=WARNED),
    RestoreProgress(photos=3, done=2, restored=1, step=2, steps=2, row=FAILED),
    RestoreProgress(photos=3, done=2, restored=1, step=1, steps=2),
    RestoreProgress(photos=3, done=3, restored=2, step=2, steps=2, row=row(3)),
]
LINES = [
    "/in/1.jpg: warning: a profile is ignored",
    "/in/1.jpg: warning: is\\ndamaged",
    "/in/2.jpg: is no photo; fetch it again",
]


def shown(monkeypatch, stream: io.StringIO) -> tuple[ProgressBars, str]:
    monkeypatch.setattr(sys, "stderr", stream)
    with ProgressBars() as bars:
        for progress in PROGRESS:
            bars.show(progress)
    return bars, stream.getvalue()


def test_without_a_terminal_there_are_lines_alone(monkeypatch):
    bars, text = shown(monkeypatch, io.StringIO())
    assert text.splitlines() == LINES
    assert (bars.photos, bars.restored) == (3, 2)


def test_a_terminal_has_bars_over_photos_and_steps_and_whole_lines_between(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    terminal = Terminal()
    shown(monkeypatch, terminal)
    pieces = _lines_of(terminal)
    assert [piece.strip() for piece in pieces if piece.startswith("/in/")] == LINES
    assert any(piece.startswith("loading the model:") for piece in pieces)
    for about, counts in (("photos:", ("0/3", "1/3", "2/3", "3/3")), ("steps:", ("0.333/2", "1/2", "2/2"))):
        assert all(any(piece.startswith(about) and count in piece for piece in pieces) for count in counts)


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        ({"error_type": "MemoryError", "error_message": "64 GB"}, "/in/4.jpg: MemoryError: 64 GB"),
        ({"error_type": "MemoryError", "error_message": "MemoryError"}, "/in/4.jpg: MemoryError"),
        ({"error_type": "NotFound", "error_message": "/in/4.jpg: not there"}, "/in/4.jpg: not there"),
    ],
)
def test_a_failure_is_told_with_its_photo_once(monkeypatch, failure, line):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with ProgressBars() as bars:
        bars.show(RestoreProgress(photos=1, done=1, row=row(4, "failed", **failure)))
    assert sys.stderr.getvalue() == f"{line}\n"


def test_the_log_does_not_cut_through_bars(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler(terminal)])
    with ProgressBars() as bars:
        bars.show(STEPS[1])
        logging.getLogger("pasd_batch").warning("a line of the log")
    assert "a line of the log" in [line.strip() for line in _lines_of(terminal)]


def _lines_of(terminal: Terminal) -> list[str]:
    """Pieces between which the cursor goes to a line's start."""
    return terminal.getvalue().replace("\x1b[A", "").replace("\r", "\n").split("\n")
