"""Describers in a worker: they give words to prompts, and whatever goes wrong with them costs nothing else."""

import dataclasses

import numpy as np
import pytest
import tiny_models
from photo_archive import loaded, picture, record, results, settings, spec, store_photos, write_plan
from PIL import Image

from pasd_batch.batch.worker import overlap
from pasd_batch.batch.worker.describe_stage import DescribeStage
from pasd_batch.batch.worker.model_stage import ModelStage, ProcessPoisoned
from pasd_batch.batch.worker.models import ModelLoaders, WorkerModels
from pasd_batch.batch.worker.shard_worker import ShardState, ShardWorker
from pasd_batch.describe.describer import Finding
from pasd_batch.photos.photo import GRAY_BACKGROUND
from pasd_batch.records import Description, FoundBox, FoundObject, Stage

DOGS = (FoundObject("dog", 2, 0.9),)
LAWN = Finding(Description(caption="a lawn"))


class FakeDescriber:
    """Says the same of every photo, and keeps what it is given."""

    def __init__(self, name="caption", finding=LAWN):
        self.name, self.finding, self.seen, self.works = name, finding, [], []

    def describe(self, photos, work):
        self.seen.append(list(photos))
        self.works.append(work)
        return [self.finding for _ in photos]


class FailingDescriber(FakeDescriber):
    """Raises what `error_of` gives for the photos, if anything."""

    def __init__(self, error_of, **options):
        super().__init__(**options)
        self.error_of = error_of

    def describe(self, photos, work):
        findings = super().describe(photos, work)
        if error := self.error_of(photos, work):
            raise error
        return findings


def describe(batch, *describers, **changes):
    DescribeStage(settings("/run", **changes), describers).describe(batch)
    return [photo.state.row for photo in batch]


def test_what_several_describers_say_is_one_description_and_their_time_is_shared():
    batch = [loaded(0), loaded(1)]
    rows = describe(
        batch,
        FakeDescriber(),
        FakeDescriber("detect", Finding(Description(objects=DOGS))),
        FakeDescriber("classify", Finding(Description(class_name="tabby", class_score=0.5))),
    )
    for row in rows:
        assert row.description == Description("a lawn", DOGS, "tabby", 0.5)
        assert row.warnings == []
        assert row.seconds[Stage.DESCRIBE] == rows[0].seconds[Stage.DESCRIBE] > 0
        assert row.values()["description"] == {
            "caption": "a lawn",
            "objects": ({"name": "dog", "count": 2, "score": 0.9},),
            "class_name": "tabby",
            "class_score": 0.5,
        }


def test_without_describers_nothing_is_said_and_no_time_taken():
    (row,) = describe([loaded(0)])
    assert (row.description, row.seconds, row.values()["description"]) == (None, {}, None)


def test_describers_see_256_levels_of_photos_as_they_are_seen():
    photo = loaded(0)
    alpha = np.zeros((8, 8), np.float32)
    alpha[:, :4] = 1.0
    pixels = np.full((8, 8, 3), 0.999, np.float32)
    photo = dataclasses.replace(photo, photo=dataclasses.replace(photo.photo, pixels=pixels, alpha=alpha))
    describer = FakeDescriber()
    describe([photo], describer)
    ((seen,),) = describer.seen
    assert (seen.dtype, seen.shape) == (np.uint8, (8, 8, 3))
    assert set(seen[:, :4].ravel()) == {255}
    assert set(seen[:, 4:].ravel()) == {round(GRAY_BACKGROUND * 255)}


