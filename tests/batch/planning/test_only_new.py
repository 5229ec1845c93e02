"""Only what is new: photos that earlier runs have done, unchanged and with the same settings, are left out."""

import io
import os
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checked_manifests import checked
from photo_archive import BAD, begin_run, picture, results, settings, store_photos
from PIL import Image
from tiny_models import fingerprint

from pasd_batch.batch.planning.done_photos import Content, is_unchanged
from pasd_batch.batch.planning.only_new import NothingNew, new_photos
from pasd_batch.batch.worker.shard_worker import ShardWorker
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.runs.latest import write_rows
from pasd_batch.runs.run_set import find_runs
from pasd_batch.storage.reading import state_of
from pasd_batch.storage.storage import NotFound

NAMES = ["a.png", "b.png", "bad.png", "c.png"]


def write_manifest(folder, names=NAMES, **columns):
    path = folder / "manifest.parquet"
    pq.write_table(pa.table({"uri": names, "id": names} | columns), path)
    return path


def do(root, manifest, /, **changes):
    """A whole run, without Ray."""
    changes = {"manifest": {"only_new": str(root.parent)}, "max_error_rate": 1.0} | changes
    spec, _, run = begin_run(root, manifest, **changes)
    worker = ShardWorker(spec)
    for shard in range(run.shards):
        worker.run(shard)


@pytest.fixture
def archive(tmp_path):
    """A manifest of four photos, one of them bad, and a run that has done them."""
    photos = {name: picture(number) for number, name in enumerate(NAMES)} | {"bad.png": BAD["corrupt"]}
    store_photos(tmp_path, photos)
    do(tmp_path / "runs/1", write_manifest(tmp_path))
    return tmp_path


def mask(width, height, level=200):
    """A grey picture, of as many bytes at every level."""
    buffer = io.BytesIO()
    Image.new("L", (width, height), level).save(buffer, "BMP")
    return buffer.getvalue()


def new(archive, root="2", only_new=None, model="model-fingerprint", **changes):
    places = only_new or str(archive / "runs/*")
    manifest = archive / "manifest.parquet"
    run_settings = settings(archive / "runs" / root, manifest, manifest={"only_new": places}, **changes)
    return new_photos(checked(manifest), run_settings, model)


def ids(found):
    return pq.read_table(io.BytesIO(found.data))["id"].to_pylist()


def test_only_what_failed_comes_again_where_nothing_has_changed(archive):
    found = new(archive)
    assert ids(found) == ["bad.png"]
    assert (found.photos, found.done, found.runs, found.deleted) == (1, 3, 1, ())
    assert found.lines() == ["only new: 1 photos; 3 are done in 1 earlier runs"]


def test_changed_new_and_failed_photos_come_and_deleted_ones_are_named(archive):
    store_photos(archive, {"b.png": picture(9), "d.png": picture(4)})
    write_manifest(archive, ["a.png", "b.png", "bad.png", "d.png"])
    found = new(archive)
    assert ids(found) == ["b.png", "bad.png", "d.png"]
    assert found.deleted == ("c.png",)
    assert found.lines()[1] == "deleted since: 1 photos that earlier runs have done: c.png"


def test_nothing_left_is_no_failure(archive):
    write_manifest(archive, ["a.png", "b.png"])
    with pytest.raises(NothingNew, match=r"nothing new\n.*0 photos; 2 are done"):
        new(archive)


@pytest.mark.parametrize(
    "change",
    [{"restoration": {"sampling": {"steps": 7}}}, {"output": {"file": {"format": "jpeg"}}}, {"model": "other weights"}],
)
def test_other_settings_or_weights_do_all_again(archive, change):
    assert ids(new(archive, **change)) == NAMES


@pytest.mark.parametrize("change", [{"shard_size": 3}, {"workers": {"max": 1}}, {"limits": {"max_pixels": 1_000_000}}])
def test_settings_that_change_no_photo_do_not_matter(archive, change):
    assert ids(new(archive, **change)) == ["bad.png"]


def test_another_prompt_does_a_photo_again(archive):
    write_manifest(archive, prompt=["a farm", None, None, None])
    assert ids(new(archive)) == ["a.png", "bad.png"]


def test_the_last_run_decides(archive):
    store_photos(archive, {"a.png": BAD["corrupt"]})
    do(archive / "runs/2", archive / "manifest.parquet")
    store_photos(archive, {"a.png": picture(0)})
    assert ids(new(archive, "3")) == ["a.png", "bad.png"]
    do(archive / "runs/3", archive / "manifest.parquet")
    assert ids(new(archive, "4")) == ["bad.png"]


def test_a_run_does_not_count_for_itself(archive):
    assert ids(new(archive, root="1")) == NAMES


