import io
import threading

import datasets
import duckdb
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from result_rows import row

from pasd_batch.config.storage import StorageSettings
from pasd_batch.records import ScoreColumn, result_schema
from pasd_batch.runs.results import ROW_GROUP_BYTES, ResultStore, encode_rows
from pasd_batch.runs.run_folder import RunFolder, result_path
from pasd_batch.storage.storage import NotFound, Storage

ALBUM = pa.field("album", pa.string())
SCHEMA = result_schema([ALBUM], [ScoreColumn("psnr", higher_is_better=True)], with_images=False)
IMAGE_SCHEMA = result_schema([ALBUM], [], with_images=True)


@pytest.fixture
def results(tmp_path):
    return ResultStore(Storage.open(str(tmp_path)))


def read(results, shard):
    return RunFolder(results.storage, StorageSettings()).rows(shard)


def test_rows_come_back_in_order_with_the_runs_schema(results):
    assert results.commit(3, [row(1, scores={"psnr": 30.5}), row(2, status="failed")], SCHEMA)
    table = read(results, 3)
    assert table.schema.equals(SCHEMA, check_metadata=False)
    assert table["photo_id"].to_pylist() == ["photo-1", "photo-2"]
    assert table["scores"].to_pylist() == [{"psnr": 30.5}, None]
    assert list(results.committed()) == [3]


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
    assert list(results.committed()) == []


def test_a_row_that_does_not_fit_the_schema_is_refused_and_nothing_published(results):
    with pytest.raises(pa.ArrowInvalid):
        results.commit(0, [row(1, photo_id=None)], SCHEMA)
    assert list(results.committed()) == []


def test_row_groups_are_cut_by_the_bytes_of_their_images():
    half = b"\0" * (ROW_GROUP_BYTES // 2)
    rows = [row(number, image={"bytes": half, "path": f"{number}.png"}) for number in range(5)]
    metadata = pq.read_metadata(io.BytesIO(encode_rows(rows, IMAGE_SCHEMA)))
    assert [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)] == [2, 2, 1]


def test_a_shard_of_no_rows_is_a_readable_file():
    assert pq.read_table(io.BytesIO(encode_rows([], SCHEMA))).num_rows == 0


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
