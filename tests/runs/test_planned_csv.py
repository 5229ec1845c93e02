"""Planned photos as CSV: read with their run's settings, they are the same photos again."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from manifests import ACCESS, rows_of

from pasd_batch.config.manifest import ManifestColumns, ManifestFormat, ManifestSettings
from pasd_batch.config.photo_settings import meaning_of
from pasd_batch.manifests.pieces import find_pieces
from pasd_batch.manifests.rows import read_rows
from pasd_batch.manifests.survey import SOURCE_ROOT_KEY
from pasd_batch.manifests.writing import csv_of, write_tables
from pasd_batch.records import PLAN_SCHEMA, RENAMED_PREFIX
from pasd_batch.runs.planned_csv import PlannedCsv
from pasd_batch.runs.planned_manifest import as_manifest

NAMED = ManifestColumns(uri="photo", id="nr", prompt="caption", scale="scale", seed="number", page="seite")
GIVEN = [
    {"photo": "/x/y/a, b.jpg", "nr": "1", "caption": 'a "farm"\nin snow', "scale": 3, "number": 2**60 + 1, "seite": 2},
    {"photo": "/x/y/c.jpg", "nr": "2", "caption": None, "scale": None, "number": None, "seite": None},
]
OTHERS = {"tags": ["one", "two"], "uri": "elsewhere", "mask_uri": "/x/y/m.png", "year": 1920}
PLAIN = [{"uri": "/x/y/a.jpg", "id": "a", "file_page": 3}, {"uri": "/x/y/b.jpg", "id": "b", "file_page": None}]


def planned(folder, given, columns):
    """The rows of a manifest as those of a plan, in the form in which they become a manifest again."""
    pq.write_table(pa.Table.from_pylist(given), folder / "given.parquet")
    (piece,) = find_pieces(ManifestSettings(path=str(folder / "given.parquet"), columns=columns), ACCESS)
    table = pa.concat_tables(read_rows(piece, columns, ACCESS))
    for name in PLAN_SCHEMA.names:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    return as_manifest(table.replace_schema_metadata({SOURCE_ROOT_KEY: b"/x/"}))


def csv_form(table, manifest):
    file = io.BytesIO()
    write_tables(file, [table])
    return PlannedCsv(pq.ParquetFile(file), manifest)


def written(form, path):
    with path.open("wb") as file:
        csv_of(file, form.tables())
    return str(path)


@pytest.mark.parametrize(
    ("given", "columns", "others"),
    [
        ([row | OTHERS for row in GIVEN], NAMED, ["tags", f"{RENAMED_PREFIX}uri", "year"]),
        (PLAIN, ManifestColumns(), ["file_page"]),
    ],
)
def test_rows_are_read_again_as_they_were_planned(tmp_path, given, columns, others):
    table = planned(tmp_path, given, columns)
    form = csv_form(table, ManifestSettings(path="given.parquet", columns=columns))
    again = rows_of(written(form, tmp_path / "again.csv"), columns)
    known = [name for name in ("uri", "prompt", "mask_uri") if name in again[0]]
    assert [[row[name] for name in ("photo_id", *known)] for row in again] == [
        [row[name] for name in ("id", *known)] for row in table.to_pylist()
    ]
    assert [meaning_of(row["settings"]) for row in again] == [meaning_of(row["settings"]) for row in table.to_pylist()]
    assert set(others) <= again[0].keys()


def test_people_are_told_what_a_run_over_it_needs_and_does_otherwise(tmp_path):
    manifest = ManifestSettings(path="given.parquet", columns=NAMED, format=ManifestFormat.PARQUET)
    reading, layout, folders = csv_form(planned(tmp_path, GIVEN, NAMED), manifest).notes(str(tmp_path / "again.csv"))
    assert reading == (
        "a run reads it with manifest.columns.id=nr manifest.columns.uri=photo manifest.columns.prompt=caption "
        "manifest.columns.scale=scale manifest.columns.seed=number manifest.columns.page=seite manifest.format=csv"
    )
    assert layout.startswith("results of a run over it lie below /x/y/, which its photos have in common, and not below")
    assert "storage.allowed_folders=[/x/y]" in folders
