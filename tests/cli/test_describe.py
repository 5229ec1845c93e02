"""`pasd-batch describe` from the command line."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pasd_batch.cli import main

pytestmark = pytest.mark.usefixtures("ray_running")


@pytest.fixture
def photos(tmp_path):
    """Three photos, one of them broken, and a CSV manifest with a prompt for one."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    for number, cut in enumerate((pixels, pixels[::-1].copy())):
        Image.fromarray(cut).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"")
    (tmp_path / "photos.csv").write_text("uri,id,prompt\n0.png,a,Uncle Joe\n1.png,b,\nbroken.png,c,A farm\n")
    return tmp_path / "photos.csv"


def test_photos_are_described_once(photos, describer_folder, tmp_path, capsys):
    described, weights = tmp_path / "described.parquet", str(describer_folder("resnet"))
    command = ["describe", str(photos), "-o", str(described), "--classify", weights, "--no-progress"]
    command += ["workers.gpus=0", "workers.max=1", "restoration.model.device=cpu", "max_error_rate=0.5"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert f"3 photos, 1 failed; results in {described}.run/results" in said
    assert f"manifest with prompts: {described}" in said
    rows = {row["id"]: row for row in pq.read_table(described).to_pylist()}
    seen = {name: row["described"]["class_name"] for name, row in rows.items() if name != "c"}
    assert {name: row["prompt"] for name, row in rows.items()} == {
        "a": f"Uncle Joe, {seen['a']}",
        "b": seen["b"],
        "c": "A farm",
    }

    # With other weights it is another run, and refused.
    command[4:6] = ["--detect", str(describer_folder("yolos"))]
    assert main(command) == 2
    refused = capsys.readouterr().err
    assert "restoration.describe.detect.threshold: not set in the run, 0.5 now" in refused


def test_what_cannot_be_described_is_told_before_anything_is_done(photos, describer_folder, tmp_path, capsys):
    described, weights = str(tmp_path / "described.parquet"), str(describer_folder("resnet"))
    for arguments, told in [
        (["-o", described], "nothing would describe the photos; give --caption, --detect or --classify, or --config"),
        (["-o", str(photos), "--classify", weights], "output.manifest is manifest.path, which would be lost"),
        (["-o", described, "--classify", weights, "mode=restore"], "output.manifest is written by mode describe"),
    ]:
        assert main(["describe", str(photos), *arguments]) == 2
        assert told in capsys.readouterr().err, told
    wrong = ["-o", described, "--caption", weights, "workers.gpus=0"]
    assert main(["describe", str(photos), *wrong]) == 2
    refused = capsys.readouterr().err
    assert "the run cannot start, 1 problem(s):" in refused
    assert "AutoModelForImageTextToText cannot load it" in refused
    assert not list(tmp_path.glob("*.parquet.run/results"))
