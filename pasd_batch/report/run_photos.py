"""Photos of a run before and after, as reports show them."""

import logging
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.errors import PasdBatchError
from pasd_batch.manifests.allowed_folders import refuse_outside
from pasd_batch.manifests.file_pages import pages_of_rows
from pasd_batch.photos.photo_io import PhotoDecoder, decode_photo
from pasd_batch.report.render import SheetPhoto, shrunk
from pasd_batch.report.score_pairs import INPUT, score_pairs
from pasd_batch.runs.damage import damaged
from pasd_batch.runs.layout import image_path, plan_path, result_path
from pasd_batch.runs.plan_key import key_of_run
from pasd_batch.runs.run_file import RunFile
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.local_files import LocalFiles
from pasd_batch.storage.reading import read_uri
from pasd_batch.storage.sealing import has_sealed, unsealed
from pasd_batch.storage.storage import NotFound

_logger = logging.getLogger(__name__)

PHOTO_COLUMNS = (
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


def ground_of(about: RunFile) -> np.ndarray:
    """The ground that transparent photos of a run lie on in reports, before and after alike: float32 (3,), sRGB."""
    return np.asarray(about.background, np.float32) / 255.0


def load_photo(
    row: Mapping[str, Any], shard: int, folder: RunFolder, limits: DecodeLimits, ground: np.ndarray
) -> SheetPhoto | None:
    """A row's photo before and, in a run that restores, after; None, with a warning, if it is not to be had any more.

    `row` has `PHOTO_COLUMNS`.
    """
    try:
        pictures = [input_picture(row, shard, folder, limits, ground)]
        if row["output_path"] is not None:
            pictures.append(result_picture(row, shard, folder, ground))
    except PasdBatchError as error:
        _logger.warning("%s is not shown in the report: %s", row["photo_id"], error)
        return None
    sizes = f"{row['input_width']} x {row['input_height']}"
    if row["output_path"] is not None:
        sizes += f" to {row['output_width']} x {row['output_height']}"
    scores = _score_line(row.get("scores") or {})
    notes = tuple(line for line in (f"{sizes} pixels", scores) if line)
    # A dozen large photos at full size are more than a small machine's memory.
    return shrunk(SheetPhoto(row["output_path"] or row["photo_id"], tuple(pictures), notes))


def input_picture(
    row: Mapping[str, Any], shard: int, folder: RunFolder, limits: DecodeLimits, ground: np.ndarray
) -> np.ndarray:
    """The photo of a row as it came, over `ground` where it is transparent, float32 (height, width, 3), sRGB in [0, 1].

    Raises:
        PasdBatchError: it is not to be had any more, or may not be opened.
    """
    # A run folder of this machine is trusted with the photos that its plan names, as a local manifest's owner is.
    local = isinstance(folder.storage.files, LocalFiles)
    storage_settings = folder.storage_settings.with_folders({os.sep} if local else ())
    uri, page = _planned(folder, shard, row["photo_id"])
    refuse_outside(uri, storage_settings)
    source = read_uri(uri, storage_settings, max_bytes=limits.max_bytes)
    return PhotoDecoder().decode(source, limits=limits, page=page).composited(ground)


def result_picture(row: Mapping[str, Any], shard: int, folder: RunFolder, ground: np.ndarray) -> np.ndarray:
    """The restored photo of a row that has one, over `ground` where it is transparent, as `input_picture` has it.

    Raises:
        PasdBatchError: it is not there any more, or damaged.
    """
    restored = _restored_bytes(row, shard, folder)
    size = {"width": row["output_width"], "height": row["output_height"]}
    return decode_photo(restored, limits=DecodeLimits.for_result(**size, nbytes=len(restored))).composited(ground)


def _score_line(scores: Mapping[str, float | None]) -> str:
    """Scores in one line, those before and after as a pair; without those of the input as it is, which no pair has."""
    pairs = score_pairs(scores)
    parts = []
    for metric, (before, after) in pairs.items():
        first, second = scores[before], scores[after]
        if first is not None and second is not None:
            parts.append(f"{metric} {first:.3g} to {second:.3g}")
    paired = {name for names in pairs.values() for name in names}
    alone = {name: value for name, value in scores.items() if name not in paired and not name.endswith(INPUT)}
    parts += [f"{name} {value:.3g}" for name, value in alone.items() if value is not None]
    return ", ".join(parts)


def _planned(folder: RunFolder, shard: int, photo_id: str) -> tuple[str, int | None]:
    """The photo's URI and page from the plan: results have it without the secrets that fetching it may need."""
    planned = folder.plan(shard)
    row = planned.filter(pa.array([identity == photo_id for identity in planned["photo_id"].to_pylist()], pa.bool_()))
    if row.num_rows:
        whole = unsealed(row, key_of_run(folder)) if has_sealed(row) else row
        return whole["uri"][0].as_py(), pages_of_rows(whole)[0]
    raise damaged(folder.storage, plan_path(shard), f"does not plan {photo_id}, of which there is a row")


def _restored_bytes(row: Mapping[str, Any], shard: int, folder: RunFolder) -> bytes:
    if row["output_uri"] is not None:
        return folder.storage.read(image_path(row["output_path"]))
    for table in folder.shard_tables(shard, ["image"], pc.field("photo_id") == row["photo_id"]):
        if table.num_rows:
            return table["image"][0].as_py()["bytes"]
    raise NotFound(f"{result_path(shard)} has no image of {row['photo_id']}")
