"""Rows that are pages of a file: listed, read from any manifest, with ids and names of their own, passed on."""

import json

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from manifests import ACCESS, rows_of, survey
from photo_archive import store_photos
from photo_files import picture, saved
from PIL import Image

from pasd_batch.batch.planning.checked_manifest import PathRules
from pasd_batch.batch.planning.estimate import plan_summary
from pasd_batch.batch.planning.repeated_keys import PATH_KEY, key_table, repeated_keys
from pasd_batch.batch.planning.shards import ShardLayout, planned_rows
from pasd_batch.cli import main
from pasd_batch.config.manifest import ManifestColumns, ManifestFormat, ManifestSettings, Pages
from pasd_batch.config.run import RunSettings
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.making import count_photos, make_manifest
from pasd_batch.manifests.pieces import ManifestPiece, is_image_source
from pasd_batch.manifests.rows import photo_ids, read_rows
from pasd_batch.runs.kept_list import draft_list
from pasd_batch.runs.planned_manifest import as_manifest
from pasd_batch.storage.storage import Storage

IMAGE = Image.fromarray(picture())
OTHER = Image.fromarray(255 - picture())
RULES = PathRules("", ".png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of photos with one page and several, and of one whose pages nobody can count."""
    folder = tmp_path_factory.mktemp("archive")
    several = {"save_all": True, "append_images": [OTHER, OTHER.resize((20, 30))]}
    store_photos(
        folder,
        {
            "a.jpg": saved(IMAGE, "JPEG"),
            "b.tif": saved(IMAGE, "TIFF", **several),
            "b-p0002.tif": saved(IMAGE, "TIFF"),
            "c.gif": saved(IMAGE, "GIF", save_all=True, append_images=[OTHER]),
            "d.png": saved(IMAGE, "PNG", save_all=True, append_images=[OTHER]),
            "e.webp": saved(IMAGE, "WEBP", save_all=True, append_images=[OTHER]),
            "f.avif": saved(IMAGE, "AVIF", save_all=True, append_images=[OTHER]),
            "g.tif": b"II*\0 no directory",
        },
    )
    return folder


def listed(folder, tmp_path, **options) -> str:
    target = str(tmp_path / "manifest.parquet")
    make_manifest(str(folder), target, ACCESS, pages=Pages.EVERY, **options)
    return target


def table_of(path: str, **columns) -> pa.Table:
    piece = ManifestPiece(path, ManifestFormat.CSV if path.endswith(".csv") else ManifestFormat.PARQUET)
    return pa.concat_tables(read_rows(piece, ManifestColumns(**columns), ACCESS))


def planned(table: pa.Table) -> pa.Table:
    repeated = repeated_keys(key_table(0, table, RULES))
    colliding = repeated.filter(pa.compute.equal(repeated["kind"], PATH_KEY))["row"].sort().to_numpy()
    extra = tuple(field for field in table.schema if field.name in ("file_page",))
    return planned_rows(0, table, colliding, ShardLayout(10, extra, RULES))


def test_every_page_is_a_row_with_an_id_and_a_name_of_its_own(folder, tmp_path, caplog):
    target = listed(folder, tmp_path, measure=True)
    rows = {row["id"]: row for row in pq.read_table(target).to_pylist()}
    pages = {"b.tif": 3, "c.gif": 2, "d.png": 2, "e.webp": 2, "f.avif": 2}
    expected = {f"{name}#page={page}": page for name, count in pages.items() for page in range(1, count + 1)}
    assert {name: row["file_page"] for name, row in rows.items()} == {
        "a.jpg": None,
        "b-p0002.tif": None,
        "g.tif": None,
        **expected,
    }
    assert [(rows[f"b.tif#page={n}"]["width"], rows[f"b.tif#page={n}"]["height"]) for n in (1, 2, 3)] == [
        (40, 24),
        (40, 24),
        (20, 30),
    ]
    assert "g.tif: listed as one page, as its pages cannot be counted" in caplog.text
    assert count_photos(str(folder), ACCESS, pages=Pages.EVERY)[0] == len(rows)
    plan = planned(table_of(target))
    names = [path.rpartition("/")[2] for path in plan["output_path"].to_pylist()]
    assert len(set(names)) == len(rows)
    assert {"a.png", "b-p0001.png", "b-p0003.png", "c-p0001.png", "c-p0002.png"} < set(names)
    assert sum(name.startswith("b-p0002~") for name in names) == 2  # a page of b.tif, and b-p0002.tif


def test_one_page_of_each_file_is_listed_unless_asked(folder, tmp_path):
    make_manifest(str(folder), str(tmp_path / "m.parquet"), ACCESS)
    assert pq.read_table(tmp_path / "m.parquet").column_names == ["id", "uri"]
    assert len(rows_of(tmp_path / "m.parquet")) == 8


@pytest.mark.parametrize("as_csv", [False, True])
def test_pages_are_read_from_any_manifest_that_has_them(folder, tmp_path, as_csv):
    """Also where another program has written it anew, with numbers as it has them."""
    target = listed(folder, tmp_path)
    table = pq.read_table(target, columns=["uri", "file_page"]).replace_schema_metadata(None)
    if as_csv:
        target = str(tmp_path / "manifest.csv")
        floats = table.set_column(1, "file_page", table["file_page"].cast(pa.float64()))
        pyarrow.csv.write_csv(floats, target)
    else:
        pq.write_table(table, target)
    read = table_of(target)
    assert len(set(photo_ids(read))) == read.num_rows  # though addresses are there several times
    paths = planned(read)["output_path"].to_pylist()
    assert sum(path.endswith("b-p0003.png") for path in paths) == 1


def test_another_column_may_have_the_pages_and_none_has_them_unasked(folder, tmp_path):
    table = pq.read_table(listed(folder, tmp_path)).rename_columns(["id", "uri", "page"])
    pq.write_table(table, tmp_path / "m.parquet")
    named = table_of(str(tmp_path / "m.parquet"), page="page")
    assert {"page": 3} in [json.loads(text) for text in named["settings"].to_pylist() if text]
    plain = table_of(str(tmp_path / "m.parquet"))
    assert "settings" not in plain.column_names
    assert "manifest_page" in plain.column_names


def test_pages_go_with_other_settings_into_the_manifest_of_another_run(folder, tmp_path):
    table = pq.read_table(listed(folder, tmp_path))
    pq.write_table(table.append_column("factor", pa.array([1.5] * table.num_rows)), tmp_path / "m.parquet")
    own = table_of(str(tmp_path / "m.parquet"), scale="factor")
    again = as_manifest(planned(own))
    pq.write_table(again, tmp_path / "again.parquet")
    for columns in ({}, {"scale": "factor"}):
        if columns:
            again = again.append_column("factor", pa.array([1.5] * table.num_rows))
            pq.write_table(again, tmp_path / "again.parquet")
        read = table_of(str(tmp_path / "again.parquet"), **columns)
        assert read["settings"].to_pylist() == own["settings"].to_pylist()
        assert planned(read)["output_path"].to_pylist() == planned(own)["output_path"].to_pylist()


def test_a_run_keeps_the_list_of_all_pages_of_a_folder(folder, tmp_path, capsys):
    storage = Storage.open(str(tmp_path / "run"))
    with draft_list(str(folder), storage, ACCESS, pages=Pages.EVERY) as draft:
        kept = survey(draft.manifest)
    made = tmp_path / "made.parquet"
    planned_run = RunSettings.parse(
        {"manifest": {"path": str(folder), "pages": "every"}, "output": {"root": str(tmp_path / "run")}}
    )
    assert plan_summary(planned_run, suffix=".png").photos == 14
    assert main(["manifest", str(folder), "-o", str(made), "--pages", "every"]) == 0
    assert capsys.readouterr().out.startswith("14 photos listed")
    assert survey(ManifestSettings(path=str(made))).fingerprint == kept.fingerprint


def test_rows_of_manifests_are_not_listed_again(folder, tmp_path):
    settings = ManifestSettings(path=listed(folder, tmp_path), pages=Pages.EVERY)
    with pytest.raises(ManifestError, match=r"is a manifest, which has pages as rows .* manifest --pages every"):
        is_image_source(settings, ACCESS)
    assert survey(ManifestSettings(path=settings.path)).rows == 14
