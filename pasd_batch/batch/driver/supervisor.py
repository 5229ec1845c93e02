"""A driver as a child process, so that its exit code is true however it ends.

Native code may end a driver: Ray's core worker exits with code 1, which says that every photo has its row, as soon as
the raylet of its machine dies. So a driver has an exit code only if it also hands over its verdict, through a pipe.
The parent does nothing but wait and pass on signals; it is what can still answer to them while the child hangs.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from pasd_batch.batch.driver.error_stream import NativeLines, take_error_stream
from pasd_batch.batch.driver.interrupts import SAME_REQUEST_SECONDS, Interrupted, signals_as_interrupts
from pasd_batch.batch.worker.log_lines import tell
from pasd_batch.linked_process import end_with_parent

_VERDICT = "PASD_BATCH_VERDICT"
"""In the child's environment: descriptors of the pipe and of the error stream, and process id of the parent."""

_READY = b"\1"
"""First byte in the pipe: the child answers to signals from now on. Its exit code comes behind it."""

END_SECONDS = 60.0
"""Time that a driver may take to end in good order after a signal."""

_SIGNAL_CHECK_SECONDS = 0.5
_CODE_BYTES = 4


def supervised(work: Callable[[], int], *, lost: int, remedy: str) -> int:
    """Do `work` by this same program, with the same arguments, in a child process, and return its result.

    Call it from a program of its own, with nothing done before that may not be done twice.

    Args:
        work: the driver; run in the child only.
        lost: the exit code if the child ends without what `work` returns.
        remedy: what a person is told then, after what has happened.
    """
    told = os.environ.pop(_VERDICT, None)  # its own children are no drivers
    if told is None:
        return _Supervisor(lost, remedy).run()
    pipe, errors, parent = map(int, told.split(":"))
    os.set_inheritable(pipe, False)
    take_error_stream(errors)
    threading.Thread(target=end_with_parent, args=(parent,), daemon=True).start()
    ending = False

    def interrupt_before_the_end(number: int, _: FrameType | None) -> None:
        # A request that took two ways may come once more when there is nothing left that it could end.
        if not ending:
            raise Interrupted(number)

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, interrupt_before_the_end)
        os.write(pipe, _READY)
        with signals_as_interrupts():
            code = work()
            sys.stdout.flush()
            sys.stderr.flush()
            os.write(pipe, int(code).to_bytes(_CODE_BYTES))
            ending = True
    except Interrupted as interrupt:  # before `work` was ready for it; the parent says so
        ending = True
        return 128 + interrupt.number
    return code


class _Supervisor:
    """The parent's side."""

    def __init__(self, lost: int, remedy: str) -> None:
        self._lost = lost
        self._remedy = remedy
        self._process: subprocess.Popen[bytes] | None = None
        self._received = b""
        self._ours = -1
        self._signal: int | None = None
        self._signalled_at = 0.0

    def run(self) -> int:
        """Start the child, wait for its end, and say how it ended."""
        self._ours, theirs = os.pipe()
        os.set_blocking(self._ours, False)  # whoever inherited the other end may hold it after the child's end
        try:
            with self._passing_on_signals(), NativeLines() as native:
                ended = self._wait_for_child(theirs, native)
            verdict = self._receive().removeprefix(_READY)
            if len(verdict) == _CODE_BYTES:
                return int.from_bytes(verdict)
        finally:
            os.close(self._ours)
        return self._without_verdict(ended)

    def _receive(self) -> bytes:
        """All that the child has written until now."""
        with contextlib.suppress(BlockingIOError):
            self._received += os.read(self._ours, len(_READY) + _CODE_BYTES)
        return self._received

    def _wait_for_child(self, pipe: int, native: NativeLines) -> int:
        errors = os.dup(2)
        try:
            self._process = subprocess.Popen(
                [sys.executable, *sys.orig_argv[1:]],
                env=os.environ | {_VERDICT: f"{pipe}:{errors}:{os.getpid()}"},
                stdin=subprocess.DEVNULL,
                stderr=native.into,
                pass_fds=[pipe, errors],
                start_new_session=True,  # signals to the group come through the parent, once
            )
        finally:
            os.close(pipe)
            os.close(errors)
        native.begin()
        if self._signal is not None:
            self._tell_child(self._signal)
        while True:
            try:
                return self._process.wait(_SIGNAL_CHECK_SECONDS)
            except subprocess.TimeoutExpired:
                if self._signal is not None and time.monotonic() - self._signalled_at > END_SECONDS:
                    self._process.kill()

    @contextlib.contextmanager
    def _passing_on_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _pass_on(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if self._signal is None:
            self._signal, self._signalled_at = number, now
            if self._process is not None:
                self._tell_child(number)
        elif now - self._signalled_at > SAME_REQUEST_SECONDS and self._process is not None:
            self._process.kill()

    def _tell_child(self, number: int) -> None:
        """Pass a signal on; a child that has not begun is ended without a word, as Python would show a traceback."""
        if self._process is not None:
            self._process.send_signal(number if self._receive() else signal.SIGTERM)

    def _without_verdict(self, ended: int) -> int:
        if self._signal is not None:
            name = signal.Signals(self._signal).name
            tell(f"ended by {name}, before all was in good order; {self._remedy}")
            return 128 + self._signal
        if ended < 0:
            how = f"was ended by {signal.Signals(-ended).name}"
            cause = ", as the kernel does when memory runs out" if -ended == signal.SIGKILL else ""
        else:
            how = f"ended with code {ended} and no word"
            cause = ", as it does when the raylet dies, Ray's process on this machine"
        tell(f"the driver {how}{cause}; Ray's logs are in /tmp/ray/session_latest/logs; {self._remedy}")
        return self._lost
