"""The error stream of a driver: Python's lines straight to it, those of native code through its parent, who sifts them.

Ray's core writes some lines of level ERROR on file descriptor 2 of a healthy driver, and knows no way to leave out one.
"""

import logging
import os
import select
import sys
import threading
from types import TracebackType
from typing import Self

_HARMLESS = (
    # Of every pool of actors that Ray Data restarts. The arguments live as long as the driver, who holds them.
    b"has constructor arguments in the object store and max_restarts > 0",
)

_LOOK_SECONDS = 0.1
_MOST_AT_ONCE = 1 << 16


def take_error_stream(descriptor: int) -> None:
    """In the child: let Python write to this descriptor instead of 2, which native code keeps."""
    os.set_inheritable(descriptor, False)
    before = sys.stderr
    # Open until the process ends.
    sys.stderr = os.fdopen(descriptor, "w", encoding=before.encoding, errors="backslashreplace", buffering=1)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is before:
            handler.setStream(sys.stderr)


class NativeLines:
    """In the parent: what comes out of the child's descriptor 2, on to the parent's own, but for harmless lines."""

    def __init__(self) -> None:
        self._out_of, self.into = os.pipe()
        self._thread = threading.Thread(target=self._pass_on, daemon=True, name="native lines")
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()
        os.close(self._out_of)

    def begin(self) -> None:
        """Pass lines on, now that the child has the other end."""
        os.close(self.into)
        self._thread.start()

    def _pass_on(self) -> None:
        """Until the other end is closed; or the child has ended, though children of its own still hold that end."""
        begun = b""
        while True:
            ready, _, _ = select.select([self._out_of], [], [], _LOOK_SECONDS)
            if not ready and self._ended.is_set():
                break
            if not ready:
                continue
            data = os.read(self._out_of, _MOST_AT_ONCE)
            if not data:
                break
            whole, end, begun = (begun + data).rpartition(b"\n")
            _write((whole + end).splitlines(keepends=True))
        _write([begun])


def _write(lines: list[bytes]) -> None:
    for line in lines:
        if line and not any(text in line for text in _HARMLESS):
            os.write(2, line)
