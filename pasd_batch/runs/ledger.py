"""Attempts written down before the work starts, so that a crash leaves a trace: a crash counter on plain storage.

An attempt that never ended is indistinguishable from one that is still running. Counting it as a crash is safe:
what is done differently after many crashes (a process per photo) is slower, never wrong.
"""

import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from pasd_batch.runs.layout import attempts_folder
from pasd_batch.storage.storage import AlreadyExists, Storage


@dataclass(frozen=True)
class Attempt:
    """One try, numbered from 0; `earlier` other tries were begun before it and not withdrawn."""

    number: int
    earlier: int


@dataclass(frozen=True)
class AttemptLedger:
    """The attempts at one piece of work: one small file each in `folder` of `storage`."""

    storage: Storage
    folder: str

    @classmethod
    def of_shard(cls, storage: Storage, shard: int) -> "AttemptLedger":
        """The ledger of a shard."""
        return cls(storage, attempts_folder(shard))

    def numbers(self) -> list[int]:
        """Numbers of the attempts that were begun and not withdrawn."""
        pattern = re.compile(rf"{re.escape(self.folder)}/(\d+)")
        matches = (pattern.fullmatch(path) for path in self.storage.list(self.folder))
        return sorted(int(match.group(1)) for match in matches if match)

    def begin(self, who: str) -> Attempt:
        """Write down a new attempt by `who` and return it.

        Raises:
            StorageError: it could not be written down; the work must not start.
        """
        numbers = self.numbers()
        number = max(numbers, default=-1) + 1
        while True:
            try:
                self.storage.create(f"{self.folder}/{number}", _entry(who))
            except AlreadyExists:
                number += 1
            else:
                return Attempt(number, earlier=len(numbers))

    def withdraw(self, number: int) -> None:
        """Take an attempt back that ended in good order without a result, so that it does not count as a crash."""
        self.storage.delete(f"{self.folder}/{number}")


def _entry(who: str) -> bytes:
    # The token tells our own entry, written by a request whose answer was lost, from somebody else's.
    entry = {"worker": who, "started_at": datetime.now(UTC).isoformat(), "token": uuid.uuid4().hex}
    return json.dumps(entry).encode()
