"""A shard that keeps ending its process, taken apart: each photo in a child process, so that only the culprit fails.

Every photo leaves its trace in storage: a start before it is tried, a death if the child died of it, its row when
it is done. So this too can be killed and resumed anywhere, does no photo twice, and comes to an end.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from pasd_batch.batch.worker.child import ChildDied, ChildProcess
from pasd_batch.batch.worker.log_lines import log_context
from pasd_batch.batch.worker.pipeline import RowListener
from pasd_batch.batch.worker.rows import Row, RowWriter
from pasd_batch.batch.worker.spec import WorkerSpec
from pasd_batch.errors import TroubleAroundPhotos
from pasd_batch.records import PhotoFailure, PhotoRecord, Stage, WorkOrigin
from pasd_batch.runs.damage import RunDamaged, parsing
from pasd_batch.runs.layout import deaths_folder, isolated_row_path, starts_folder
from pasd_batch.runs.ledger import AttemptLedger
from pasd_batch.runs.row_file import encode_rows, read_rows
from pasd_batch.storage.storage import AlreadyExists, NotFound, Storage

_logger = logging.getLogger(__name__)

STARTS_PER_DEATH = 4
"""A photo also fails after this many times `max_attempts` starts without an end, which took its worker with it.

More than the deaths of a child that its worker survived, because those are the photo's doing, and these may be
anybody's: a driver that was killed, a node that was taken away.
"""


@dataclass(frozen=True)
class IsolatedShard:
    """One shard's photos, one by one in child processes; `storage` is the run's."""

    spec: WorkerSpec
    storage: Storage
    shard: int

    def run(self, records: Sequence[PhotoRecord], origin: WorkOrigin, listener: RowListener) -> list[Row]:
        """The rows of all `records`, in their order.

        Raises:
            ChildUnavailable: no child process gets as far as a photo.
            StorageError: the run's own storage is in trouble.
        """
        rows: list[Row] = []
        with ChildProcess(self.spec) as child:
            for record in records:
                with log_context(photo=record.photo_id):
                    row = self._kept_row(record) or self._keep(record, self._row(child, record, origin))
                rows.append(row)
                listener(row)
        return rows

    def _row(self, child: ChildProcess, record: PhotoRecord, origin: WorkOrigin) -> Row:
        starts = AttemptLedger(self.storage, starts_folder(self.shard, record.row))
        deaths = AttemptLedger(self.storage, deaths_folder(self.shard, record.row))
        most = self.spec.settings.max_attempts
        last = "interrupted"
        while True:
            died, started = len(deaths.numbers()), len(starts.numbers())
            if died >= most or started >= most * STARTS_PER_DEATH:
                return self._culprit(record, origin, died or started, last)
            child.make_ready()
            start = starts.begin(origin.worker)
            try:
                return child.run(record, origin)
            except ChildDied as death:
                _logger.warning("photo %s ended its process: %s", record.photo_id, death)
                deaths.begin(f"{origin.worker}: {death}")
                last = str(death)
            except TroubleAroundPhotos:
                # The child is well and the photo is not to blame, so this start must not count against it.
                starts.withdraw(start.number)
                raise

    def _culprit(self, record: PhotoRecord, origin: WorkOrigin, times: int, last: str) -> Row:
        message = (
            f"a process that worked on this photo alone ended {times} times before it was done "
            f"(last: {last}); look at the file, or give workers more memory"
        )
        failure = PhotoFailure(Stage.PROCESS, "ProcessDied", message)
        writer = RowWriter(self.spec, origin)
        return writer.end(writer.begin(record), failure)

    def _kept_row(self, record: PhotoRecord) -> Row | None:
        path = isolated_row_path(self.shard, record.row)
        try:
            with parsing(self.storage, path):
                (row,) = read_rows(self.storage, path)
        except NotFound:
            return None
        except RunDamaged as error:
            _logger.warning("%s; the photo is done again", error)
            self.storage.delete(path)
            return None
        return row

    def _keep(self, record: PhotoRecord, row: Row) -> Row:
        try:
            self.storage.create(isolated_row_path(self.shard, record.row), encode_rows([row], self.spec.schema))
        except AlreadyExists:
            _logger.info("photo %s was done by another attempt at the same time", record.photo_id)
        return row
