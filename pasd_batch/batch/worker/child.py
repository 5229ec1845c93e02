"""A process that works on one photo at a time for a parent that survives it: both sides of it."""

import contextlib
import sys
from typing import Any, Self

from pasd_batch.batch.worker.log_lines import LogFormat, log_as, log_context
from pasd_batch.batch.worker.pipeline import ModelsUnavailable, load_pipeline
from pasd_batch.batch.worker.rows import Row
from pasd_batch.batch.worker.spec import WorkerSpec
from pasd_batch.config.run import DeadlineSettings
from pasd_batch.errors import TroubleAroundPhotos
from pasd_batch.linked_process import LinkedProcess, link_back
from pasd_batch.records import PhotoRecord, WorkOrigin
from pasd_batch.storage.storage import StorageError, redact_uri

_START_TRIES = 3
_END_SECONDS = 10.0
_PATIENCE = 8.0
_SLACK_SECONDS = 600.0


class ChildDied(Exception):
    """The child ended, or had to be ended, before it had an answer."""


class ChildUnavailable(TroubleAroundPhotos):
    """No child gets as far as being ready for a photo; the photos are not to blame."""


class ChildProcess:
    """The parent's side: a child that is started when it is needed, and again after it died."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._process: LinkedProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def make_ready(self) -> None:
        """Have a child that has its models loaded and waits for a photo.

        Raises:
            ChildUnavailable: it cannot be had.
        """
        deaths = []
        while self._process is None and len(deaths) < _START_TRIES:
            self._process = LinkedProcess.start("pasd_batch.batch.worker.child", self._spec)
            try:
                self._answer(None)
            except ChildDied as death:
                deaths.append(str(death))
        if self._process is None:
            raise ChildUnavailable(f"a process for single photos ended while it started: {'; '.join(deaths)}")

    def run(self, record: PhotoRecord, origin: WorkOrigin) -> Row:
        """The row of one photo; `make_ready` comes first.

        Raises:
            ChildDied: the child did not survive the photo.
            StorageError: the run's own storage is in trouble.
        """
        assert self._process is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # then there is no answer either
            self._process.connection.send((record, origin))
        return self._answer(_patience(self._spec.settings.deadlines))

    def _answer(self, seconds: float | None) -> Any:
        assert self._process is not None
        connection = self._process.connection
        try:
            answer = connection.recv() if connection.poll(seconds) else None
        except (EOFError, ConnectionResetError):
            answer = None
        if answer is None:
            raise ChildDied(self._end())
        kind, content = answer
        if kind == "unavailable":
            self._end()
            raise ChildUnavailable(content)
        if kind == "storage":
            raise content
        return content

    def _end(self) -> str:
        """Let the child go, by force if need be; how it ended."""
        process, self._process = self._process, None
        return "it was not running" if process is None else process.end(patience=_END_SECONDS)


def main(descriptor: int) -> None:
    """The child's side: loads the models, then answers with a row for every photo, until the parent goes away."""
    connection, spec = link_back(descriptor)
    if spec.logs_json:
        log_as(LogFormat.JSON)
    try:
        pipeline = load_pipeline(spec)
    except ModelsUnavailable as error:
        connection.send(("unavailable", str(error)))
        return
    connection.send(("ready", None))
    while True:
        try:
            record, origin = connection.recv()
        except EOFError:
            return
        try:
            with log_context(run=redact_uri(spec.settings.output.root), shard=origin.shard):
                connection.send(("row", pipeline.run([record], origin, lambda _: None)[0]))
        except StorageError as error:
            connection.send(("storage", error))


def _patience(deadlines: DeadlineSettings) -> float | None:
    """Seconds after which a child is stuck that should have ended itself long before."""
    every = (deadlines.fetch, deadlines.restore, deadlines.store)
    given = [seconds for seconds in every if seconds is not None]
    return sum(given) * _PATIENCE + _SLACK_SECONDS if len(given) == len(every) else None


if __name__ == "__main__":
    main(int(sys.argv[1]))
