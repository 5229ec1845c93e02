"""Planning on a real Ray: whole manifests in shards, nothing twice, nothing lost, the same every time."""

import itertools
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pasd_batch.batch.planning import repeated_keys, small_manifests
from pasd_batch.batch.planning.checked_manifest import CheckedManifest, cut_spans
from pasd_batch.batch.planning.estimate import PlanSummary, plan_summary
from pasd_batch.batch.planning.photo_work import photo_work
from pasd_batch.batch.planning.plan import check_manifest, plan_is_complete, write_plan
from pasd_batch.config.manifest import ManifestFormat, ManifestSettings
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.run import RunSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.pieces import ManifestPiece
from pasd_batch.records import PLAN_SCHEMA, records_of
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.storage import NotFound, Storage

pytestmark = pytest.mark.usefixtures("ray_cluster")


@pytest.fixture(autouse=True)
def all_are_large(monkeypatch):
    monkeypatch.setattr(small_manifests, "SMALL_BYTES", -1)


def check(path: str | Path) -> CheckedManifest:
    return check_manifest(
        ManifestSettings(path=str(path)), StorageSettings(allowed_folders=frozenset({"/x"})), suffix=".png"
    )


def planned(folder: Path) -> list[dict]:
    shards = sorted((folder / "plan").iterdir())
    assert [shard.name for shard in shards] == [f"shard-{number:06d}.parquet" for number in range(len(shards))]
    return [row for shard in shards for row in pq.read_table(shard).to_pylist()]


def write_manifests(folder: Path, rows: list[dict]) -> None:
    """The rows in order in files of three formats and uneven sizes, one of them without a row."""
    folder.mkdir()
    cuts = [0, 41, 42, 42, 200, len(rows)]
    for number, (start, stop) in enumerate(itertools.pairwise(cuts)):
        part = rows[start:stop]
        if number == 2:
            (folder / "part-2.csv").write_text("uri,id,note\n")
        elif number % 2:
            lines = "".join(f"{row['uri']},{row['id']},{row['note']}\n" for row in part)
            (folder / f"part-{number}.csv").write_text("uri,id,note\n" + lines)
        elif number == 4:
            (folder / f"part-{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
        else:
            pq.write_table(pa.Table.from_pylist(part), folder / f"part-{number}.parquet", row_group_size=7)


def test_a_small_manifest_is_planned_here_as_ray_plans_it(tmp_path, monkeypatch):
    rows = [{"uri": f"s3://b/{n // 2}.{('jpg', 'tif')[n % 2]}", "id": f"id{n}", "note": f"n{n}"} for n in range(333)]
    write_manifests(tmp_path / "m", rows)
    by_ray = check(tmp_path / "m")
    monkeypatch.setattr(small_manifests, "SMALL_BYTES", 1 << 20)
    here = check(tmp_path / "m")
    assert (here.here, by_ray.here) == (True, False)
    assert (here.survey, here.pieces) == (by_ray.survey, by_ray.pieces)
    assert here.colliding.tolist() == by_ray.colliding.tolist() != []
    for name, checked in (("ray", by_ray), ("here", here)):
        write_plan(checked, Storage.open(str(tmp_path / name)), shard_size=50)
    files = [sorted((tmp_path / name / "plan").iterdir()) for name in ("ray", "here")]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]


def test_every_row_is_planned_once_and_in_order_whatever_the_files(tmp_path):
    rows = [{"uri": f"s3://b/{n % 7}/{n}.jpg", "id": f"id{n}", "note": f"n{n}"} for n in range(333)]
    write_manifests(tmp_path / "m", rows)
    checked = check(tmp_path / "m")
    assert checked.photos == 333
    storage = Storage.open(str(tmp_path / "run"))
    assert write_plan(checked, storage, shard_size=10) == 34
    assert plan_is_complete(RunFolder(storage, StorageSettings()), 34)
    plan = planned(tmp_path / "run")
    assert [row["photo_id"] for row in plan] == [row["id"] for row in rows]
    assert [row["output_path"] for row in plan] == [f"{n % 7}/{n}.png" for n in range(333)]
    assert [row["note"] for row in plan] == [row["note"] for row in rows]
    first = pq.read_table(tmp_path / "run/plan/shard-000000.parquet")
    assert first.num_rows == 10
    assert first.schema.names == [*PLAN_SCHEMA.names, "note"]
    assert records_of(first)[5].extra == {"note": "n5"}


