import io
import threading

import datasets
import duckdb
import pandas
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from PIL import Image
from result_rows import row

from pasd_batch.config.storage import StorageSettings
from pasd_batch.records import ScoreColumn, result_schema
from pasd_batch.runs.layout import RUN_FILE, result_path
from pasd_batch.runs.run_folder import RunFolder, open_run
from pasd_batch.storage.storage import NotFound

ALBUM = pa.field("album", pa.string())
SCHEMA = result_schema([ALBUM], [ScoreColumn("psnr", higher_is_better=True)], with_images=False)
IMAGE_SCHEMA = result_schema([ALBUM], [], with_images=True)


@pytest.fixture
def results(tmp_path):
    return RunFolder.open(str(tmp_path), StorageSettings())


def read(results, shard):
    return results.shard_rows(shard)


def test_rows_come_back_in_order_with_the_runs_schema(results):
    assert results.commit(3, [row(1, scores={"psnr": 30.5}), row(2, status="failed")], SCHEMA)
    table = read(results, 3)
    assert table.schema.equals(SCHEMA, check_metadata=False)
    assert table["photo_id"].to_pylist() == ["photo-1", "photo-2"]
    assert table["scores"].to_pylist() == [{"psnr": 30.5}, None]
    assert results.committed() == [3]


def test_a_shard_is_committed_once_and_never_overwritten(results):
    assert results.commit(0, [row(1)], SCHEMA)
    assert not results.commit(0, [row(2)], SCHEMA)
    assert read(results, 0)["photo_id"].to_pylist() == ["photo-1"]


