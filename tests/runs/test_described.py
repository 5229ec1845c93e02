"""The manifest of described photos, made of a run's plan and rows."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from manifests import ACCESS, rows_of, survey
from result_rows import row as result_row

from pasd_batch.config.manifest import ManifestColumns, ManifestFormat, ManifestSettings
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.pieces import ManifestPiece
from pasd_batch.manifests.rows import read_rows
from pasd_batch.records import DESCRIPTION_TYPE, PLAN_SCHEMA, RESULT_SCHEMA
from pasd_batch.runs.damage import RunDamaged
from pasd_batch.runs.described import write_described
from pasd_batch.runs.layout import shard_file_name
from pasd_batch.runs.run_folder import RunFolder

SAID = {
    "caption": "a lawn",
    "objects": [{"name": "dog", "count": 2, "score": 0.9}],
    "class_name": None,
    "class_score": None,
}
NOTHING = {"caption": None, "objects": [], "class_name": None, "class_score": None}


def planned(root, shard, photos, extra=(), **values):
    rows = [
        {"photo_id": name, "uri": f"/x/{name}.jpg", "output_path": f"{name}.png", "prompt": prompt, **values}
        for name, prompt in photos
    ]
    schema = pa.schema([*PLAN_SCHEMA, *extra]).with_metadata({"pasd_batch.source_root": "/x/"})
    (root / "plan").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), root / "plan" / shard_file_name(shard))


def commit(root, shard, rows):
    folder = RunFolder.open(str(root), ACCESS)
    done = [result_row(number, **values) for number, values in enumerate(rows)]
    assert folder.commit(shard, done, RESULT_SCHEMA)
    return folder


def test_photos_have_what_was_composed_and_failed_ones_what_they_had(tmp_path):
    year = pa.field("year", pa.int64())
    planned(tmp_path, 0, [("a", "Joe"), ("b", None)], [year], year=1911)
    planned(tmp_path, 1, [("c", "Ann"), ("d", None), ("e", None)], [year], year=1912)
    commit(
        tmp_path,
        0,
        [
            {"photo_id": "a", "prompt_used": "Joe, a lawn, 2 dog", "description": SAID},
            {"photo_id": "b", "prompt_used": "", "description": NOTHING},
        ],
    )
    folder = commit(
        tmp_path,
        1,
        [
            {"photo_id": "c", "status": "failed", "prompt_used": None},
            {"photo_id": "d", "status": "failed", "prompt_used": None},
            {"photo_id": "e", "prompt_used": "a lawn, 2 dog", "description": SAID},
        ],
    )
    target = str(tmp_path / "described.parquet")
    assert write_described(folder, target) == 5
    rows = pq.read_table(target).to_pylist()
    assert [(row["id"], row["prompt"], row["described"], row["year"]) for row in rows] == [
        ("a", "Joe, a lawn, 2 dog", SAID, 1911),
        ("b", None, NOTHING, 1911),
        ("c", "Ann", None, 1912),
        ("d", None, None, 1912),
        ("e", "a lawn, 2 dog", SAID, 1912),
    ]
    assert survey(ManifestSettings(path=target)).source_root == "/x/"
    again = rows_of(target)
    assert [(row["photo_id"], row["uri"], row["prompt"]) for row in again] == [
        (row["id"], f"/x/{row['id']}.jpg", row["prompt"]) for row in rows
    ]


def test_an_earlier_description_is_replaced_and_another_column_of_its_name_kept(tmp_path):
    for name, type_, value in [("ours", DESCRIPTION_TYPE, NOTHING), ("text", pa.string(), "by Ann")]:
        planned(tmp_path / name, 0, [("a", None)], [pa.field("described", type_)], described=value)
        folder = commit(tmp_path / name, 0, [{"photo_id": "a", "prompt_used": "a lawn", "description": SAID}])
        target = str(tmp_path / f"{name}.parquet")
        write_described(folder, target)
        (row,) = pq.read_table(target).to_pylist()
        assert row["described"] == SAID
        assert row.get("manifest_described") == (value if name == "text" else None)
        assert len(rows_of(target)) == 1


def test_rows_of_other_photos_than_those_planned_are_damage(tmp_path):
    planned(tmp_path, 0, [("a", None), ("b", None)])
    folder = commit(tmp_path, 0, [{"photo_id": "b"}, {"photo_id": "a"}])
    with pytest.raises(RunDamaged, match="does not hold the photos that are planned"):
        write_described(folder, str(tmp_path / "described.parquet"))
    assert not (tmp_path / "described.parquet").exists()


def test_a_folder_is_no_target(tmp_path):
    planned(tmp_path, 0, [("a", None)])
    folder = commit(tmp_path, 0, [{"photo_id": "a"}])
    with pytest.raises(ManifestError, match="is a folder; name a file in it, such as"):
        write_described(folder, f"{tmp_path}/")


def test_many_small_shards_become_few_row_groups(tmp_path):
    for shard in range(5):
        planned(tmp_path, shard, [(f"{shard}{n}", None) for n in range(2)])
        rows = [{"photo_id": f"{shard}{n}", "prompt_used": "a lawn", "description": SAID} for n in range(2)]
        folder = commit(tmp_path, shard, rows)
    write_described(folder, str(tmp_path / "described.parquet"))
    file = pq.ParquetFile(tmp_path / "described.parquet")
    assert (file.num_row_groups, file.metadata.num_rows) == (1, 10)


def test_columns_have_the_names_of_the_manifest_again_and_a_run_may_take_settings_from_them(tmp_path):
    extra = [pa.field("manifest_scale", pa.float64()), pa.field("manifest_uri", pa.string())]
    planned(tmp_path, 0, [("a", None)], extra, manifest_scale=3.0, manifest_uri="another")
    folder = commit(tmp_path, 0, [{"photo_id": "a", "prompt_used": "a lawn", "description": SAID}])
    target = str(tmp_path / "described.parquet")
    write_described(folder, target)
    (row,) = pq.read_table(target).to_pylist()
    assert (row["scale"], row["uri"], row["manifest_uri"]) == (3.0, "/x/a.jpg", "another")
    piece = ManifestPiece(target, ManifestFormat.PARQUET)
    with pytest.raises(ManifestError, match=r"no column 'elsewhere'.*manifest\.columns\.scale"):
        list(read_rows(piece, ManifestColumns(scale="elsewhere"), ACCESS))
    for columns, settings in [({}, None), ({"scale": "scale"}, '{"scale": 3.0}')]:
        table = pa.concat_tables(read_rows(piece, ManifestColumns(**columns), ACCESS))
        assert table["settings"].to_pylist() == [settings]
        assert table["manifest_scale"].to_pylist() == [3.0]
