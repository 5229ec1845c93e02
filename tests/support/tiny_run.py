"""A small complete run, and ways to damage it; no Ray."""

import dataclasses
import json
from pathlib import Path

import pyarrow.parquet as pq
from photo_archive import picture, record, settings, spec, store_photos, write_plan
from tiny_models import TinyScorer, fingerprint

from pasd_batch.batch.driver.repair import Repair
from pasd_batch.batch.worker.shard_worker import ShardState, ShardWorker
from pasd_batch.config.storage import StorageSettings
from pasd_batch.runs.layout import IMAGES_FOLDER, RESULTS_FOLDER, RUN_FILE, shard_file_name
from pasd_batch.runs.run_file import describe_run, read_run
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.runs.summary import summarize
from pasd_batch.runs.verification import Verifier

PHOTOS, SHARD_SIZE = 12, 4
MISSING_PHOTO = 6


class TinyRun:
    """A complete run of twelve photos in three shards, of which one failed, and what it was when it was made."""

    def __init__(self, folder: Path, images: str = "files", **changes) -> None:
        self.root = folder / "run"
        names = [f"{number:02d}.png" for number in range(PHOTOS)]
        store_photos(
            folder / "in", {name: picture(number) for number, name in enumerate(names) if number != MISSING_PHOTO}
        )
        records = [record(folder / "in" / name) for name in names]
        write_plan(self.root, records, SHARD_SIZE)
        output = {"images": images} | changes.pop("output", {})
        self.settings = settings(self.root, folder / "in.parquet", shard_size=SHARD_SIZE, output=output, **changes)
        self.folder = RunFolder.open(str(self.root), StorageSettings())
        described = describe_run(
            self.settings,
            manifest_fingerprint="m" * 64,
            photos=PHOTOS,
            model_fingerprint=fingerprint(self.settings),
            score_columns=TinyScorer.columns,
        )
        storage = self.folder.storage
        storage.create(RUN_FILE, json.dumps(dataclasses.asdict(described)).encode())
        self.finish()
        self.files, self.rows = self.stored(), self.table().to_pylist()

    def run_file(self):
        found = read_run(self.folder.storage)
        assert found is not None
        return found

    def finish(self) -> None:
        """What the driver does: pending shards, then the summary."""
        run_file = self.run_file()
        worker = ShardWorker(dataclasses.replace(spec(self.settings), provenance=run_file.provenance))
        for shard in range(run_file.shards):
            outcome = worker.run(shard)
            assert outcome.state in (ShardState.COMMITTED, ShardState.COMMITTED_BEFORE), outcome
        summarize(self.folder, run_file)

    def verify(self, **options):
        return Verifier(self.folder, self.run_file(), **options).verify()

    def take_out(self) -> Repair:
        repair = Repair(self.folder, passes=self.settings.stored_passes)
        self.verify(on_shard=repair.take_out)
        return repair

    def table(self):
        return pq.read_table(self.root / RESULTS_FOLDER)

    def stored(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.root / IMAGES_FOLDER).rglob("*.png")}


def flip(path: Path, at: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 1
    path.write_bytes(bytes(data))


def flip_page(path: Path) -> None:
    """Flip a bit of what a Parquet file's page holds of the first column."""
    column = pq.read_metadata(path).row_group(0).column(0)
    start = column.dictionary_page_offset or column.data_page_offset
    data = bytearray(path.read_bytes())
    data[start + column.total_compressed_size - 1] ^= 1
    path.write_bytes(bytes(data))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def still_decodes(path: Path) -> None:
    """Another photo of the same size: a look at the pixels would not tell."""
    path.write_bytes((path.parent / f"{(int(path.stem) + 3) % 12:02d}.png").read_bytes())


def shard_file(folder: str, number: int) -> str:
    return f"{folder}/{shard_file_name(number)}"


def same_rows(before, after, but=frozenset()) -> None:
    """Rows are equal to the last bit, but for those that were done again, whose photos are."""
    assert len(before) == len(after) == PHOTOS
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        if number in but:
            assert new["finished_at"] > old["finished_at"]
            assert (new["status"], new["output_sha256"]) == (old["status"], old["output_sha256"])
        else:
            assert old == new
