"""The report of a run, beside its results: a page for browsers, one for terminals, and a contact sheet."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from pasd_batch.audit.reading import audit_thresholds
from pasd_batch.config.photos import DecodeLimits
from pasd_batch.config.storage import StorageSettings
from pasd_batch.records import Status
from pasd_batch.records.joining import joined
from pasd_batch.report.audit_tables import has_audit, with_audit
from pasd_batch.report.html.audit_digest import AuditDigest
from pasd_batch.report.html.audit_page import issues_markdown, render_audit_page
from pasd_batch.report.html.digest import DIGEST_COLUMNS, RunDigest
from pasd_batch.report.html.gallery import Choice, ShownPhoto, choose, shown_photo
from pasd_batch.report.html.page import render_page
from pasd_batch.report.html.pictures import MOST_BYTES
from pasd_batch.report.html.rows_data import RowsData
from pasd_batch.report.own_settings import own_setting_names, with_own_settings
from pasd_batch.report.render import SheetPhoto, contact_sheet
from pasd_batch.report.run_photos import PHOTO_COLUMNS, ground_of, load_photo
from pasd_batch.report.statistics import to_markdown
from pasd_batch.runs.cost import run_cost
from pasd_batch.runs.layout import REPORT_PAGE, REPORT_SHEET, REPORT_SUMMARY, report_data_path
from pasd_batch.runs.run_file import RunFile, read_run
from pasd_batch.runs.run_folder import RunFolder, open_run
from pasd_batch.runs.summary import add_up, count_results

MOST_ON_SHEET = 12
"""Photos of the contact sheet."""

_ROWS_AT_ONCE = 2_000

_Load = Callable[[Mapping[str, Any], int], SheetPhoto | None]
"""Loads the photo of a row and its shard; None if it is not to be had any more."""


def write_report(run: str, settings: StorageSettings, *, photos: int = 60) -> list[str]:
    """Write the report of the run at `run` from what is committed so far; the URIs of what was written.

    The page shows up to `photos` photos, the worst and best among them; the contact sheet up to 12 spread evenly over
    the run. The sheet is left out where no photo was restored or none is wanted.

    Raises:
        ValueError: `photos` is below 0.
        NotFound: there is no run.
        StorageError: the run cannot be read or the report not be written.
    """
    if photos < 0:
        raise ValueError(f"{photos} photos in the report: give 0 or more")
    folder = open_run(run, settings)
    storage = folder.storage
    about = read_run(storage)
    assert about is not None  # open_run has seen it
    digest = RunDigest()
    rows = RowsData(lambda number, text: storage.write(report_data_path(number), text.encode()))
    audit = AuditDigest() if has_audit(folder, about) else None
    for table in joined(_tables(folder, about, audited=audit is not None), _ROWS_AT_ONCE):
        digest.add(table)
        rows.add(table)
        if audit is not None:
            audit.add(table)
    cost = _cost_line(folder, about)
    summary = to_markdown(digest.statistics, title=f"Run {storage.uri()}", planned=about.photos, cost=cost)
    choices = choose(digest, photos) if audit is None else audit.choices(photos)
    load = partial(load_photo, folder=folder, limits=DecodeLimits(), ground=ground_of(about))
    gallery = list(_gallery(folder, digest, choices, audit, load))
    if audit is None:
        page = render_page(about, storage.uri(), digest, rows, gallery, cost)
    else:
        thresholds = audit_thresholds(folder)
        page = render_audit_page(about, storage.uri(), digest, rows, audit, thresholds, gallery)
        summary = f"{summary}\n{issues_markdown(audit, thresholds)}\n"
    storage.write(REPORT_SUMMARY, summary.encode())
    storage.write(REPORT_PAGE, page.encode())
    written = [REPORT_PAGE, REPORT_SUMMARY]
    if sheet := _sheet(folder, min(photos, MOST_ON_SHEET), load):
        storage.write(REPORT_SHEET, sheet)
        written.append(REPORT_SHEET)
    return [storage.uri(path) for path in written]


def _tables(folder: RunFolder, run: RunFile, *, audited: bool) -> Iterator[pa.Table]:
    """The rows that the page is about, with all that stands beside them."""
    tables = folder.rows(DIGEST_COLUMNS)
    if audited:
        return with_audit(tables, folder)
    return with_own_settings(tables, folder) if own_setting_names(run) else tables


def _cost_line(folder: RunFolder, about: RunFile) -> str | None:
    """The cost for people; None where the run began without prices."""
    if about.prices is None:
        return None
    counts = add_up(count_results(folder, folder.committed()))
    cost = run_cost(counts, about.prices, planned=about.photos)
    return None if cost is None else cost.line()


def _gallery(
    folder: RunFolder, digest: RunDigest, choices: Sequence[Choice], audit: AuditDigest | None, load: _Load
) -> Iterator[tuple[Choice, Sequence[ShownPhoto]]]:
    """The page's photos, choice by choice; those that are gone are left out."""
    most_bytes = MOST_BYTES // max(1, sum(len(choice.rows) for choice in choices))
    for choice in choices:
        shown = []
        for number in choice.rows:
            shard, place = digest.place(number)
            (row,) = folder.shard_rows(shard, PHOTO_COLUMNS).slice(place, 1).to_pylist()
            photo = load(row, shard)
            if photo is not None:
                before, after = photo.images[0], photo.images[1] if len(photo.images) > 1 else None
                notes = photo.notes if audit is None else (audit.note(choice.title, number), *photo.notes)
                shown.append(shown_photo(number, photo.name, before, after, notes, most_bytes=most_bytes))
        if shown:
            yield choice, shown


def _sheet(folder: RunFolder, photos: int, load: _Load) -> bytes | None:
    """The contact sheet as PNG; None without a photo to show."""
    chosen = sorted(_sheet_photos(folder, photos, load), key=lambda photo: photo.name)
    if not chosen:
        return None
    buffer = io.BytesIO()
    title = f"{folder.storage.uri()}: before and after"
    contact_sheet(chosen, title=title).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _sheet_photos(folder: RunFolder, wanted: int, load: _Load) -> Iterator[SheetPhoto]:
    """Restored photos spread evenly over the committed shards, as many as wanted; each shard is looked at once."""
    shards = folder.committed() if wanted else []
    missing = wanted
    for visited, shard in enumerate(_spread(shards)):
        every = folder.shard_rows(shard, PHOTO_COLUMNS).to_pylist()
        rows = [row for row in every if row["status"] == Status.OK and row["output_path"]]
        share = -(-missing // (len(shards) - visited))
        for row in _spread(rows)[:share]:
            photo = load(row, shard)
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
