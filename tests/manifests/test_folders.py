"""Folders of manifests: columns that the folders' names give, as Hive, Spark and DuckDB write tables."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from manifests import rows_of, survey

from pasd_batch.config.manifest import ManifestSettings
from pasd_batch.manifests import pieces as manifest_module


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("given", ["", "/**/part*"])
def test_columns_in_the_names_of_folders_are_carried(tmp_path, ending, given):
    places = ["year=1920/town=S%C3%A3o%20Paulo", "year=1921/town=__HIVE_DEFAULT_PARTITION__", "plain/year=1922"]
    for number, place in enumerate(places):
        path = tmp_path / "table" / place / f"part-0.{ending}"
        path.parent.mkdir(parents=True)
        match ending:
            case "parquet":
                pq.write_table(pa.table({"uri": [f"/{number}.png"]}), path)
            case "csv":
                path.write_text(f"uri\n/{number}.png\n")
            case "jsonl":
                path.write_text(json.dumps({"uri": f"/{number}.png"}))
    rows = rows_of(f"{tmp_path}/table{given}")
    found = {row["uri"]: (row.get("year"), row.get("town")) for row in rows}
    assert found == {"/0.png": ("1920", "S\u00e3o Paulo"), "/1.png": ("1921", None), "/2.png": ("1922", None)}
    names = [field.name for field in survey(ManifestSettings(path=str(tmp_path / "table"))).extra]
    assert sorted(names) == ["town", "year"]


def test_a_file_s_own_column_goes_before_that_of_its_folder(tmp_path):
    (tmp_path / "Year=1920").mkdir()
    (tmp_path / "Year=1920" / "m.csv").write_text("uri,year\n/a.png,1925\n")
    assert [(row["year"], row.get("Year")) for row in rows_of(tmp_path)] == [("1925", None)]


def test_only_folders_below_the_manifest_s_own_count(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest_module, "ROWS_PER_PIECE", 1)
    (tmp_path / "a=1" / "b=2").mkdir(parents=True)
    pq.write_table(pa.table({"uri": ["/0.png", "/1.png"]}), tmp_path / "a=1/b=2/c=3.parquet", row_group_size=1)
    assert [row.get("b") for row in rows_of(tmp_path / "a=1")] == ["2", "2"]
    assert not {"a", "c"} & rows_of(tmp_path / "a=1")[0].keys()
    assert "b" not in rows_of(tmp_path / "a=1/b=2/c=3.parquet")[0]
