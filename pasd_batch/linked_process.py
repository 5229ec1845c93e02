"""A process that works for this one, and the link between them: how both sides begin and end.

They talk over a socket pair, not over standard output, into which native libraries write. The other process goes when
this one does, and is the first to go when memory runs out.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

_ORPHAN_CHECK_SECONDS = 0.5


@dataclass
class LinkedProcess:
    """The side that starts the other one; `connection` carries picklable messages."""

    connection: Connection
    _process: "subprocess.Popen[bytes]"

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @classmethod
    def start(cls, module: str, first_message: Any = None) -> Self:
        """Run `python -m MODULE DESCRIPTOR`; there `link_back` gives the connection and the first message."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=sys.__stderr__.fileno() if sys.__stderr__ else None,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                start_new_session=True,  # an interrupt from the keyboard is for the first process alone
            )
        connection = Connection(ours.detach())
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # then there is no answer either
            connection.send((os.getpid(), first_message))
        return cls(connection, process)

    def end(self, *, patience: float) -> str:
        """Close the connection and wait `patience` seconds for the process, then kill it; how it ended."""
        self.connection.close()
        try:
            code = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return "it did not answer and was killed"
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def link_back(descriptor: int) -> tuple[Connection, Any]:
    """The started side's connection and the first message; from now on it ends when the other side does."""
    connection = Connection(descriptor)
    parent, first_message = connection.recv()
    threading.Thread(target=end_with_parent, args=(parent,), daemon=True).start()
    _be_first_out_of_memory()
    return connection, first_message


def end_with_parent(parent: int) -> None:
    """End this process when process `parent`, which started it, is gone; for a thread of its own."""
    while os.getppid() == parent:
        time.sleep(_ORPHAN_CHECK_SECONDS)
    os._exit(1)


def _be_first_out_of_memory() -> None:
    # When memory runs out the kernel should end this process, not the one that watches it.
    preference = Path("/proc/self/oom_score_adj")
    if preference.exists():
        with contextlib.suppress(PermissionError):
            preference.write_text("1000")
