"""Descriptions on Ray: killed workers and drivers lose no word."""

import json
import os
import signal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from chaos import Driver
from photo_archive import BAD, picture, settings, store_photos
from PIL import Image

from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.config.describe import DescribeSettings
from pasd_batch.describe.describer import Work
from pasd_batch.describe.loading import load_describers
from pasd_batch.pasd.prompts import compose_prompt
from pasd_batch.records import Description

PHOTOS = 13


@pytest.fixture
def manifest(tmp_path):
    """Photos, every third with a prompt of its own, and two bad ones at the end; the path of their manifest."""
    photos = {f"in/{number:02d}.png": picture(number) for number in range(PHOTOS)}
    bad = {f"in/{name}.png": BAD[name] for name in ("empty", "text")}
    store_photos(tmp_path, photos | bad)
    names = [*photos, *bad]
    prompts = [f"photo {number}" if number % 3 == 0 else None for number in range(PHOTOS)] + ["bad", None]
    table = pa.table({"uri": names, "id": names, "prompt": prompts, "album": [f"album {name}" for name in names]})
    pq.write_table(table, tmp_path / "manifest.parquet")
    return tmp_path / "manifest.parquet"


def expected_rows(manifest, describe):
    """What the manifest with prompts should say, by describers called here."""
    loaded = load_describers(DescribeSettings.parse(describe), device=torch.device("cpu"), dtype=torch.float32)
    for row in pq.read_table(manifest).to_pylist():
        try:
            seen = np.asarray(Image.open(manifest.parent / row["uri"]).convert("RGB"))
        except OSError:
            yield row | {"described": None}
            continue
        found = Description()
        for describer in loaded:
            (finding,) = describer.describe([seen], Work())
            found = Description(
                **{name: value or vars(found)[name] for name, value in vars(finding.description).items()}
            )
        prompt = compose_prompt(
            row["prompt"] or "", description=found, substitutions={"blurry": "clear", "noisy": "clean"}
        )
        described = {
            "caption": found.caption,
            "objects": [vars(each) for each in found.objects],
            "class_name": found.class_name,
            "class_score": found.class_score,
        }
        yield row | {"prompt": prompt or None, "described": described}


def test_killed_workers_and_drivers_lose_no_word(manifest, describer_folder, ray_cluster, tmp_path):
    root = tmp_path / "run"
    describe = {
        "classify": {"weights": str(describer_folder("resnet"))},
        "detect": {"weights": str(describer_folder("yolos"))},
        "caption": {"weights": str(describer_folder("blip"))},
    }
    run = settings(
        root,
        manifest,
        mode="describe",
        shard_size=3,
        max_error_rate=0.5,
        output={"manifest": str(tmp_path / "described.parquet")},
        restoration={"describe": describe},
    )
    driver = Driver(run, tmp_path / "driver.log", "DESCRIBING", ray_cluster)

    def committed():
        return len(list((root / "results").glob("*.parquet")))

    def workers():
        texts = [path.read_text() for path in (root / "attempts").glob("*/0")]
        return {int(json.loads(text)["worker"].rpartition("/")[2]) for text in texts}

    driver.start().wait_until(lambda: committed() >= 1)
    for worker in workers():
        os.kill(worker, signal.SIGKILL)
    before = committed()
    driver.wait_until(lambda: committed() > before)
    driver.kill()
    assert before < committed() < 5, "killed too late to show anything"
    assert not (tmp_path / "described.parquet").exists()
    assert driver.start().wait() == ExitCode.DONE, driver.text()[-3000:]
    assert f"manifest with prompts: {tmp_path}/described.parquet" in driver.text()

    rows = pq.read_table(tmp_path / "described.parquet").to_pylist()
    expected = list(expected_rows(manifest, describe))
    assert len({row["prompt"] for row in rows}) > PHOTOS / 2
    for row, wanted in zip(rows, expected, strict=True):
        assert row["uri"] == str(manifest.parent / wanted["uri"])
        assert {name: row[name] for name in ("id", "prompt", "album")} == {
            name: wanted[name] for name in ("id", "prompt", "album")
        }
        if wanted["described"] is None:
            assert row["described"] is None
        else:
            score = wanted["described"].pop("class_score")
            assert row["described"].pop("class_score") == pytest.approx(score, abs=1e-6)
            for one, other in zip(row["described"].pop("objects"), wanted["described"].pop("objects"), strict=True):
                assert one == other | {"score": pytest.approx(other["score"], abs=1e-6)}
            assert row["described"] == wanted["described"]
