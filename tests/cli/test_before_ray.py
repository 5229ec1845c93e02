"""What the command line tells before Ray starts: all that is wrong with settings, paths and the manifest."""

import dataclasses
import json
import os

import pytest
import tiny_models
from tiny_run import TinyRun

from pasd_batch.batch.driver import finished, run
from pasd_batch.batch.planning.plan import check_manifest
from pasd_batch.cli import main
from pasd_batch.config.manifest import ManifestSettings
from pasd_batch.config.run import RunSettings
from pasd_batch.config.storage import StorageSettings


@pytest.fixture(autouse=True)
def no_ray(monkeypatch):
    monkeypatch.setattr("ray.init", lambda **options: pytest.fail("this can be told without Ray"))
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos.csv").write_text("uri,prompt\na.jpg,a dog\n")
    (tmp_path / "colors.csv").write_text("uri,color_reference_uri\na.jpg,b.jpg\n")
    (tmp_path / "run.yaml").write_text("manifest: {path: photos.csv}\noutput: {root: run}\n")
    (tmp_path / "detector").mkdir()
    (tmp_path / "detector/config.json").write_text('{"id2label": {"0": "person", "1": "dog"}}')
    (tmp_path / "faulty.csv").write_text("uri,prompt\na.jpg,a\n,b\na.jpg,c\nhttps://x/y.jpg,d\n")
    (tmp_path / "twice.csv").write_text("uri\na.jpg\nb.jpg\na.jpg\n")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").touch()
    (tmp_path / "other/results").mkdir(parents=True)
    (tmp_path / "other/results/a.parquet").touch()
    return tmp_path


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["manifest.path=none.csv"], ["none.csv: no manifest"]),
        (["manifest.path=run.yaml"], ["run.yaml: no manifest"]),
        (["manifest.columns.prompt=caption"], ["photos.csv: no column 'caption'"]),
        (["manifest.columns.scale=factor"], ["photos.csv: no column 'factor'"]),
        (["manifest.path=colors.csv"], ["sampling.color_fix is wavelet, which uses none; set it to reference"]),
        (["restoration.sampling.color_fix=reference"], ["the manifest has no column color_reference_uri; add it"]),
        (["restoration.sampling.color_fix=reference", "manifest.path=photos"], ["has no column color_reference_uri"]),
        (["manifest.columns.color_reference_uri=like"], ["color_reference_uri is like, which nothing uses"]),
        (["manifest.columns.mask_uri=where"], ["photos.csv: no column 'where'", "manifest.columns.mask_uri"]),
        (["manifest.columns.mask_uri=where", "manifest.path=photos"], ["and manifest.columns.mask_uri names some"]),
        (
            ["restoration.sampling.regions=[{class: face, fidelity: 1}]"],
            ["there is none; name its weights in describe"],
        ),
        (
            [
                "restoration.sampling.regions=[{class: face, fidelity: 1}]",
                "restoration.describe.detect.weights=detector",
            ],
            ["the detector has no class 'face'; its classes are dog, person"],
        ),
        (["manifest.path=photos", "output.root=photos/run"], ["is inside manifest.path"]),
        (["manifest.path=twice.csv"], ["twice.csv, row 1: ", "twice.csv, row 3: ", "2 rows share"]),
        (
            ["manifest.path=faulty.csv"],
            [
                "2 problem(s) in the manifest",
                "faulty.csv, row 2: has no URI",
                "faulty.csv, row 4: uri https://x/y.jpg: scheme 'https'",
                "2 rows share their id",
            ],
        ),
        (
            ["manifest.columns.prompt=caption", "manifest.columns.scale=factor"],
            ["no column 'caption' and no column 'factor'", "manifest.columns.prompt, manifest.columns.scale"],
        ),
        (["manifest.format=images"], ["photos.csv: manifest.format is images, but no photo is there"]),
        (["manifest.path=photos", "manifest.format=csv"], ["photos: manifest.format is csv, but photos are there"]),
        (["output.root=run.yaml/run"], ["1 problem(s)", "run.yaml is a file; name a folder"]),
        (["--ray-address", "http://head:8265"], ["1 problem(s)", "that is the address of Ray's job API"]),
        (["--ray-address", "no-such-host.invalid:6379"], ["no-such-host.invalid does not answer at port 6379"]),
        (["output.root=other"], ["has files (results/a.parquet) but no run.json"]),
        (
            ["metrics.no_reference=[sharpness]"],
            ["1 problem(s)", "metrics: sharpness is not known here; known"],
        ),
        (["restoration.model.device=cuda:99"], ["1 problem(s)", "device 'cuda:99': "]),
        (["restoration.sampling.scheduler=ddim"], ["scheduler 'ddim' is not a diffusers scheduler", "try UniPC"]),
        (
            ["manifest.path=none.csv", "restoration.model.base=/nope", "restoration.model.control=photos"],
            [
                "3 problem(s)",
                "none.csv",
                "restoration.model.base: /nope: no such folder",
                "photos: is not a folder with",
            ],
        ),
    ],
)
def test_all_that_is_wrong_is_told_at_once(folder, capsys, command, overrides, told):
    assert main([command, "run.yaml", *overrides]) == 2
    message = capsys.readouterr().err
    for part in told:
        assert part in message
    assert not (folder / "run").exists()