def test_planning_again_writes_the_same_bytes_and_the_shard_size_changes_no_row(tmp_path):
    rows = [{"uri": f"/x/{n}.jpg", "id": str(n), "note": ""} for n in range(250)]
    write_manifests(tmp_path / "m", rows)
    checked = check(tmp_path / "m")
    for run, shard_size in [("one", 64), ("two", 64), ("three", 1000)]:
        write_plan(checked, Storage.open(str(tmp_path / run)), shard_size=shard_size)
    for shard in (tmp_path / "one/plan").iterdir():
        assert shard.read_bytes() == (tmp_path / "two/plan" / shard.name).read_bytes()
    assert planned(tmp_path / "one") == planned(tmp_path / "three")
    assert check(tmp_path / "m").fingerprint == checked.fingerprint


@pytest.mark.parametrize("in_one_block", [True, False])
def test_duplicates_and_collisions_are_found_across_files(tmp_path, monkeypatch, in_one_block):
    if not in_one_block:
        monkeypatch.setattr(repeated_keys, "_ROWS_IN_ONE_BLOCK", 10)
        monkeypatch.setattr(repeated_keys, "_ROWS_PER_BUCKET", 40)
    (tmp_path / "a.csv").write_text("uri\n" + "".join(f"/x/{n}.jpg\n" for n in range(100)))
    (tmp_path / "b.csv").write_text("uri\n" + "".join(f"/x/{n}.JPG\n" for n in range(99, 150)) + "/x/7.png\n")
    checked = check(tmp_path)
    assert checked.colliding.tolist() == [7, 99, 100, 151]
    write_plan(checked, Storage.open(str(tmp_path / "run")), shard_size=50)
    paths = [row["output_path"] for row in planned(tmp_path / "run")]
    assert len({path.casefold() for path in paths}) == 152
    assert [number for number, path in enumerate(paths) if "~" in path] == [7, 99, 100, 151]

    (tmp_path / "c.csv").write_text("uri\n/x/a.jpg\n/x/3.jpg\n/x/140.JPG\n")
    with pytest.raises(ManifestError) as error:
        check(tmp_path / "*.csv")
    message = str(error.value)
    assert "4 rows share their photo's id" in message
    for place in ["a.csv, row 4: URI '/x/3.jpg'", "c.csv, row 2: URI", "b.csv, row 42: URI", "c.csv, row 3: URI"]:
        assert place in message
    assert "remove all but one" in message


def test_duplicate_given_ids_are_named(tmp_path):
    (tmp_path / "m.csv").write_text("uri,id\n/x/1.jpg,one\n/x/2.jpg,two\n/x/3.jpg,one\n")
    with pytest.raises(ManifestError, match="row 1: id 'one'") as error:
        check(tmp_path / "m.csv")
    assert "row 3: id 'one'" in str(error.value)
    assert "two" not in str(error.value)


def test_duplicate_uris_are_named_without_their_secrets(tmp_path):
    (tmp_path / "m.csv").write_text("uri\n" + "s3://h/1.jpg?sig=SECRET\n" * 2)
    with pytest.raises(ManifestError, match=r"row 1: URI 's3://h/1.jpg\?sig=\*\*\*'") as error:
        check(tmp_path / "m.csv")
    assert "SECRET" not in str(error.value)


def test_problems_of_several_files_come_in_one_message(tmp_path):
    (tmp_path / "a.csv").write_text("path\nx\n")
    (tmp_path / "b.jsonl").write_text("{\n")
    (tmp_path / "c.csv").write_text("uri\nx.jpg\n")
    with pytest.raises(ManifestError) as error:
        check(tmp_path)
    assert "a.csv: no column 'uri'" in str(error.value)
    assert "b.jsonl, line 1: not JSON" in str(error.value)
    assert "Failed to apply UDF" not in str(error.value)


def test_a_manifest_that_changes_between_check_and_plan_is_noticed(tmp_path):
    (tmp_path / "m.csv").write_text("uri\n" + "".join(f"/x/{n}.jpg\n" for n in range(20)))
    checked = check(tmp_path / "m.csv")
    (tmp_path / "m.csv").write_text("uri\n/x/1.jpg\n")
    with pytest.raises(ManifestError, match="changed while it was planned"):
        write_plan(checked, Storage.open(str(tmp_path / "run")), shard_size=10)
    (tmp_path / "m.csv").unlink()
    with pytest.raises(NotFound):
        write_plan(checked, Storage.open(str(tmp_path / "run")), shard_size=10)


