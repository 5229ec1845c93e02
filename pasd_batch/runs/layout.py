"""Layout of a run's folder: the path of every file in it, relative to its root. No other module has these names.

run.json                            what the run is; there from the moment that it begins
manifest-<fingerprint>.parquet      the photos, where the run began with a folder of them, or with what is new
deleted.txt                         ids of photos that earlier runs have done and the manifest has no more
plan/shard-000000.parquet           planned photos
attempts/000000/0                   an attempt at a shard, noted before it begins
attempts/000000/photo-000007/       a photo of a shard that is done photo by photo: starts/0, deaths/0, row.parquet
images/...                          restored photos, in the tree of their sources
passes/1/...                        results of the passes before the last, in the same tree, where they are asked for
results/shard-000000.parquet        committed rows
summary.json                        sums over a complete run
audit.parquet                       measures and issues of all photos of a complete audit
issues/blurry.jsonl                 photos of an audit that have an issue
report/                             what `pasd-batch report` writes
repair/shard-000000.parquet         rows that a repair keeps of a shard that it lets be done again
damaged/...                         what a repair has taken out of the run
"""

import re
import uuid

RUN_FILE = "run.json"
SUMMARY_FILE = "summary.json"
DELETED_FILE = "deleted.txt"
PLAN_FOLDER = "plan"
RESULTS_FOLDER = "results"
IMAGES_FOLDER = "images"
"""The one folder that may be a link to another disk."""
PASSES_FOLDER = "passes"
ATTEMPTS_FOLDER = "attempts"
WORK_FOLDERS = (RESULTS_FOLDER, IMAGES_FOLDER, PASSES_FOLDER, PLAN_FOLDER, ATTEMPTS_FOLDER)
"""Folders that only a run which has begun has files in."""
REPAIR_FOLDER = "repair"
DAMAGED_FOLDER = "damaged"
AUDIT_FILE = "audit.parquet"
ISSUES_FOLDER = "issues"
REPORT_FOLDER = "report"
REPORT_PAGE = f"{REPORT_FOLDER}/index.html"
REPORT_SUMMARY = f"{REPORT_FOLDER}/summary.md"
REPORT_SHEET = f"{REPORT_FOLDER}/contact_sheet.png"

_SHARD_FILE = re.compile(r"shard-(\d+)\.parquet")
_ATTEMPT = re.compile(rf"{ATTEMPTS_FOLDER}/(\d+)/\d+")


def report_data_path(number: int) -> str:
    """Path of a file of rows beside the report's page."""
    return f"{REPORT_FOLDER}/data/rows-{number:04d}.js"


def issue_list_path(issue: str) -> str:
    """Path of the list of photos that have an issue."""
    return f"{ISSUES_FOLDER}/{issue}.jsonl"


def shard_file_name(shard: int) -> str:
    """File name of a shard, the same in all folders that have one for each."""
    return f"shard-{shard:06d}.parquet"


def shard_of_file(name: str) -> int | None:
    """Number of the shard whose file has this name; None if it is no shard's."""
    match = _SHARD_FILE.fullmatch(name)
    shard = int(match.group(1)) if match else -1
    return shard if name == shard_file_name(shard) else None


def plan_path(shard: int) -> str:
    """Path of a shard's planned photos."""
    return f"{PLAN_FOLDER}/{shard_file_name(shard)}"


def result_path(shard: int) -> str:
    """Path of a shard's committed rows."""
    return f"{RESULTS_FOLDER}/{shard_file_name(shard)}"


def image_path(output_path: str) -> str:
    """Path of a restored photo; `output_path` is the row's."""
    return f"{IMAGES_FOLDER}/{output_path}"


def pass_path(number: int, output_path: str) -> str:
    """Path of what a pass, counted from 1, made of the photo whose result is at `output_path`."""
    return f"{PASSES_FOLDER}/{number}/{output_path}"


def result_files(output_path: str, passes: int) -> list[str]:
    """Paths of all files of a restored photo in a run that stores the results of so many passes before the last."""
    return [image_path(output_path), *(pass_path(number + 1, output_path) for number in range(passes))]


def kept_rows_path(shard: int) -> str:
    """Path of the rows that a repair keeps of a shard."""
    return f"{REPAIR_FOLDER}/{shard_file_name(shard)}"


def damaged_path(path: str) -> str:
    """Path to which a repair moves the file at `path`."""
    return f"{DAMAGED_FOLDER}/{path}"


def attempts_folder(shard: int) -> str:
    """Folder of the attempts at a shard."""
    return f"{ATTEMPTS_FOLDER}/{shard:06d}"


def shard_of_attempt(path: str) -> int | None:
    """Number of the shard whose attempt `path` is; None if it is none."""
    match = _ATTEMPT.fullmatch(path)
    return int(match.group(1)) if match else None


def starts_folder(shard: int, place: int) -> str:
    """Folder of the starts of a photo that is done by itself; `place` is its place in the shard's plan."""
    return f"{_photo_folder(shard, place)}/starts"


def deaths_folder(shard: int, place: int) -> str:
    """Folder of the processes that ended while they did that photo alone."""
    return f"{_photo_folder(shard, place)}/deaths"


def isolated_row_path(shard: int, place: int) -> str:
    """Path of the row of a photo that was done by itself."""
    return f"{_photo_folder(shard, place)}/row.parquet"


def photo_list_path(fingerprint: str) -> str:
    """Path of the list of photos with this fingerprint, which a run keeps that began with a folder of them."""
    return f"manifest-{fingerprint[:12]}.parquet"


def new_photo_list_path() -> str:
    """A path of its own for a list of photos that is not checked yet."""
    return f".pasd-batch-list-{uuid.uuid4().hex}.parquet"


def _photo_folder(shard: int, place: int) -> str:
    return f"{attempts_folder(shard)}/photo-{place:06d}"