def test_no_earlier_run_leaves_all(archive):
    assert ids(new(archive, only_new=str(archive / "nowhere/*"))) == NAMES


def test_a_file_that_was_only_touched_is_unchanged(archive):
    os.utime(archive / "a.png", (1, 1))
    assert ids(new(archive)) == ["bad.png"]


def test_rows_have_the_version_only_in_runs_that_need_it(archive):
    rows = pq.read_table(archive / "runs/1/results").to_pylist()
    assert rows[0]["input_version"] == str((archive / "a.png").stat().st_mtime_ns)
    do(archive / "plain", archive / "manifest.parquet", manifest={})
    assert pq.read_table(archive / "plain/results")["input_version"].null_count == 4
    # Without versions the hash tells.
    assert ids(new(archive, only_new=str(archive / "plain"))) == ["bad.png"]


@pytest.mark.parametrize(
    ("column", "kept"),
    [
        ("mask_uri", True),
        ("color_reference_uri", True),
        ("reference_uri", True),
        ("mask_uri", False),
        ("reference_uri", False),
    ],
)
def test_what_a_photo_has_beside_it_does_it_again_if_it_changes(archive, column, kept):
    masks = {"m.png": mask(24, 32), "n.png": mask(32, 24)}
    store_photos(archive, masks)
    uses = {"restoration": {"sampling": {"color_fix": "reference"}}} if column == "color_reference_uri" else {}
    manifest = write_manifest(archive, **{column: ["m.png", "n.png", "m.png", None]})
    places = {} if kept else {"manifest": {}}  # without versions the hashes tell
    do(archive / "later/1", manifest, **uses, **places)
    version = column.replace("uri", "version")
    times = [str((archive / name).stat().st_mtime_ns) if kept else None for name in masks]
    assert [row[version] for row in results(archive / "later/1").values()] == [*times, None, None]
    os.utime(archive / "n.png", (1, 1))  # only touched
    assert ids(new(archive, only_new=str(archive / "later/1"), **uses)) == ["bad.png"]
    store_photos(archive, {"m.png": mask(24, 32, level=201)})
    assert ids(new(archive, only_new=str(archive / "later/1"), **uses)) == ["a.png", "bad.png"]


def test_numbers_are_the_same_as_text_and_as_numbers(archive):
    (archive / "manifest.csv").write_text(
        "uri,id,file_page,zoom,number,not_this\na.png,a,1,2.0,9007199254740993,007\nb.png,b,1,,,7\nc.png,c,,3,1,\n"
    )
    columns = {"columns": {"page": "file_page", "scale": "zoom", "seed": "number", "negative_prompt": "not_this"}}
    do(archive / "csv/1", archive / "manifest.csv", manifest=columns)

    def left(**changed):
        values = {"uri": ["a.png", "b.png", "c.png"], "id": ["a", "b", "c"], "file_page": [1.0, 1.0, None]}
        values |= {"zoom": [2, None, 3], "number": [2**53 + 1, None, 1], "not_this": ["007", "7", None]}
        pq.write_table(pa.table(values | changed), archive / "manifest.parquet")
        run_settings = settings(
            archive / "csv/2", archive / "manifest.parquet", manifest=columns | {"only_new": str(archive / "csv")}
        )
        return ids(
            new_photos(checked(archive / "manifest.parquet", manifest=columns), run_settings, "model-fingerprint")
        )

    with pytest.raises(NothingNew):
        left()
    assert left(number=[2**53, None, 1]) == ["a"]
    assert left(not_this=["7", "7", None]) == ["a"]
    assert left(zoom=[2.5, 2, 3]) == ["a", "b"]


def test_a_photo_whose_mask_was_not_used_does_not_depend_on_it(archive):
    store_photos(archive, {"m.png": mask(24, 32)})
    manifest = write_manifest(archive, mask_uri=["m.png", None, None, None])
    do(archive / "scored/1", manifest, mode="score")
    store_photos(archive, {"m.png": mask(24, 32, level=201)})
    assert ids(new(archive, only_new=str(archive / "scored"), model=None, mode="score")) == ["bad.png"]


def test_other_columns_types_and_the_tree_are_kept(archive):
    write_manifest(archive, width=[10, 20, 30, 40], Scale=["x", "y", "z", None])
    table = pq.read_table(io.BytesIO(new(archive).data))
    assert table.num_rows == 1
    assert table["width"].to_pylist() == [30]
    assert table["manifest_Scale"].to_pylist() == ["z"]
    assert table.schema.metadata[b"pasd_batch.source_root"] == f"{archive}/".encode()