def test_of_many_committing_at_once_exactly_one_wins(results):
    barrier, won = threading.Barrier(8), []

    def commit(number):
        barrier.wait()
        won.append(results.commit(0, [row(number)], SCHEMA))

    threads = [threading.Thread(target=commit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]
    assert read(results, 0).num_rows == 1


def test_reading_what_is_not_committed_says_so(results):
    assert not results.is_committed(7)
    with pytest.raises(NotFound):
        read(results, 7)


def test_other_objects_in_the_folder_are_no_commits(results):
    results.storage.write("results/shard-1.parquet.tmp", b"")
    results.storage.write("results/notes.txt", b"")
    assert results.committed() == []


def test_a_row_that_does_not_fit_the_schema_is_refused_and_nothing_published(results):
    with pytest.raises(pa.ArrowInvalid):
        results.commit(0, [row(1, photo_id=None)], SCHEMA)
    assert results.committed() == []


def test_pandas_duckdb_and_datasets_read_the_folder(results, tmp_path):
    picture = io.BytesIO()
    Image.new("RGB", (5, 3), (10, 200, 30)).save(picture, "PNG")
    results.commit(0, [row(1, image={"bytes": picture.getvalue(), "path": "a/1.png"})], IMAGE_SCHEMA)
    results.commit(1, [row(2, status="failed")], IMAGE_SCHEMA)
    folder = tmp_path / "results"
    assert sorted(pandas.read_parquet(folder)["photo_id"]) == ["photo-1", "photo-2"]
    counts = duckdb.sql(f"select status, count(*) from '{folder}/*.parquet' group by status").fetchall()
    assert sorted(counts) == [("failed", 1), ("ok", 1)]
    dataset = datasets.load_dataset(
        "parquet", data_files=f"{folder}/*.parquet", split="train", cache_dir=str(tmp_path / "cache")
    )
    assert isinstance(dataset.features["image"], datasets.Image)
    assert dataset[0]["image"].getpixel((4, 2)) == (10, 200, 30)
    assert dataset[1]["image"] is None
    assert result_path(0).endswith("shard-000000.parquet")


def test_rows_of_an_earlier_version_have_nulls_for_what_it_did_not_write(results):
    older = pa.schema([column for column in SCHEMA if column.name not in ("warnings", "scores")])
    results.commit(0, [row(1), row(2)], older)
    table = results.shard_rows(0, ["photo_id", "warnings", "scores"])
    assert table.column_names == ["photo_id", "warnings"]
    assert table["warnings"].to_pylist() == [None] * 2
    results.commit(1, [row(3, scores={"psnr": 30.5})], SCHEMA)
    assert pa.concat_tables(results.rows(["warnings", "photo_id"], pc.field("warnings").is_null())).num_rows == 3


@pytest.fixture
def many(results):
    """Rows of 40 shards, five each; every fifth failed."""
    for shard in range(40):
        numbers = range(5 * shard, 5 * shard + 5)
        values = [
            row(n, status="ok" if n % 5 else "failed", scores={"psnr": float(n)} if n % 5 else None) for n in numbers
        ]
        results.commit(shard, values, SCHEMA)
    return results


def test_rows_are_read_in_order_with_the_columns_and_rows_that_are_wanted(many):
    assert [number for table in many.rows(["photo_id"]) for number in table["photo_id"].to_pylist()] == [
        f"photo-{number}" for number in range(200)
    ]
    tables = list(many.rows(["album", "photo_id"], pc.field("status") == "failed"))
    assert [table.num_rows for table in tables] == [1] * 40
    assert pa.concat_tables(tables).to_pylist() == [
        {"album": "Röntgen", "photo_id": f"photo-{number}"} for number in range(0, 200, 5)
    ]
    best = pa.concat_tables(many.rows(["scores"], pc.field("scores", "psnr") > 197.5))
    assert best["scores"].to_pylist() == [{"psnr": 198.0}, {"psnr": 199.0}]
    everything = list(many.rows())
    assert everything[0].schema.equals(SCHEMA)
    assert everything[0].schema.metadata == SCHEMA.metadata
    assert sum(table.num_rows for table in many.rows([])) == pa.concat_tables(everything).num_rows == 200
    assert sum(table.num_rows for table in many.rows([], pc.field("status") == "ok")) == 160


def test_where_no_row_is_wanted_tables_are_empty_and_have_the_columns(many, tmp_path):
    tables = list(many.rows(["photo_id", "seconds"], pc.field("status") == "lost"))
    assert len(tables) == 40
    assert pa.concat_tables(tables).num_rows == 0
    assert tables[0].column_names == ["photo_id", "seconds"]
    assert list(RunFolder.open(str(tmp_path / "none"), StorageSettings()).rows()) == []


@pytest.mark.parametrize(
    ("columns", "where", "message"),
    [
        (["photo"], None, "no column 'photo' in the rows; there are photo_id, uri"),
        (None, pc.field("colour") == "red", r"\(colour == \"red\"\) does not fit the rows: No match for FieldRef"),
        (None, pc.field("shard") == "red", "does not fit the rows: .*"),
        (["photo_id"], pc.field("scores", "niqe") > 3, r"No match for FieldRef.*columns are photo_id, uri"),
        (["photo_id"], pc.field("photo_id"), "must evaluate to bool"),
        (["photo_id"], pc.field(2) == "ok", "give their names"),
    ],
)
def test_columns_and_filters_that_do_not_fit_are_errors_of_the_caller(many, columns, where, message):
    with pytest.raises(ValueError, match=message) as error:
        next(many.rows(columns, where))
    assert len(str(error.value)) < 2000


def test_a_reader_that_stops_leaves_no_threads(many):
    before = {*threading.enumerate()}
    rows = many.rows(["photo_id"])
    next(rows)
    rows.close()
    assert not {*threading.enumerate()} - before


def test_embedded_images_come_a_row_group_at_a_time(results, monkeypatch):
    monkeypatch.setattr("pasd_batch.runs.row_file.ROW_GROUP_BYTES", 100)
    for shard in range(2):
        images = [{"bytes": bytes([n]) * 60, "path": f"{n}.png"} for n in range(3)]
        results.commit(shard, [row(n, image=image) for n, image in enumerate(images)], IMAGE_SCHEMA)
    assert [table.num_rows for table in results.rows(["image"])] == [1] * 6
    assert [table["image"][0].as_py()["bytes"] for table in results.rows()][2] == b"\2" * 60
    wanted = results.rows(["image"], pc.field("photo_id") == "photo-1")
    assert [table.num_rows for table in wanted] == [0, 1, 0, 0, 1, 0]


@pytest.mark.parametrize("settings", [None, StorageSettings()])
def test_a_run_is_opened_by_where_it_is(results, tmp_path, settings):
    with pytest.raises(NotFound, match="there is no run; check the path"):
        open_run(str(tmp_path), settings)
    results.storage.write(RUN_FILE, b"{}")
    results.commit(0, [row(1)], SCHEMA)
    assert pa.concat_tables(open_run(str(tmp_path), settings).rows()).num_rows == 1