def test_found_things_that_have_a_fidelity_of_their_own_are_in_the_row_and_go_to_the_restorer():
    """Names go into the prompt only if they should."""
    dog, man = FoundBox("Dog", 0.9, 1, 1, 5, 6), FoundBox("man", 0.8, 0, 0, 4, 4)
    seen = []

    class Keeper(PromptKeeper):
        def restore(self, photos, *, regions=None, **options):
            seen.append(regions)
            return super().restore(photos, **options)

    detect = {"weights": "yolos", "in_prompt": False}
    model = {"base": "base", "control": "control"}
    sampling = {"prompt": "an archive", "regions": [{"class": "dog", "fidelity": 0.8}]}
    changes = {"restoration": {"model": model, "sampling": sampling, "describe": {"detect": detect}}}
    batch, keeper = [loaded(0), loaded(1)], Keeper()
    found = FakeDescriber("detect", Finding(Description(objects=DOGS), boxes=(dog, man)))
    unsure = FakeDescriber("detect", Finding(doubt="dog has 0.1"))
    rows = describe(batch[:1], found, **changes) + describe(batch[1:], unsure, **changes)
    ModelStage(settings("/run", **changes), WorkerModels(keeper, None)).restore(batch)
    assert [row.regions for row in rows] == [[dog], []]
    lost = "the prompt goes without what it would say, and no region has a fidelity of its own"
    assert rows[1].warnings == [f"detect: dog has 0.1; {lost}"]
    assert rows[0].values()["regions"] == [dataclasses.asdict(dog)]
    ((regions, none),) = seen
    assert (regions.boxes, regions.mask, none) == ((dog,), None, None)
    assert keeper.prompts == ["an archive", "an archive"]
    assert describe([loaded(0)], found)[0].regions is None


def test_a_doubt_is_a_warning_and_the_other_describers_words_stay():
    unsure = FakeDescriber("classify", Finding(doubt="tabby has 0.07, less than the threshold 0.1"))
    (row,) = describe([loaded(0)], unsure, FakeDescriber())
    assert row.description == Description("a lawn")
    assert row.warnings == [
        "classify: tabby has 0.07, less than the threshold 0.1; the prompt goes without what it would say"
    ]


def test_a_photo_that_a_describer_cannot_take_costs_the_others_nothing():
    dark = loaded(1)
    dark = dataclasses.replace(dark, photo=dataclasses.replace(dark.photo, pixels=dark.photo.pixels * 0))
    describer = FailingDescriber(
        lambda photos, work: ValueError("too dark") if any(p.max() == 0 for p in photos) else None
    )
    rows = describe([loaded(0), dark, loaded(2)], describer)
    assert [row.description.caption for row in rows] == ["a lawn", None, "a lawn"]
    assert rows[1].warnings == ["caption: ValueError: too dark; the prompt goes without what it would say"]
    assert rows[0].warnings == rows[2].warnings == []
    assert [len(photos) for photos in describer.seen] == [3, 1, 1, 1]
    assert all(work.filled for work in describer.works)


def test_batches_are_not_filled_up_where_memory_is_short():
    describer = FailingDescriber(lambda photos, work: RuntimeError("CUDA out of memory") if work.filled else None)
    rows = describe([loaded(0), loaded(1)], describer)
    assert [row.description.caption for row in rows] == ["a lawn", "a lawn"]
    assert [(len(photos), work.filled) for photos, work in zip(describer.seen, describer.works, strict=True)] == [
        (2, True),
        (1, False),
        (1, False),
    ]
    (row,) = describe([loaded(0)], FailingDescriber(lambda photos, work: RuntimeError("CUDA out of memory")))
    assert row.warnings == ["caption: RuntimeError: CUDA out of memory; the prompt goes without what it would say"]


def test_a_lost_gpu_ends_the_process():
    lost = FailingDescriber(lambda photos, work: RuntimeError("CUDA error: an illegal memory access was encountered"))
    with pytest.raises(ProcessPoisoned, match="illegal memory access"):
        describe([loaded(0)], lost)


