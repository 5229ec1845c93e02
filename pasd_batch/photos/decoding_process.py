"""Isolated decoding: small photos in this process, all others in child processes that can be ended.

A decoder in a thread cannot be interrupted, nor its memory limited. So photos that may take long, are large, or have a
codec whose output the file's header does not limit, are decoded in a child process, which is ended at the deadline,
may allocate only what the header lets expect, and may crash without harm to this process.
"""

import contextlib
import os
import pickle
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import AvifImagePlugin

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.linked_process import LinkedProcess, link_back
from pasd_batch.photos.decode import decode_photo
from pasd_batch.photos.decoding_cost import DecodingCost, check_cost
from pasd_batch.photos.errors import DecoderCrashed, PhotoError, PhotoTooLarge, PhotoTooSlow
from pasd_batch.photos.photo import Photo

_TRIES = 2
"""Attempts, since a process may be killed for reasons other than the photo."""

_END_SECONDS = 1.0
_SPARE_SHARE = 0.5
_SPARE_BYTES = 256 << 20
_THREADS = 4
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class _Job:
    """A file to decode, its page, limits and cost."""

    data: bytes
    limits: DecodeLimits
    page: int | None
    cost: DecodingCost


class PhotoDecoder:
    """Decodes photos as `decode_photo` does; safe in threads. Its processes start when needed and stay for more."""

    def __init__(self) -> None:
        self._idle: list[LinkedProcess] = []
        self._lock = threading.Lock()

    def decode(
        self,
        data: bytes,
        *,
        limits: DecodeLimits,
        page: int | None = None,
        cost: DecodingCost | None = None,
        seconds: float | None = None,
    ) -> Photo:
        """Decode a photo, of a file with several the first or that of number `page`.

        It is as `decode_photo` has it, within limits and `seconds` (None: any); `cost` is what `check_cost` gives.

        Raises:
            PhotoError: as `decode_photo`, and `PhotoTooSlow` and `DecoderCrashed`.
            TimeoutError: it took more than `seconds`; decoding has ended.
        """
        cost = cost or check_cost(data, limits, page)
        if cost.is_small:
            return decode_photo(data, limits=limits, page=page)
        job = _Job(data, limits, page, cost)
        most = limits.max_decode_seconds
        if most is None or (seconds is not None and seconds < most):
            return self._decode_surely(job, seconds)
        try:
            return self._decode_surely(job, most)
        except TimeoutError:
            raise PhotoTooSlow(
                f"decoding {cost.width} x {cost.height} pixels took more than the limit of {most:g} s and was ended; "
                "raise limits.max_decode_seconds if the photo is meant to take that long, or save it anew"
            ) from None

    def _decode_surely(self, job: _Job, seconds: float | None) -> Photo:
        """Decode in a process of its own, and once again if that process dies."""
        deadline = None if seconds is None else time.monotonic() + seconds
        deaths = []
        while len(deaths) < _TRIES:
            try:
                return self._decode_apart(job, deadline)
            except ChildProcessError as death:
                deaths.append(str(death))
        raise DecoderCrashed(
            f"decoding it ended the decoder's process {_TRIES} times ({'; '.join(deaths)}); the file is damaged, "
            "or made to do that: fetch it again, or save it anew"
        )

    def _decode_apart(self, job: _Job, deadline: float | None) -> Photo:
        with self._lock:
            process = self._idle.pop() if self._idle else None
        process = process or LinkedProcess.start("pasd_batch.photos.decoding_process")
        try:
            answer = _answer(process, job, deadline)
        except (EOFError, ConnectionError):
            raise ChildProcessError(process.end(patience=_END_SECONDS)) from None
        except BaseException:
            process.end(patience=0.0)
            raise
        with self._lock:
            self._idle.append(process)
        if isinstance(answer, Exception):
            raise answer
        return answer


def main(descriptor: int) -> None:
    """Child process: answer every file with its photo or an error, until the parent ends."""
    connection, _ = link_back(descriptor)
    _use_few_threads()
    while True:
        try:
            limits, page, cost = connection.recv()
            answer = _decoded(_Job(connection.recv_bytes(), limits, page, cost))
        except EOFError:
            return
        buffers: list[pickle.PickleBuffer] = []
        connection.send_bytes(pickle.dumps(answer, protocol=5, buffer_callback=buffers.append))
        del answer
        connection.send([buffer.raw().nbytes for buffer in buffers])
        while buffers:  # each goes as soon as it is sent
            _send(connection, buffers.pop(0).raw())


def _answer(process: LinkedProcess, job: _Job, deadline: float | None) -> Any:
    """Receive the photo or the error; arrays are sent out of band of the pickle, without copies.

    Raises:
        TimeoutError: there was none until the deadline.
        EOFError, ConnectionError: the process ended.
    """
    connection = process.connection
    connection.send((job.limits, job.page, job.cost))
    connection.send_bytes(job.data)
    if not connection.poll(None if deadline is None else max(0.0, deadline - time.monotonic())):
        raise TimeoutError("decoding took too long and was ended")
    pickled = connection.recv_bytes()
    arrays = [np.empty(nbytes, dtype=np.uint8) for nbytes in connection.recv()]
    for array in arrays:
        _receive(connection, array)
    return pickle.loads(pickled, buffers=arrays)


def _send(connection: Connection, data: memoryview) -> None:
    while data:
        data = data[os.write(connection.fileno(), data) :]


def _receive(connection: Connection, array: np.ndarray) -> None:
    with socket.socket(fileno=os.dup(connection.fileno())) as stream:
        view = array.data
        while view:
            count = stream.recv_into(view)
            if not count:
                raise EOFError
            view = view[count:]


def _decoded(job: _Job) -> Photo | Exception:
    limits, cost = job.limits, job.cost
    expected, allowed = cost.nbytes + int(cost.nbytes * _SPARE_SHARE), limits.max_decoded_mib << 20
    most = min(expected, allowed) + _SPARE_BYTES
    try:
        with _memory_limited(most):
            return decode_photo(job.data, limits=limits, page=job.page)
    except MemoryError:
        return PhotoTooLarge(
            f"decoding it takes more than {most >> 20:,} MiB, though its header lets expect {cost.nbytes >> 20:,} at "
            f"most, and limits.max_decoded_mib is {limits.max_decoded_mib:,}; it is damaged, or made to fill memory: "
            "save it anew"
        )
    except PhotoError as error:
        return error
    except Exception as error:  # noqa: BLE001 (sent to the parent process, which may not have its type)
        return RuntimeError(f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def _memory_limited(nbytes: int) -> Iterator[None]:
    """Make allocations of more than `nbytes` beyond the present memory fail (Linux: RLIMIT_DATA, all private memory).

    RLIMIT_AS would not do: threads reserve much address space that they never use.
    """
    if not _STATUS.exists():
        yield
        return
    import resource  # not there on every system

    (used,) = (int(line.split()[1]) << 10 for line in _STATUS.read_text().splitlines() if line.startswith("VmData:"))
    before = resource.getrlimit(resource.RLIMIT_DATA)
    most = used + nbytes if before[1] == resource.RLIM_INFINITY else min(used + nbytes, before[1])
    resource.setrlimit(resource.RLIMIT_DATA, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _use_few_threads() -> None:
    # Each takes memory of its own, and there are as many by default as there are cores.
    AvifImagePlugin.DEFAULT_MAX_THREADS = _THREADS
    os.environ["TIFFFILE_NUM_THREADS"] = str(_THREADS)


if __name__ == "__main__":
    main(int(sys.argv[1]))