def test_settings_of_another_run_are_told(folder, capsys):
    run = TinyRun(folder / "made")
    values = json.loads((run.root / "run.json").read_text())["settings"]
    (folder / "run.yaml").write_text(json.dumps(values))
    assert main(["run", "run.yaml", "restoration.sampling.scale=4", f"manifest.path={folder}/photos.csv"]) == 2
    assert "restoration.sampling.scale: 2.0 in the run, 4.0 now" in capsys.readouterr().err


def test_a_described_manifest_of_another_format_is_refused(folder, capsys):
    command = ["describe", "photos.csv", "-o", "described.csv", "--caption", str(folder)]
    assert main(command) == 2
    assert "described.csv: written as Parquet alone" in capsys.readouterr().err
    assert not (folder / "described.csv.run").exists()


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_root_that_cannot_be_written_is_one_problem(folder, capsys, monkeypatch, command):
    monkeypatch.setattr("os.access", lambda path, mode: mode == os.R_OK)  # root may write everywhere
    assert main([command, "run.yaml", "output.root=somewhere/run"]) == 2
    message = capsys.readouterr().err
    assert "1 problem(s)" in message
    assert f"output.root {folder}/somewhere/run: {folder} cannot be written by this user" in message


def test_a_described_manifest_that_is_there_is_not_replaced(folder, capsys):
    (folder / "described.parquet").write_text("corrected by hand")
    assert main(["describe", "photos.csv", "-o", "described.parquet", "--caption", str(folder)]) == 2
    assert "described.parquet is there already; give another name, or move it" in capsys.readouterr().err


@pytest.fixture
def finished_run(folder, monkeypatch):
    """A complete run as a driver with Ray would have left it, of `made.csv`; `run.yaml` is its configuration."""
    monkeypatch.setattr(run, "ModelLoaders", lambda: tiny_models.TINY)
    made = TinyRun(folder)
    names = [f"{number:02d}.png" for number in range(12)]
    (folder / "made.csv").write_text("uri,id\n" + "".join(f"in/{name},{name}\n" for name in names))
    checked = check_manifest(ManifestSettings(path="made.csv"), StorageSettings(), suffix=".png")
    values = json.loads((made.root / "run.json").read_text())
    values["manifest_fingerprint"] = checked.fingerprint
    (made.root / "run.json").write_text(json.dumps(values))
    (folder / "run.yaml").write_text(json.dumps(values["settings"] | {"manifest": {"path": "made.csv"}}))
    return made


def test_a_finished_run_is_told_so_without_ray(finished_run, folder, capsys):
    assert main(["run", "run.yaml", "max_error_rate=0.5"]) == 0
    assert f"12 photos, 1 failed; results in {finished_run.root}/results" in capsys.readouterr().out
    assert main(["run", "run.yaml", "max_error_rate=0.05"]) == 1
    assert "8.3% failed, more than max_error_rate 5.0%" in capsys.readouterr().err
    (finished_run.root / "images/03.png").unlink()
    assert main(["run", "run.yaml"]) == 3
    assert "lacks 1 restored photos that its rows describe, such as images/03.png" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["manifest", "weights", "shard", "summary", "cluster"])
def test_a_run_of_which_anything_is_in_doubt_goes_the_usual_way(finished_run, folder, monkeypatch, change):
    settings = RunSettings.parse(json.loads((folder / "run.yaml").read_text()))

    def look(loaders=tiny_models.TINY, ray_address=None):
        return finished.finished_run(settings, loaders, ray_address=ray_address)

    assert look() is not None
    match change:
        case "manifest":
            with (folder / "made.csv").open("a") as file:
                file.write("in/13.png,13.png\n")
        case "weights":
            other = dataclasses.replace(tiny_models.TINY, fingerprint=lambda _: "others")
            assert look(other) is None
            return
        case "shard":
            (finished_run.root / "results/shard-000001.parquet").unlink()
        case "summary":
            (finished_run.root / "summary.json").unlink()
        case "cluster":
            assert look(ray_address="head:6379") is None
            return
    assert look() is None


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize(
    ("path", "allowed", "code"),
    [("empty", True, 0), ("empty.csv", True, 0), ("empty", False, 2), ("empty.csv", False, 2), ("emtpy", True, 2)],
)
@pytest.mark.parametrize("kind", ["auto", "images"])
def test_an_empty_day_is_told_from_a_mistake(folder, capsys, command, path, allowed, code, kind):
    (folder / "empty").mkdir()
    (folder / "empty.csv").write_text("uri\n")
    said = [f"manifest.path={path}", f"manifest.may_be_empty={str(allowed).lower()}"]
    code = 2 if (path, kind) == ("empty.csv", "images") else code  # photos are meant, and this is none
    assert main([command, "run.yaml", *said, f"manifest.format={kind}"]) == code
    assert ("nothing to do, which manifest.may_be_empty allows: " in capsys.readouterr().out) is (code == 0)
    assert not (folder / "run").exists()