def test_addresses_with_credentials_are_refused(archive):
    table = pa.table({"uri": ["https://user:word@host/a.png"], "id": ["a"]})
    pq.write_table(table, archive / "manifest.parquet")
    schemes = {"storage": {"allowed_schemes": ["https", "file"]}}
    manifest = archive / "manifest.parquet"
    run_settings = settings(archive / "runs/2", manifest, manifest={"only_new": str(archive / "runs")}, **schemes)
    with pytest.raises(ManifestError, match=r"https://\*\*\*@host/a.png: a run with manifest.only_new"):
        new_photos(checked(manifest, **schemes), run_settings, fingerprint(run_settings))


def test_objects_are_told_apart_by_their_etag(s3):
    import boto3

    bucket = boto3.resource("s3").Bucket("archive")
    bucket.put_object(Key="a.jpg", Body=b"one")
    state = state_of("s3://archive/a.jpg", StorageSettings())
    content = Content("not the hash", state.version, state.bytes)
    assert is_unchanged(content, "s3://archive/a.jpg", StorageSettings())
    bucket.put_object(Key="a.jpg", Body=b"two")
    assert not is_unchanged(content, "s3://archive/a.jpg", StorageSettings())
    assert not is_unchanged(replace(content, version=None), "s3://archive/a.jpg", StorageSettings())
    assert not is_unchanged(content, "s3://archive/gone.jpg", StorageSettings())


def test_runs_below_a_prefix_are_found_in_the_order_in_which_they_began(archive):
    do(archive / "runs/0", archive / "manifest.parquet")
    for place in (str(archive / "runs"), str(archive / "runs/*"), str(archive / "runs/")):
        assert [run.uri.rpartition("/")[2] for run in find_runs([place], StorageSettings())] in (["1", "0"], ["0", "1"])
    assert len(find_runs([str(archive / "runs/1"), str(archive / "runs")], StorageSettings())) == 2
    assert find_runs([str(archive / "nowhere")], StorageSettings()) == []


def test_the_latest_rows_have_one_for_each_photo(archive):
    store_photos(archive, {"b.png": picture(9), "d.png": picture(4)})
    do(archive / "runs/2", write_manifest(archive, ["b.png", "d.png", "bad.png"], album=["x", "y", "z"]))
    target = archive / "latest.parquet"
    # Runs of the same second are in the order of their places.
    written = write_rows([str(archive / "runs")], str(target), StorageSettings(), latest=True)
    assert (written.runs, written.rows, written.failed) == (2, 5, 1)
    rows = {row["photo_id"]: row for row in pq.read_table(target).to_pylist()}
    assert {name: row["run"].rpartition("/")[2] for name, row in rows.items()} == {
        "a.png": "1",
        "b.png": "2",
        "bad.png": "2",
        "c.png": "1",
        "d.png": "2",
    }
    assert (rows["b.png"]["album"], rows["a.png"]["album"]) == ("x", None)
    assert rows["a.png"]["scores"]["contrast_input"] > 0
    written = write_rows([str(archive / "runs")], str(target), StorageSettings())
    assert written.rows == 7
    for some in ("runs/*", "runs/[2]", "runs/1*"):
        assert write_rows([str(archive / some)], str(target), StorageSettings()).runs == 1 + (some == "runs/*")
    places = [f"{archive}/{name}" for name in ("runs/1", "nowhere", "runs/3*")]
    with pytest.raises(NotFound, match=rf"^{archive}/nowhere, {archive}/runs/3\*: there is no run"):
        write_rows(places, str(target), StorageSettings())
    pq.write_table(pa.table({"uri": ["a.png"]}), target)
    with pytest.raises(ManifestError, match=r"latest\.parquet is there already, and is not rows of runs; give another"):
        write_rows([str(archive / "runs")], str(target), StorageSettings())


def test_pages_of_a_file_are_photos_of_their_own(tmp_path):
    pages = [Image.open(io.BytesIO(picture(number))) for number in range(3)]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    names = [f"scan.tif#page={page}" for page in (1, 2, 3)]

    def listed(count):
        columns = {"id": names[:count], "file_page": pa.array(range(1, count + 1), pa.int32())}
        return write_manifest(tmp_path, ["scan.tif"] * count, **columns)

    do(tmp_path / "runs/1", listed(2))
    listed(3)
    found = new(tmp_path)
    assert ids(found) == names[2:]
    (tmp_path / "new.parquet").write_bytes(found.data)
    do(tmp_path / "runs/2", tmp_path / "new.parquet")
    rows = results(tmp_path / "runs/1") | results(tmp_path / "runs/2")
    assert [(rows[name]["page"], rows[name]["pages"], rows[name]["status"]) for name in names] == [
        (1, 3, "ok"),
        (2, 3, "ok"),
        (3, 3, "ok"),
    ]
    with pytest.raises(NothingNew):
        new(tmp_path, root="3")
