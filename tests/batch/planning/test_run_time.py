"""Estimates of a run's time from photos that are drawn by size."""

import random
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_models
from checked_manifests import checked
from photo_archive import BAD, picture, settings, store_photos

from pasd_batch.batch.driver.dry_run import plan_archive
from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.plan_sample import describe_sample
from pasd_batch.batch.planning import drawing
from pasd_batch.batch.planning.drawing import DrawnPhotos, draw_photos
from pasd_batch.batch.planning.run_time import TimeEstimate, time_of_all
from pasd_batch.batch.worker.sampling_run import SampledPhotos, sample_photos
from pasd_batch.cluster.datasets import rows_of_parts


@pytest.fixture
def without_ray(monkeypatch):
    monkeypatch.setattr(drawing, "rows_of_parts", partial(rows_of_parts, here=True))


def write_manifest(path, sizes, **columns):
    """A manifest of square photos of these sides; None: without sizes."""
    names = [f"{number}.png" for number in range(len(sizes))]
    columns |= {"uri": [str(path.parent / name) for name in names], "id": names}
    if sizes[0] is not None:
        columns |= {"width": sizes, "height": sizes}
    pq.write_table(pa.table(columns), path)
    return path


def test_photos_are_drawn_in_proportion_to_their_size(tmp_path, without_ray):
    sides = [100] * 180 + [300] * 20  # half of all pixels each
    drawn = draw_photos(checked(write_manifest(tmp_path / "m.parquet", sides)), 20, seed=1)
    assert len({record.photo_id for record in drawn.records}) == 20
    assert drawn.rest == 180 * 100**2 + 20 * 300**2
    assert sum(size == 300**2 for size in drawn.sizes) == 10
    assert not any(drawn.certain)
    assert {record.photo_id for record in drawn.records} <= {f"{number}.png" for number in range(200)}
    assert all(record.uri.endswith(record.photo_id) for record in drawn.records)
    assert drawn == draw_photos(checked(tmp_path / "m.parquet"), 20, seed=1)


def test_without_sizes_every_photo_has_the_same_chance(tmp_path, without_ray):
    drawn = draw_photos(checked(write_manifest(tmp_path / "m.parquet", [None] * 10)), 5, seed=0)
    assert drawn.rest == 10
    assert len({record.photo_id for record in drawn.records}) == 5


@pytest.mark.parametrize("sides", [[10, 10], [10, 20, 4000], [None] * 3])
def test_of_fewer_photos_than_are_asked_for_each_is_drawn_once(tmp_path, without_ray, sides):
    for count in (len(sides), 7):
        drawn = draw_photos(checked(write_manifest(tmp_path / "m.parquet", sides)), count, seed=0)
        assert [record.photo_id for record in drawn.records] == [f"{number}.png" for number in range(len(sides))]
        assert (drawn.rest, drawn.certain) == (0.0, (True,) * len(sides))
        seconds = [2.0 * size for size in drawn.sizes]
        estimate = time_of_all(seconds, drawn.sizes, drawn.certain, rest=drawn.rest)
        assert estimate == TimeEstimate(sum(seconds), sum(seconds), sum(seconds))


