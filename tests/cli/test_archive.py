"""An archive from the command line, from its manifest to its report, on an untrained model."""

import importlib
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from pasd_batch.cli import main
from pasd_batch.pasd.untrained import TINY, save_untrained

pytestmark = pytest.mark.usefixtures("ray_running")


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """Three photos, one of them broken, an untrained model, and a configuration."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "photos/1911").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "photos/1911/a.jpg")
    Image.fromarray(pixels[::-1].copy()).save(folder / "photos/b.png")
    (folder / "photos/broken.jpg").write_bytes(b"")
    save_untrained(folder / "model", TINY, seed=0)
    settings = {
        "manifest": {"path": str(folder / "manifest.parquet")},
        "output": {"root": str(folder / "run")},
        "shard_size": 2,
        "max_error_rate": 0.5,
        "workers": {"max": 1, "gpus": 0},
        "metrics": {"no_reference": ["piqe"], "full_reference": []},
        "restoration": {
            "model": {"base": str(folder / "model"), "control": str(folder / "model"), "device": "cpu"},
            "sampling": {"steps": 2, "guidance_scale": 1, "min_short_side": 64},
        },
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(settings))
    return folder


def test_an_archive_from_manifest_to_report(archive: Path, capsys):
    config = str(archive / "run.yaml")
    assert main(["manifest", str(archive / "photos"), "-o", str(archive / "manifest.parquet"), "--sizes"]) == 0
    assert "3 photos listed" in capsys.readouterr().out

    assert main(["plan", config]) == 0
    planned = capsys.readouterr().out
    assert "photos: 3\nshards: 2\ntiles: 3 (sizes known of 2 photos)" in planned
    assert "time: about" in planned
    assert not (archive / "run/results").exists()

    assert main(["run", config, "--no-progress"]) == 0
    said = capsys.readouterr().out
    assert "3 photos, 1 failed" in said
    assert f"pasd-batch report {archive / 'run'} makes a page" in said
    rows = pq.read_table(archive / "run/results").to_pylist()
    assert {row["photo_id"]: row["status"] for row in rows} == {
        "1911/a.jpg": "ok",
        "b.png": "ok",
        "broken.jpg": "failed",
    }
    assert Image.open(archive / "run/images/1911/a.png").size == (64, 48)
    assert json.loads((archive / "run/summary.json").read_text())["photos"] == 3

    assert main(["status", str(archive / "run")]) == 0
    status = capsys.readouterr().out
    assert "photos: 3 of 3 (100.0%), 1 failed" in status
    assert "broken.jpg" in status

    assert main(["verify", str(archive / "run")]) == 0
    restored = archive / "run/images/1911/a.png"
    stored = restored.read_bytes()
    restored.unlink()
    assert main(["verify", str(archive / "run"), "--no-progress"]) == 1
    assert main(["verify", str(archive / "run"), "--repair", "--no-progress"]) == 0
    assert "to be done again: 1 photo\n" in capsys.readouterr().out
    assert restored.read_bytes() == stored
    assert main(["verify", str(archive / "run")]) == 0

    assert main(["report", str(archive / "run")]) == 0
    assert (archive / "run/report/contact_sheet.png").exists()
    capsys.readouterr()

    assert main(["manifest", "--failures-of", str(archive / "run"), "-o", str(archive / "failed.parquet")]) == 0
    assert pq.read_table(archive / "failed.parquet")["id"].to_pylist() == ["broken.jpg"]


def test_all_problems_of_a_plan_come_at_once(archive: Path, capsys):
    overrides = [
        f"manifest.path={archive / 'none.csv'}",
        "restoration.model.control=/nowhere",
        "output.root=" + str(archive / "x"),
    ]
    assert main(["plan", str(archive / "run.yaml"), *overrides]) == 2
    message = capsys.readouterr().err
    assert "2 problem(s)" in message
    assert "none.csv" in message
    assert "restoration.model.control: /nowhere: no such folder or file; check the path" in message


@pytest.mark.parametrize("command", ["run", "train"])
def test_overrides_may_stand_behind_options(monkeypatch, command):
    seen = []
    # A default that the parser takes from the module when it is built.
    monkeypatch.setattr(
        importlib.import_module(f"pasd_batch.cli.{command}"), "run", lambda options: seen.append(options) or 0
    )
    assert main([command, "x.yaml", "a=1", "--ray-address", "head:6379", "output.root=R", "b.c=--d"]) == 0
    assert seen[0].overrides == ["a=1", "output.root=R", "b.c=--d"]
    assert (seen[0].config, seen[0].ray_address) == ("x.yaml", "head:6379")


@pytest.mark.parametrize(
    ("arguments", "unknown"),
    [
        (["run", "x.yaml", "--no-progress", "shard_size"], "shard_size"),
        (["run", "x.yaml", "--no-progress", "a=1", "--no-color=1"], "--no-color=1"),
        (["status", "x", "a=1"], "a=1"),
    ],
)
def test_what_is_no_override_behind_options_is_refused(capsys, arguments, unknown):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    told = f"unrecognized arguments: {unknown}; pasd-batch {arguments[0]} --help lists all\n"
    assert capsys.readouterr().err.endswith(told)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "none.yaml"], "none.yaml: no such configuration file"),
        (["status", "none"], "there is no run"),
        (["manifest", "-o", "x.parquet"], "either a SOURCE of photos or --failures-of"),
        (["manifest", "none", "-o", "x.parquet"], "none"),
        (["status", "gopher://x/y"], "gopher"),
    ],
)
def test_what_cannot_be_done_is_a_message(tmp_path, monkeypatch, capsys, arguments, complaint):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