@pytest.mark.parametrize("shard_size", [1, 3, 10, 64, 1000])
@pytest.mark.parametrize("target_rows", [1, 30, 10_000])
def test_spans_cover_every_row_once_and_begin_with_a_shard(shard_size, target_rows):
    counts = [5, 0, 100, 1, 1, 1, 64, 0, 37]
    starts = [sum(counts[:index]) for index in range(len(counts))]
    pieces = [ManifestPiece(f"/{index}", ManifestFormat.CSV) for index in range(len(counts))]
    spans = cut_spans(pieces, starts, sum(counts), shard_size=shard_size, target_rows=target_rows)
    assert [span.first for span in spans] == [0, *(span.stop for span in spans[:-1])]
    assert spans[-1].stop == sum(counts)
    for span in spans:
        assert span.first % shard_size == 0
        own = [int(piece.uri[1:]) for piece in span.pieces]
        assert starts[own[0]] + span.skip == span.first
        assert span.skip < max(counts[own[0]], 1)
        assert starts[own[-1]] + counts[own[-1]] >= span.stop


def test_a_dry_run_sums_up_and_writes_nothing(tmp_path):
    sizes = [(100, 100)] * 30 + [(4000, 3000)] * 10 + [(0, 0)] * 10
    table = {"uri": [f"/x/{n}.jpg" for n in range(50)], "width": [w for w, _ in sizes], "height": [h for _, h in sizes]}
    pq.write_table(pa.table(table), tmp_path / "m.parquet")
    settings = RunSettings.parse(
        {"manifest": {"path": str(tmp_path / "m.parquet")}, "output": {"root": str(tmp_path / "run")}, "shard_size": 8}
        | {"storage": {"allowed_folders": ["/x"]}}
    )
    summary = plan_summary(settings, suffix=".png")
    one = photo_work(settings.restoration)
    assert (one(100, 100, None).tiles, one(4000, 3000, None).tiles > 10) == (1, True)
    twice = photo_work(RestorationSettings.parse({"passes": [{"sampling": {"scale": 2}}] * 2}))
    assert twice(1000, 800, None).tiles == one(1000, 800, None).tiles + one(2000, 1600, None).tiles
    assert (summary.photos, summary.shards, summary.work.sized_rows) == (50, 7, 40)
    assert summary.work.tiles == 30 + 10 * one(4000, 3000, None).tiles
    assert summary.tiles is not None
    assert summary.tiles == round(summary.work.tiles * 50 / 40)
    assert summary.seconds(seconds_per_tile=2, workers=2) == pytest.approx(summary.tiles, abs=1)
    assert not (tmp_path / "run").exists()
    assert any("sizes known of 40 photos" in line for line in summary.lines())


def test_a_run_that_only_scores_has_no_lines_about_tiles():
    assert any("tiles" in line for line in PlanSummary(3, 1).lines())
    assert PlanSummary(3, 1, restores=False).lines() == ["photos: 3", "shards: 1"]


def test_a_dry_run_looks_at_photos_own_settings_and_their_steps(tmp_path):
    rows = [("2", "8"), ("1", None), (None, None), ("fast", None)]
    table = {"uri": [f"/x/{n}.jpg" for n in range(4)], "width": [100] * 4, "height": [100] * 4}
    table |= {"steps": [steps for steps, _ in rows], "factor": [scale for _, scale in rows]}
    pq.write_table(pa.table(table), tmp_path / "m.parquet")
    columns = {"steps": "steps", "scale": "factor"}
    manifest, output = {"path": str(tmp_path / "m.parquet"), "columns": columns}, {"root": str(tmp_path / "run")}
    settings = RunSettings.parse(
        {"manifest": manifest, "output": output}
        | {"storage": {"allowed_folders": ["/x"]}, "restoration": {"sampling": {"steps": 4, "scale": 2}}}
    )
    summary = plan_summary(settings, suffix=".png")
    one = photo_work(settings.restoration)
    large = one(100, 100, '{"scale": 8}').tiles
    assert (summary.work.sized_rows, summary.work.tiles) == (3, large + 2)
    assert summary.work.effort == large * 2 / 4 + 1 / 4 + 1
    assert summary.work.refused == 1
    assert any("photos that will fail: 1; of one, " in line and "steps" in line for line in summary.lines())
    assert any(line.startswith("largest result: ") for line in summary.lines())
