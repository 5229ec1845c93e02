"""`restore_photos` against runs over the same photos: byte for byte, whatever the format."""

import dataclasses
import hashlib
import logging
import threading
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from folder_run import run_over_folder
from icc_profiles import gamma_curve, matrix_profile
from photo_archive import BAD, store_photos, without_traces
from photo_files import avif, deep_picture, picture, png16, saved, tiff
from PIL import Image

from pasd_batch.batch.local.errors import CannotRestore, RestorationStopped
from pasd_batch.batch.local.restoring import restore_photos
from pasd_batch.batch.worker.model_stage import ProcessPoisoned
from pasd_batch.batch.worker.models import ModelLoaders
from pasd_batch.config.restore import RestoreSettings
from pasd_batch.records import RESULT_SCHEMA, Status
from pasd_batch.storage.storage import Storage

PHOTO_SETTINGS = {"sampling": {"scale": 1.5, "steps": 2, "min_short_side": 64, "seed": 7, "guidance_scale": 2.0}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Photos of many kinds with much metadata in a tree, two that differ in their endings alone, and broken ones."""
    folder = tmp_path_factory.mktemp("photos") / "in"
    color, alpha = Image.fromarray(picture()), Image.fromarray(picture(channels=4))
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x9003] = "Maker", 6, "2020:01:02 03:04:05"
    profile = matrix_profile(np.eye(3) * [0.4, 0.3, 0.3], gamma_curve(1.8))
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'
    store_photos(
        folder,
        {
            "a.jpg": saved(color, "JPEG", exif=exif, icc_profile=profile, dpi=(300, 300), comment=b"a comment"),
            "a.png": png16(deep_picture()),
            "sub/grey.tif": tiff(deep_picture(1)[..., 0]),
            "sub/deep/\u00c4 name with spaces.webp": saved(alpha, "WEBP", lossless=True, xmp=xmp),
            "sub/deep/wide.avif": avif(picture(16, 90)),
            "sub/empty.jpg": BAD["empty"],
            "truncated.png": BAD["truncated"],
        },
    )
    return folder


@pytest.fixture(scope="module")
def untrained(tmp_path_factory) -> dict[str, str]:
    from pasd_batch.pasd.untrained import TINY, save_untrained

    model = tmp_path_factory.mktemp("model")
    save_untrained(model, TINY, seed=0)
    return {"base": str(model), "control": str(model), "device": "cpu"}


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("file", "loaders"),
    [
        ({"format": "png"}, ModelLoaders()),
        ({"format": "jpeg", "quality": 80, "subsampling": "4:2:0"}, tiny_models.TINY),
        ({"format": "webp", "lossless": True}, tiny_models.TINY),
        ({"format": "tiff", "compression": 1}, tiny_models.TINY),
    ],
)
def test_a_folder_comes_out_as_in_a_run_byte_for_byte(folder, untrained, tmp_path, file, loaders):
    chosen = {"model": untrained, **PHOTO_SETTINGS}
    rows = run_over_folder(
        folder,
        tmp_path / "run",
        loaders,
        output={"file": file},
        restoration=chosen,
        workers={"photo_batch": 3},
        limits={"max_pixels": 100_000},
    )
    settings = RestoreSettings.parse({**chosen, "output": {"file": file}})
    restored = restore_photos([folder], tmp_path / "out", settings, loaders=loaders)
    made = files(tmp_path / "out")
    assert len(made) == 5
    assert made == files(tmp_path / "run" / "images")
    own = {"config_fingerprint", "manifest_fingerprint"}
    for row in restored:
        run_row = without_traces(rows[row["photo_id"]])
        assert {name: run_row.get(name) for name in RESULT_SCHEMA.names if name in run_row and name not in own} == {
            name: value for name, value in without_traces(row).items() if name not in own
        }


def test_every_page_comes_out_as_in_a_run_each_in_a_file_of_its_own(tmp_path):
    pages = [Image.fromarray(np.roll(picture(), 5 * step, axis=1)) for step in range(3)]
    store_photos(
        tmp_path / "in",
        {
            "scan.tif": saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]),
            "scan-p0002.png": saved(pages[0], "PNG"),
            "sub/moving.gif": saved(pages[0], "GIF", save_all=True, append_images=pages[1:]),
            "broken.tif": b"II*\0 no directory",
        },
    )
    manifest = {"path": str(tmp_path / "run/manifest.parquet"), "pages": "every"}
    rows = run_over_folder(tmp_path / "in", tmp_path / "run", tiny_models.TINY, manifest=manifest)
    told: list[int] = []
    restored = restore_photos(
        [tmp_path / "in"],
        tmp_path / "out",
        RestoreSettings(),
        loaders=tiny_models.TINY,
        pages="every",
        on_progress=lambda now: told.append(now.photos),
    )
    made = files(tmp_path / "out")
    assert made == files(tmp_path / "run" / "images")
    marks = {name: hashlib.sha256(name.encode()).hexdigest()[:16] for name in ("scan.tif#page=2", "scan-p0002.png")}
    assert set(made) == {
        "scan-p0001.png",
        *(f"scan-p0002~{mark}.png" for mark in marks.values()),
        "scan-p0003.png",
        *(f"sub/moving-p000{page}.png" for page in (1, 2, 3)),
    }
    assert set(told) == {8}
    assert {row["photo_id"]: (row["page"], row["pages"]) for row in restored} == {
        **{f"{name}#page={page}": (page, 3) for name in ("scan.tif", "sub/moving.gif") for page in (1, 2, 3)},
        "scan-p0002.png": (None, 1),
        "broken.tif": (None, None),
    }
    assert {name: row["status"] for name, row in rows.items()} == {row["photo_id"]: row["status"] for row in restored}
    assert restore_photos([tmp_path / "in/scan.tif"], tmp_path / "first", loaders=tiny_models.TINY)[0]["page"] is None
    assert set(files(tmp_path / "first")) == {"scan.png"}


def test_a_photo_s_bytes_are_the_same_by_folder_glob_and_name(folder, tmp_path):
    def restored(name: str, *given: str) -> dict[str, bytes]:
        restore_photos(given, tmp_path / name, loaders=tiny_models.TINY)
        return files(tmp_path / name)

    whole = restored("folder", str(folder))
    assert restored("glob", f"{folder}/**/*.tif") == {"sub/grey.png": whole["sub/grey.png"]}
    marked = f"a~{hashlib.sha256(b'a.png').hexdigest()[:16]}.png"  # beside a.jpg
    assert restored("name", str(folder / "a.png")) == {"a.png": whole[marked]}
    # Alone it has another id than in the folder, as in a manifest of its own, and so another seed.
    assert restored("alone", str(folder / "sub" / "grey.tif")).keys() == {"grey.png"}
    assert files(tmp_path / "alone")["grey.png"] != whole["sub/grey.png"]


@pytest.mark.parametrize("kind", [str, Path])
def test_one_photo_needs_no_list(folder, tmp_path, kind):
    rows = restore_photos(kind(folder / "a.jpg"), tmp_path / "out", loaders=tiny_models.TINY)
    assert [row["photo_id"] for row in rows] == ["a.jpg"]


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("s3://me:HUSH@bucket/out", r"s3://\*\*\*@bucket/out: results go to"),
        ("s3:/bucket", "results go to"),
        ("", "empty"),
    ],
)
def test_an_output_that_is_no_folder_of_this_machine_is_refused(folder, tmp_path, monkeypatch, output, told):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CannotRestore, match=told):
        restore_photos([folder / "a.jpg"], output, loaders=tiny_models.TINY)
    assert list(tmp_path.iterdir()) == []


def test_there_is_a_row_for_every_photo_with_all_columns_and_progress_tells_them(folder, tmp_path):
    told = []
    rows = restore_photos(
        [folder, folder / "gone.jpg"], tmp_path / "out", on_progress=told.append, loaders=tiny_models.TINY
    )
    assert [row["photo_id"] for row in rows][-1] == "gone.jpg"
    assert [tuple(row) for row in rows] == [tuple(RESULT_SCHEMA.names)] * 8
    failed = {row["photo_id"]: row["error_stage"] for row in rows if row["status"] == Status.FAILED}
    assert failed == {"sub/empty.jpg": "decode", "truncated.png": "decode", "gone.jpg": "fetch"}
    assert (told[0].photos, told[0].done, told[-1].done) == (8, 0, 8)
    in_order = sorted((each.row for each in told if each.row), key=lambda row: row["uri"])
    assert in_order == sorted(rows, key=lambda row: row["uri"])
    assert {(each.step, each.steps) for each in told if each.row is None} == {
        (0, 0),
        *((step, 5) for step in range(1, 6)),
    }


def test_what_stops_all_photos_is_an_error_with_the_rows_until_then(folder, tmp_path, monkeypatch):
    class Lost(tiny_models.TinyRestorer):
        def restore(self, photos, *, prompts, seeds, samplings=None, palettes=None, regions=None, on_step=None):
            if self.batches:
                raise ProcessPoisoned("the GPU is lost to this process: an illegal access")
            return super().restore(
                photos, prompts=prompts, seeds=seeds, samplings=samplings, palettes=palettes, on_step=on_step
            )

    loaders = dataclasses.replace(tiny_models.TINY, restorer=lambda settings: Lost(2.0))
    with pytest.raises(
        RestorationStopped, match=r"the GPU is lost.*photos that are not restored for this: "
    ) as stopped:
        restore_photos([folder], tmp_path / "out", loaders=loaders)
    assert 0 < len(stopped.value.rows) < 7


def test_what_was_written_before_all_photos_were_stopped_is_counted_and_not_said_to_be_left(
    folder, tmp_path, monkeypatch
):
    writing, stopped, write, told = threading.Event(), threading.Event(), Storage.write, []

    class Lost(tiny_models.TinyRestorer):
        def restore(self, photos, **options):
            if self.batches:
                assert writing.wait(30)
                stopped.set()
                raise ProcessPoisoned("the GPU is lost to this process: an illegal access")
            return super().restore(photos, **{name: value for name, value in options.items() if name != "regions"})

    def slow_write(storage, path, data):
        if path.endswith(".png"):
            writing.set()
            assert stopped.wait(30)
        write(storage, path, data)

    monkeypatch.setattr(Storage, "write", slow_write)
    loaders = dataclasses.replace(tiny_models.TINY, restorer=lambda settings: Lost(2.0))
    photos = [folder / "a.jpg", folder / "a.png"]
    output = tmp_path / "out"
    with pytest.raises(RestorationStopped, match="photos that are not restored for this: 1, beginning with"):
        restore_photos(photos, output, on_progress=told.append, loaders=loaders)
    assert len(list(output.iterdir())) == told[-1].restored == 1


def test_results_of_before_are_replaced(folder, tmp_path):
    photo = folder / "a.jpg"
    restore_photos([photo], tmp_path, RestoreSettings.parse({"sampling": {"seed": 1}}), loaders=tiny_models.TINY)
    before = (tmp_path / "a.png").read_bytes()
    restore_photos([photo], tmp_path, loaders=tiny_models.TINY)
    assert (tmp_path / "a.png").read_bytes() != before
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_warnings_of_a_photo_are_in_its_row(tmp_path, caplog):
    (tmp_path / "a.jpg").write_bytes(saved(Image.fromarray(picture()), "JPEG", icc_profile=b"none at all"))
    with caplog.at_level(logging.CRITICAL):
        (row,) = restore_photos([tmp_path / "a.jpg"], tmp_path / "out", loaders=tiny_models.TINY)
    assert len(row["warnings"]) == 1


def test_photos_are_described_as_in_a_run(folder, describer_folder, tmp_path):
    settings = {"describe": {"classify": {"weights": str(describer_folder("resnet")), "threshold": 0}}}
    photo = folder / "a.jpg"
    (row,) = restore_photos([photo], tmp_path / "out", RestoreSettings.parse(settings), loaders=tiny_models.TINY)
    assert row["prompt_used"] == f", {row['description']['class_name']}, clean".removeprefix(", ")
    assert row["seconds"]["describe"] > 0


def test_a_caption_reaches_the_model_like_a_prompt(folder, untrained, describer_folder, tmp_path):
    def restored(name, describe, **sampling):
        values = {
            "model": untrained,
            "sampling": PHOTO_SETTINGS["sampling"] | {"scale": 1.0} | sampling,
            "describe": describe,
        }
        (row,) = restore_photos([folder / "sub/deep/wide.avif"], tmp_path / name, RestoreSettings.parse(values))
        return row, np.asarray(Image.open(row["output_uri"]))

    captioned, pixels = restored("captioned", {"caption": {"weights": str(describer_folder("blip"))}})
    caption = captioned["description"]["caption"].replace("blurry", "clear").replace("noisy", "clean")
    assert captioned["prompt_used"] == f"{caption}, clean, high-resolution, 8k"
    prompted, same = restored("prompted", {}, prompt=caption)
    plain, other = restored("plain", {})
    assert (prompted["prompt_used"], plain["prompt_used"]) == (captioned["prompt_used"], "clean, high-resolution, 8k")
    np.testing.assert_array_equal(pixels, same)
    assert (pixels != other).any()
