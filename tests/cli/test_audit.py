"""`pasd-batch audit` from the command line."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pasd_batch.cli import main

pytestmark = pytest.mark.usefixtures("ray_running")


@pytest.fixture
def photos(tmp_path):
    """A photo, its copy as another file, a dark one, a broken one; the folder they are in."""
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "a.png")
    Image.fromarray(pixels).save(folder / "b.tif")
    Image.fromarray(pixels[::-1] // 20).save(folder / "dark.png")
    (folder / "broken.jpg").write_bytes(b"")
    return folder


def test_a_folder_is_audited(photos, tmp_path, capsys):
    root = tmp_path / "audit"
    command = ["audit", str(photos), "-o", str(root), "--no-progress", "workers.gpus=0", "audit.color_cast=null"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert f"4 photos, 1 failed; results in {root}/results" in said
    assert "issues: 3 no_profile, 2 noisy, 1 unreadable, 1 exact_duplicate, 1 dark, 1 low_contrast\n" in said
    assert f"audit: {root}/audit.parquet" in said
    rows = {row["photo_id"]: row["issues"] for row in pq.read_table(root / "audit.parquet").to_pylist()}
    assert rows["broken.jpg"] == ["unreadable"]
    assert rows["b.tif"][0] == "exact_duplicate"
    # The same command takes other thresholds, without measuring anything again.
    before = {path: path.stat().st_mtime_ns for path in (root / "results").iterdir()}
    others = ["audit.dark=0.01", "audit.no_profile=false", "audit.low_contrast=null"]
    assert main([*command, *others, "--select", "not exact_duplicate and brightness_99 > 0.5"]) == 0
    said = capsys.readouterr().out
    assert "issues: 2 noisy, 1 unreadable, 1 exact_duplicate\n" in said
    assert said.endswith(f"1 photos pass: {root}.selected.parquet\n")
    assert [row["id"] for row in pq.read_table(f"{root}.selected.parquet").to_pylist()] == ["a.png"]
    assert {path: path.stat().st_mtime_ns for path in (root / "results").iterdir()} == before
    assert not (root / "issues" / "dark.jsonl").exists()
    # Of a complete audit more can be selected without its photos.
    assert main(["audit", "-o", str(root), "--select", "width > 9", "--selected", str(tmp_path / "s.parquet")]) == 0
    assert capsys.readouterr().out == f"3 photos pass: {tmp_path}/s.parquet\n"


def test_what_is_wrong_is_told_before_anything_is_done(photos, tmp_path, capsys):
    for given, told in [
        ("audit.blury=1", "audit.blury: unknown setting; is audit.blurry meant?"),
        ("audit.near_duplicate=20", "audit.near_duplicate: Input should be less than or equal to 12"),
        ("audit.dark=2", "audit.dark: Input should be less than or equal to 1"),
    ]:
        assert main(["audit", str(photos), "-o", str(tmp_path / "audit"), given]) == 2
        assert told in capsys.readouterr().err
    for given, told in [
        (["--select", "blurr < 2"], "there is no column 'blurr'; is blurry meant?"),
        (["--select", "blur <"], "'blur <' is no condition"),
        (["--select", "dark", "--selected", "s.csv"], "a name that ends in .parquet"),
        (["--selected", "s.parquet"], "--selected names the manifest of --select CONDITION"),
    ]:
        assert main(["audit", str(photos), "-o", str(tmp_path / "audit"), *given]) == 2
        assert told in capsys.readouterr().err
    assert main(["audit", "-o", str(tmp_path / "audit")]) == 2
    assert "name a SOURCE of photos" in capsys.readouterr().err
    assert main(["audit", "-o", str(tmp_path / "audit"), "--select", "dark"]) == 2
    assert "there is no run" in capsys.readouterr().err
    assert not (tmp_path / "audit").exists()
