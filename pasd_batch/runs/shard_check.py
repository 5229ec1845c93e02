"""One shard of a run looked at as it lies in storage: its plan, its rows, and the photos that the rows describe."""

import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pasd_batch.records import Status
from pasd_batch.runs.damage import RunDamaged
from pasd_batch.runs.layout import plan_path, result_files, result_path
from pasd_batch.runs.run_file import RunFile
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.runs.shard_findings import ProblemKind, ShardFindings
from pasd_batch.runs.summary import expected_photos
from pasd_batch.storage.errors import translated
from pasd_batch.storage.reading import open_for_reading
from pasd_batch.storage.storage import NotFound, StorageError, redact_uri

_COLUMNS = [
    "photo_id",
    "shard",
    "status",
    "output_path",
    "output_uri",
    "output_sha256",
    "output_bytes",
    "passes",
    "config_fingerprint",
    "manifest_fingerprint",
    "model_fingerprint",
]
_BATCH_ROWS = 64
_CHUNK = 1 << 20


@dataclass(frozen=True)
class ShardCheck:
    """Looks at shards of a run; safe in threads. Without `hashes` photos are looked for, and their sizes compared."""

    folder: RunFolder
    run: RunFile
    committed: frozenset[int]
    hashes: bool = True

    def check(self, shard: int) -> ShardFindings:
        """All that is wrong with a shard.

        Raises:
            StorageError: the storage is in trouble, so that nothing can be told.
        """
        found = ShardFindings(shard, expected_photos(self.run, shard))
        self._check_plan(found)
        if shard not in self.committed:
            found.add(ProblemKind.RESULTS_MISSING, result_path(shard), "not done yet, or lost")
            found.stored_paths = self._files_of_plan(found)
            return found
        try:
            self._check_rows(found)
        except (NotFound, RunDamaged) as error:
            _not_trouble(error)
            found.problems = [problem for problem in found.problems if problem.photo_id is None]
            found.bad_rows.clear()
            found.stored_paths = self._files_of_plan(found)
            found.add(ProblemKind.RESULTS_DAMAGED, result_path(shard), _told(error))
        return found

    def _files_of_plan(self, found: ShardFindings) -> list[str]:
        passes = self.run.stored_passes
        return [path for planned in found.planned_paths for path in result_files(planned, passes)]

    def _check_plan(self, found: ShardFindings) -> None:
        path = plan_path(found.shard)
        try:
            plan = self.folder.plan(found.shard)
        except NotFound:
            found.add(ProblemKind.PLAN_MISSING, path)
            return
        except StorageError as error:
            _not_trouble(error)
            found.add(ProblemKind.PLAN_DAMAGED, path, _told(error))
            return
        if plan.num_rows != found.photos:
            found.add(ProblemKind.PLAN_DAMAGED, path, f"{plan.num_rows:,} photos instead of {found.photos:,}")
            return
        found.planned_ids = plan["photo_id"].to_pylist()
        found.planned_paths = plan["output_path"].to_pylist()

    def _check_rows(self, found: ShardFindings) -> None:
        rows = 0
        for place, row, image in self._rows(found.shard):
            self._refuse_stranger(row, place, found.shard)
            self._compare_with_plan(row, place, found)
            rows += 1
            if row["status"] != Status.OK:
                found.failed += 1
                continue
            if row["output_bytes"] is None or row["output_sha256"] is None:
                raise RunDamaged(f"row {place + 1} does not tell its photo's size and SHA-256")
            if row["output_uri"] is not None:
                self._check_files(row, place, found)
            if image is not None:
                self._check_image(row, image, place, found)
        if rows != found.photos:
            raise RunDamaged(f"{rows:,} rows instead of {found.photos:,}")

    def _rows(self, shard: int) -> Iterator[tuple[int, Mapping[str, Any], bytes | None]]:
        """Place, row and embedded image of each row; every column is read, so that damage anywhere shows."""
        place = 0
        for table in self.folder.shard_tables(shard):
            for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
                images = batch.column("image") if "image" in batch.schema.names else None
                for at, row in enumerate(batch.select(_COLUMNS).to_pylist()):
                    image = None if images is None else images[at].as_py()
                    yield place, row, image["bytes"] if image else None
                    place += 1

    def _refuse_stranger(self, row: Mapping[str, Any], place: int, shard: int) -> None:
        if row["shard"] != shard:
            raise RunDamaged(f"row {place + 1} is of shard {row['shard']}")
        provenance = self.run.provenance
        for name in ("config_fingerprint", "manifest_fingerprint", "model_fingerprint"):
            if row[name] != getattr(provenance, name):
                raise RunDamaged(f"row {place + 1} is of another run: {name} {row[name]}")

    def _compare_with_plan(self, row: Mapping[str, Any], place: int, found: ShardFindings) -> None:
        """Rows tell their shard and their run; so where their photos are not the plan's, the plan is wrong."""
        if not found.planned_ids or place >= found.photos:
            return
        known, path = found.planned_ids[place], found.planned_paths[place]
        if row["photo_id"] != known or row["output_path"] not in (None, path):
            detail = f"photo {place + 1} is {known!r} ({path}), and the one that was done {row['photo_id']!r}"
            found.add(ProblemKind.PLAN_DAMAGED, plan_path(found.shard), detail)
            found.planned_ids, found.planned_paths = [], []

    def _check_files(self, row: Mapping[str, Any], place: int, found: ShardFindings) -> None:
        earlier = [(each["bytes"], each["sha256"]) for each in row.get("passes") or ()]
        told = [(row["output_bytes"], row["output_sha256"]), *earlier]
        for path, (size, sha256) in zip(result_files(row["output_path"], len(earlier)), told, strict=True):
            found.stored_paths.append(path)
            self._check_file(path, size, sha256, row, place, found)

    def _check_file(
        self, path: str, size_told: int, sha256: str, row: Mapping[str, Any], place: int, found: ShardFindings
    ) -> None:
        uri = self.folder.storage.uri(path)
        try:
            size, digest = translated(lambda: redact_uri(uri), lambda: self._size_and_hash(uri, size_told))
        except NotFound:
            self._add_photo(ProblemKind.PHOTO_MISSING, path, "", row, place, found)
            return
        except StorageError as error:
            _not_trouble(error)
            self._add_photo(ProblemKind.PHOTO_DAMAGED, path, str(error), row, place, found)
            return
        found.bytes_read += size if digest else 0
        problem = _difference(size, digest or sha256, size_told, sha256)
        if problem:
            self._add_photo(ProblemKind.PHOTO_DAMAGED, path, problem, row, place, found)

    def _size_and_hash(self, uri: str, expected: int) -> tuple[int, str | None]:
        """The file's size, and its SHA-256 unless its size is wrong already or hashes are not wanted."""
        with open_for_reading(uri, self.folder.storage_settings) as file:
            size = file.seek(0, io.SEEK_END)
            if not self.hashes or size != expected:
                return size, None
            file.seek(0)
            digest = hashlib.sha256()
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
            return size, digest.hexdigest()

    def _check_image(self, row: Mapping[str, Any], image: bytes, place: int, found: ShardFindings) -> None:
        found.bytes_read += len(image)
        digest = hashlib.sha256(image).hexdigest()
        problem = _difference(len(image), digest, row["output_bytes"], row["output_sha256"])
        if problem:
            self._add_photo(ProblemKind.PHOTO_DAMAGED, result_path(found.shard), problem, row, place, found)

    def _add_photo(
        self, kind: ProblemKind, path: str, detail: str, row: Mapping[str, Any], place: int, found: ShardFindings
    ) -> None:
        found.add(kind, path, detail, row["photo_id"])
        if place not in found.bad_rows:
            found.bad_rows.append(place)


def _difference(size: int, digest: str, size_told: int, digest_told: str) -> str:
    if size != size_told:
        return f"{size:,} bytes instead of {size_told:,}"
    return "" if digest == digest_told else "other bytes than were stored (SHA-256)"


def _told(error: StorageError) -> str:
    """Fault, without the file's name and the remedy, which are said anyway."""
    return error.problem if isinstance(error, RunDamaged) else str(error)


def _not_trouble(error: StorageError) -> None:
    """Raise what says that storage is in trouble, and nothing of the file: it may be whole."""
    if not isinstance(error, RunDamaged | NotFound) and type(error) is not StorageError:
        raise error