def test_when_the_time_is_up_what_is_not_said_yet_is_missing(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(overlap.time, "monotonic", lambda: clock[0])

    class Slow(FakeDescriber):
        def describe(self, photos, work):
            for _ in range(3):
                work.check()
                clock[0] += 9.0
            return super().describe(photos, work)

    rows = describe(
        [loaded(0), loaded(1)],
        FakeDescriber("detect", Finding(Description(objects=DOGS))),
        Slow(),
        FakeDescriber("classify", Finding(Description(class_name="tabby"))),
        deadlines={"describe": 10},
    )
    told = "describing took longer than 20 s; raise deadlines.describe; the prompt goes without what it would say"
    for row in rows:
        assert row.description == Description("a lawn", DOGS)  # 27 s: the last look at the clock was at 18 s
        assert row.warnings == [f"classify: {told}"]


class PromptKeeper:
    def restore(self, photos, *, prompts, seeds, samplings=None, palettes=None, regions=None, on_step=None):
        self.prompts = prompts
        return [tiny_models.Restored(photo, prompt) for photo, prompt in zip(photos, prompts, strict=True)]


def test_the_prompt_is_composed_of_own_prompt_and_description_with_substitutions():
    keeper = PromptKeeper()
    named = {"base": "base", "control": "control"}
    run = settings("/run", restoration={"model": named, "sampling": {"prompt": "an archive"}})
    batch = [loaded(0), loaded(1), loaded(2)]
    own = dataclasses.replace(batch[1].state.record, prompt="Uncle Joe")
    batch[1] = dataclasses.replace(batch[1], state=dataclasses.replace(batch[1].state, record=own))
    for photo in batch[:2]:
        photo.state.row.description = Description("a blurry lawn", DOGS)
    ModelStage(run, WorkerModels(keeper, None)).restore(batch)
    assert keeper.prompts == ["an archive, a clear lawn, 2 dog", "Uncle Joe, a clear lawn, 2 dog", "an archive"]


@pytest.fixture
def described(describer_folder, tmp_path):
    """Runs over eight photos with real describers, by what the function is given: name of the run and changes."""
    store_photos(tmp_path / "in", {f"{number}.png": picture(number) for number in range(8)})
    photos = [record(tmp_path / "in" / f"{number}.png", prompt="Joe" if number == 0 else None) for number in range(8)]
    kinds = {"classify": "resnet", "detect": "yolos", "caption": "blip"}
    describers = {name: {"weights": str(describer_folder(kind))} for name, kind in kinds.items()}
    describers["classify"]["threshold"] = 0.4
    loaders = ModelLoaders(tiny_models.load_restorer, tiny_models.load_scorer, tiny_models.fingerprint)

    def run(name, records=photos, describe=describers, **changes):
        write_plan(tmp_path / name, records, shard_size=8)
        if changes.get("mode") == "describe":
            changes |= {"output": {"manifest": str(tmp_path / f"{name}.parquet")}}
        run_settings = settings(tmp_path / name, restoration={"describe": describe}, **changes)
        run_spec = spec(run_settings, loaders)
        if changes.get("mode") == "describe":
            run_spec = dataclasses.replace(run_spec, score_columns=())
        (outcome,) = [ShardWorker(run_spec).run(0)]
        assert outcome.state is ShardState.COMMITTED, outcome
        return results(tmp_path / name)

    return run


def pixels(row):
    """A restored photo's pixels; its file names the settings, which are others in another run."""
    return Image.open(row["output_uri"]).tobytes()


def test_a_run_describes_photos_and_prompts_say_what_was_seen(described):
    rows = described("run").values()
    said = {row["prompt_used"] for row in rows}
    assert len(said) > 3
    for row in rows:
        assert row["status"] == "ok"
        description = row["description"]
        regions = ["Joe" if row["photo_id"] == "0.png" else None]
        regions += [(description["caption"] or "").replace("blurry", "clear").replace("noisy", "clean")]
        regions += [f"{each['count']} {each['name']}" for each in description["objects"]]
        regions += [description["class_name"], "clean"]
        expected = [part for part in regions if part]
        assert row["prompt_used"].split(", ") == list(dict.fromkeys(expected))
        assert row["seconds"]["describe"] > 0
        unsaid = sum(not description[name] for name in ("caption", "objects", "class_name"))
        assert len(row["warnings"]) == unsaid
    assert any(row["warnings"] for row in rows)
    assert any(row["description"]["objects"] for row in rows)


def test_a_run_that_only_describes_gives_the_prompts_of_one_that_restores_too(described):
    restored = described("run")
    rows = described("described", mode="describe", workers={"photo_batch": 3})
    assert rows.keys() == restored.keys()
    for name, row in rows.items():
        assert (row["description"], row["warnings"]) == (restored[name]["description"], restored[name]["warnings"])
        assert f"{row['prompt_used']}, clean".removeprefix(", ") == restored[name]["prompt_used"].removeprefix(", ")
        assert "scores" not in row
        assert row["output_path"] is row["output_sha256"] is row["scale"] is row["seed"] is None
    # A later run takes these prompts, and gives the same photos.
    again = described(
        "again",
        [record(row["uri"], prompt=row["prompt_used"]) for row in rows.values()],
        describe={},
    )
    for name, row in again.items():
        assert pixels(row) == pixels(restored[name])
        assert row["prompt_used"] == restored[name]["prompt_used"]
        assert row["description"] is None
