"""Pages of a file in a worker: a row each, with what the file is, in every mode."""

from dataclasses import replace

import numpy as np
import pytest
from photo_archive import record, results, settings, spec, state, store_photos, write_plan
from photo_files import deep_picture, picture, png16, saved
from PIL import Image

from pasd_batch.batch.worker.models import ModelLoaders
from pasd_batch.batch.worker.photo_loader import PhotoLoader
from pasd_batch.batch.worker.shard_worker import ShardWorker
from pasd_batch.config.photos import DecodeLimits
from pasd_batch.report.run_photos import PHOTO_COLUMNS, load_photo
from pasd_batch.runs.run_folder import RunFolder

WITHOUT_METRICS = {"no_reference": [], "full_reference": []}
PAGES = [Image.fromarray(picture()), Image.fromarray(255 - picture()), Image.new("L", (20, 30), 90)]
OWN = {
    "first": None,
    "p1": '{"page": 1}',
    "p2": '{"page": "2"}',
    "p3": '{"page": 3.0}',
    "p9": '{"page": 9}',
    "half": '{"page": 2.5}',
}


def worked_on(folder, **changes) -> dict[str, dict]:
    store_photos(
        folder / "in",
        {
            "scan.tif": saved(PAGES[0], "TIFF", save_all=True, append_images=PAGES[1:]),
            "deep.png": png16(deep_picture(4)),
        },
    )
    rows = [record(folder / "in/scan.tif", f"{name}.tif", settings=own) for name, own in OWN.items()]
    write_plan(folder / "run", [*rows, record(folder / "in/deep.png")])
    run_spec = spec(settings(folder / "run", **changes))
    if changes.get("mode") == "audit":
        run_spec = replace(run_spec, loaders=ModelLoaders(), score_columns=())
    ShardWorker(run_spec).run(0)
    return results(folder / "run")


@pytest.mark.parametrize(
    "changes",
    [{}, {"mode": "score"}, {"mode": "audit", "metrics": WITHOUT_METRICS}],
    ids=["restore", "score", "audit"],
)
def test_rows_tell_pages_bits_and_colours_in_every_mode(tmp_path, changes, caplog):
    rows = worked_on(tmp_path, **changes)
    told = {name: [row[key] for key in ("page", "pages", "bit_depth", "color_mode")] for name, row in rows.items()}
    assert told == {
        "first.tif": [None, 3, 8, "RGB"],
        "p1.tif": [1, 3, 8, "RGB"],
        "p2.tif": [2, 3, 8, "RGB"],
        "p3.tif": [3, 3, 8, "L"],
        "p9.tif": [9, None, None, None],
        "half.tif": [None, None, None, None],
        "deep.png": [None, 1, 16, "RGBA"],
    }
    left_out = (
        "the file has 3 pages, of which only the first is taken; with `pages: every` (`--pages every`) each is a photo"
    )
    assert [name for name, row in rows.items() if row["warnings"]] == ["first.tif"]
    assert rows["first.tif"]["warnings"] == [left_out]
    assert [entry.getMessage() for entry in caplog.records if left_out in entry.getMessage()] == [
        f"photo first.tif: {left_out}"
    ]
    assert (rows["p3.tif"]["input_width"], rows["p3.tif"]["input_height"]) == (20, 30)
    failures = {
        name: (row["error_stage"], row["error_type"]) for name, row in rows.items() if row["status"] == "failed"
    }
    assert failures == {"p9.tif": ("decode", "NoSuchPage"), "half.tif": ("settings", "InvalidSettings")}
    assert "page 9 is asked for, and the file has 3" in rows["p9.tif"]["error_message"]
    assert "is 2.5; pages are whole numbers from 1" in rows["half.tif"]["error_message"]


def test_of_a_mask_with_several_pages_it_is_told_how_to_name_another(tmp_path):
    store_photos(tmp_path, {"a.png": saved(Image.new("RGB", (24, 32)), "PNG")})
    pages = [Image.new("L", (24, 32), level) for level in (255, 0)]
    pages[0].save(tmp_path / "mask.tif", save_all=True, append_images=pages[1:])
    loader = PhotoLoader(spec(settings(tmp_path / "run")).settings)
    photo = state(tmp_path / "a.png", mask_uri=str(tmp_path / "mask.tif"))
    assert loader.load(photo).mask.min() == 1.0
    assert photo.row.warnings == [
        "mask: the file has 2 pages, of which only the first is taken; save the one that is meant as a file of its "
        "own, and name that"
    ]


def test_reports_show_the_page_that_a_row_is_of(tmp_path):
    worked_on(tmp_path)
    folder = RunFolder.open(str(tmp_path / "run"), settings(tmp_path / "run").storage)
    rows = {row["photo_id"]: row for row in folder.shard_rows(0, PHOTO_COLUMNS).to_pylist()}
    first, second = (load_photo(rows[name], 0, folder, DecodeLimits(), np.ones(3)) for name in ("p1.tif", "p2.tif"))
    assert first is not None
    assert second is not None
    assert abs(first.images[0] + second.images[0] - 1.0).max() < 1e-6
