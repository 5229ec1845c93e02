"""The report of a run: a summary page and a contact sheet beside its results."""

import io
import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.config.storage import StorageSettings
from pasd_batch.errors import PasdBatchError
from pasd_batch.manifests.allowed_folders import refuse_outside
from pasd_batch.photos.photo_io import PhotoDecoder, decode_photo
from pasd_batch.records import Status
from pasd_batch.report.render import SheetPhoto, contact_sheet, shrunk
from pasd_batch.report.score_pairs import score_pairs
from pasd_batch.report.summary import collect, to_markdown
from pasd_batch.runs.damage import damaged, parsing, read_json
from pasd_batch.runs.layout import REPORT_PAGE, REPORT_SHEET, RUN_FILE, image_path, plan_path, result_path
from pasd_batch.runs.plan_key import key_of_run
from pasd_batch.runs.run_folder import RunFolder, open_run
from pasd_batch.storage.local_files import LocalFiles
from pasd_batch.storage.reading import read_uri
from pasd_batch.storage.sealing import has_sealed, unsealed
from pasd_batch.storage.storage import NotFound, Storage

_logger = logging.getLogger(__name__)

_COLUMNS = (
    "photo_id",
    "status",
    "output_path",
    "output_uri",
    "input_width",
    "input_height",
    "output_width",
    "output_height",
    "scores",
)


def write_report(
    run: str, access: StorageSettings, *, photos: int = 12, limits: DecodeLimits | None = None
) -> list[str]:
    """Write the report of the run at `run` from what is committed so far; the URIs of what was written.

    The contact sheet has up to `photos` photos, spread evenly over the run, and is left out where no photo was
    restored or none is wanted.

    Raises:
        ValueError: `photos` is below 0.
        NotFound: there is no run.
        StorageError: the run cannot be read or the report not be written.
    """
    if photos < 0:
        raise ValueError(f"{photos} photos on the sheet: give 0 or more")
    folder = open_run(run, access)
    storage = folder.storage
    page = to_markdown(collect(folder), title=f"Run {storage.uri()}", planned=_planned_photos(storage))
    written = [REPORT_PAGE]
    storage.write(REPORT_PAGE, page.encode())
    chosen = sorted(_sheet_photos(folder, photos, limits or DecodeLimits()), key=lambda photo: photo.name)
    if chosen:
        buffer = io.BytesIO()
        contact_sheet(chosen, title=f"{storage.uri()}: before and after").save(buffer, "PNG", optimize=True)
        storage.write(REPORT_SHEET, buffer.getvalue())
        written.append(REPORT_SHEET)
    return [storage.uri(path) for path in written]


def _planned_photos(storage: Storage) -> int:
    values = read_json(storage, RUN_FILE)
    with parsing(storage, RUN_FILE):
        return int(values["photos"])


def _sheet_photos(folder: RunFolder, wanted: int, limits: DecodeLimits) -> Iterator[SheetPhoto]:
    """Restored photos spread evenly over the committed shards, as many as wanted; each shard is looked at once."""
    shards = folder.committed() if wanted else []
    missing = wanted
    for visited, shard in enumerate(_spread(shards)):
        every = folder.shard_rows(shard, _COLUMNS).to_pylist()
        rows = [row for row in every if row["status"] == Status.OK and row["output_path"]]
        share = -(-missing // (len(shards) - visited))
        for row in _spread(rows)[:share]:
            photo = _load(row, shard, folder, limits)
            if photo is not None:
                missing -= 1
                yield photo
            if missing == 0:
                return


def _spread(items: list[Any]) -> list[Any]:
    """All items in an order whose every beginning is spread over the whole: first, middle, quarters, eighths ..."""
    order = sorted(range(len(items)), key=lambda index: _reversed_bits(index, max(1, len(items) - 1).bit_length()))
    return [items[index] for index in order]


def _reversed_bits(number: int, bits: int) -> int:
    return int(format(number, f"0{bits}b")[::-1], 2)


def _load(row: Mapping[str, Any], shard: int, folder: RunFolder, limits: DecodeLimits) -> SheetPhoto | None:
    """The photo before and after; None, with a warning, if either is not to be had any more."""
    # A run folder of this machine is trusted with the photos that its plan names, as a local manifest's owner is.
    local = isinstance(folder.storage.files, LocalFiles)
    access = folder.storage_settings.with_folders({os.sep} if local else ())
    try:
        uri = _planned_uri(folder, shard, row["photo_id"])
        refuse_outside(uri, access)
        source = read_uri(uri, access, max_bytes=limits.max_bytes)
        before = PhotoDecoder().decode(source, limits=limits)
        restored = _restored_bytes(row, shard, folder)
        size = {"width": row["output_width"], "height": row["output_height"]}
        after = decode_photo(restored, limits=DecodeLimits.for_result(**size, nbytes=len(restored)))
    except PasdBatchError as error:
        _logger.warning("%s is not on the contact sheet: %s", row["photo_id"], error)
        return None
    sizes = f"{row['input_width']} x {row['input_height']} to {row['output_width']} x {row['output_height']} pixels"
    scores = _score_line(row.get("scores") or {})
    notes = tuple(line for line in (sizes, scores) if line)
    # A dozen large photos at full size are more than a small machine's memory.
    return shrunk(SheetPhoto(row["output_path"], (before.as_seen(), after.as_seen()), notes))


def _score_line(scores: Mapping[str, float | None]) -> str:
    """All scores in one line, those before and after as a pair."""
    pairs = score_pairs(scores)
    parts = []
    for metric, (before, after) in pairs.items():
        first, second = scores[before], scores[after]
        if first is not None and second is not None:
            parts.append(f"{metric} {first:.3g} to {second:.3g}")
    paired = {name for names in pairs.values() for name in names}
    parts += [f"{name} {value:.3g}" for name, value in scores.items() if name not in paired and value is not None]
    return ", ".join(parts)


def _planned_uri(folder: RunFolder, shard: int, photo_id: str) -> str:
    """The photo's URI from the plan: results have it without the secrets that fetching it may need."""
    planned = folder.plan(shard)
    row = planned.filter(pa.array([identity == photo_id for identity in planned["photo_id"].to_pylist()], pa.bool_()))
    if row.num_rows:
        return (unsealed(row, key_of_run(folder)) if has_sealed(row) else row)["uri"][0].as_py()
    raise damaged(folder.storage, plan_path(shard), f"does not plan {photo_id}, of which there is a row")


def _restored_bytes(row: Mapping[str, Any], shard: int, folder: RunFolder) -> bytes:
    if row["output_uri"] is not None:
        return folder.storage.read(image_path(row["output_path"]))
    for table in folder.shard_tables(shard, ["image"], pc.field("photo_id") == row["photo_id"]):
        if table.num_rows:
            return table["image"][0].as_py()["bytes"]
    raise NotFound(f"{result_path(shard)} has no image of {row['photo_id']}")