def test_no_photo_is_drawn_twice_however_large_and_the_estimate_is_unbiased(tmp_path, without_ray, monkeypatch):
    monkeypatch.setattr("pasd_batch.batch.planning.checked_manifest._SPAN_ROWS", 7)  # several parts of the manifest
    generator = random.Random(3)
    sides = [round(10 * generator.lognormvariate(0, 1)) + 1 for _ in range(25)] + [300, 200]
    table = pq.read_table(write_manifest(tmp_path / "m.parquet", sides))
    for start in range(0, len(sides), 7):
        pq.write_table(table.slice(start, 7), tmp_path / f"part-{start:02d}.parquet")
    found = checked(tmp_path / "part-*.parquet")
    assert len(found.spans()) == 4
    # Not in proportion to the sizes, so that it matters how often each is drawn.
    seconds = {f"{number}.png": 1.0 + side for number, side in enumerate(sides)}
    estimates = []
    for seed in range(60):
        drawn = draw_photos(found, 8, seed=seed)
        names = [record.photo_id for record in drawn.records]
        assert len(set(names)) == 8
        assert {"25.png", "26.png"} <= {name for name, sure in zip(names, drawn.certain, strict=True) if sure}
        taken = [seconds[name] for name in names]
        estimates.append(time_of_all(taken, drawn.sizes, drawn.certain, rest=drawn.rest).seconds)
    assert np.mean(estimates) == pytest.approx(sum(seconds.values()), rel=0.1)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    generator = random.Random(0)
    sizes = [generator.lognormvariate(0, 1) for _ in range(2000)]
    seconds = [size * generator.lognormvariate(0, 0.3) for size in sizes]
    covered, errors = 0, []
    for _ in range(400):
        chosen = generator.choices(range(2000), weights=sizes, k=12)
        pairs = [(seconds[at], sizes[at]) for at in chosen]
        estimate = time_of_all(*zip(*pairs, strict=True), [False] * 12, rest=sum(sizes))
        covered += estimate.low <= sum(seconds) <= estimate.high
        errors.append(estimate.seconds / sum(seconds) - 1)
    assert 0.91 < covered / 400 < 0.98
    assert abs(np.mean(errors)) < 0.02  # it is unbiased


def test_one_photo_leaves_no_interval():
    assert time_of_all([2.0], [4.0], [False], rest=40.0) == TimeEstimate(20.0)
    assert time_of_all([2.0, 7.0], [4.0, 90.0], [False, True], rest=40.0) == TimeEstimate(27.0)


def test_a_sample_is_timed_and_stores_nothing(tmp_path, without_ray):
    store_photos(tmp_path, {"0.png": picture(0), "1.png": BAD["corrupt"], "2.png": picture(2), "3.png": picture(3)})
    masks, likenesses = [None, None, "gone.png", None], [None, None, None, "gone.jpg"]
    found = checked(write_manifest(tmp_path / "m.parquet", [30] * 4, mask_uri=masks, reference_uri=likenesses))
    drawn = draw_photos(found, 4, seed=0)
    run_settings = settings(tmp_path / "run")
    told = run_settings.model_copy(update={"storage": run_settings.storage.with_folders(found.folders)})
    sampled = sample_photos(told, tiny_models.TINY, drawn.records)
    assert len(sampled.seconds) == 4
    assert all(taken > 0 for taken in sampled.seconds)
    assert (sampled.failed, sampled.node_type) == (3, None)
    told = {line.partition("; ")[0]: line for line in sampled.failures}
    assert {"1 fail (mask, NotFound)", "1 fail (reference, NotFound)"} < told.keys()
    assert len(told) == 3
    assert f"2.png: {tmp_path}/gone.png" in told["1 fail (mask, NotFound)"]
    assert not (tmp_path / "run").exists()


def test_a_plan_tells_time_with_an_interval_and_cost_from_a_sample(ray_cluster, archive, tmp_path):
    planned = settings(tmp_path / "run", archive.manifest.parent / "in", workers={"price_per_hour": 3600.0})
    report = plan_archive(planned, loaders=tiny_models.TINY, sample=4)
    assert report.exit_code is ExitCode.DONE, report.message
    sample, *failures, time, cost = report.message[report.message.index("sample: ") :].splitlines()
    assert all(line.startswith("warning: of the sample, ") for line in failures)
    assert sample.startswith("sample: 4 photos, drawn at random")
    assert time.startswith("time: about 0:00:")
    assert "95 % interval" in time
    assert cost.startswith("cost: about ")
    _, *costs = describe_sample(
        DrawnPhotos((None,), (1.0,), (True,), 0.0),
        SampledPhotos((3600.0,), 0, "spot"),
        TimeEstimate(3600.0, 3600.0, 3600.0),
        1,
        {"a10g": 1.0},
    )
    assert costs[0].startswith("time: about 1:00:00 with 1 worker(s)")
    assert "no price for nodes of type spot; add it, or `default` for all others" in costs[1]
    assert not list((tmp_path / "run").rglob("*.parquet"))
