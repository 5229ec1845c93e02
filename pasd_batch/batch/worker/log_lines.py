"""Log lines of a run: as text, or as JSON, each with the run, shard, photo and worker that it is about."""

import contextlib
import contextvars
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum

from pasd_batch.batch.worker.process_name import process_name
from pasd_batch.storage.printable import printable
from pasd_batch.storage.redaction import without_secrets

CONTEXT = ("run", "shard", "photo", "stage")
"""Keys that say what a line is about: the run's address, the shard's number, the photo's id (a list for photos that
are in the model together) and its stage; each is null where the line is about no one of these."""

_TEXT = "%(levelname)s %(name)s: %(message)s"
_TEXT_OF_JOB = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_context: contextvars.ContextVar[dict[str, object] | None] = contextvars.ContextVar("log context", default=None)


class LogFormat(StrEnum):
    """Format of log lines."""

    TEXT = "text"
    JSON = "json"


@contextlib.contextmanager
def log_context(**about: object) -> Iterator[None]:
    """Say what lines of this block are about, by keys of `CONTEXT`; on top of what is around it."""
    token = _context.set({**(_context.get() or {}), **about})
    try:
        yield
    finally:
        _context.reset(token)


class PrintableFormatter(logging.Formatter):
    """Log lines as `printable` text, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and a traceback where there is one; names with line ends in them begin no line of their own."""
        return printable(without_secrets(super().format(record))).replace("\n", "\n    ")


class JsonFormatter(logging.Formatter):
    """A JSON object a line, with the same keys in every one, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """The object, its traceback among it where there is one."""
        about = _context.get() or {}
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: about.get(name) for name in CONTEXT},
            "worker": process_name(),
            "error": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return json.dumps({name: _without_secrets(value) for name, value in line.items()})


def log_as(log_format: LogFormat, *, verbose: bool = False, of_job: bool = False) -> None:
    """Write this process's log to the error stream in a format, in place of what it was written by before.

    In JSON the run's own lines are there from INFO on, so that its progress is among them; in text where it is
    `verbose`, or `of_job`.
    """
    handler, as_json = logging.StreamHandler(sys.stderr), log_format is LogFormat.JSON
    handler.setFormatter(JsonFormatter() if as_json else PrintableFormatter(_TEXT_OF_JOB if of_job else _TEXT))
    logging.basicConfig(level=logging.INFO if verbose or of_job else logging.WARNING, handlers=[handler], force=as_json)
    if as_json:
        logging.getLogger("pasd_batch").setLevel(logging.INFO)


def log_format_in_use() -> LogFormat:
    """Format that `log_as` has set in this process."""
    as_json = any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers)
    return LogFormat.JSON if as_json else LogFormat.TEXT


def tell(text: str, *, failed: bool = True) -> None:
    """Write a message for whoever started this process, as a line of the log where that is JSON."""
    if log_format_in_use() is LogFormat.JSON:
        logging.getLogger("pasd_batch").log(logging.ERROR if failed else logging.INFO, "%s", text)
        return
    stream = sys.stderr if failed else sys.stdout
    stream.write(printable(f"{text}\n"))


def _without_secrets(value: object) -> object:
    match value:
        case str():
            return without_secrets(value)
        case list():
            return [_without_secrets(each) for each in value]
        case _:
            return value
