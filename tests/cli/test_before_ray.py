"""What the command line tells before Ray starts: all that is wrong with settings, paths and the manifest."""

import json

import pytest
from tiny_run import TinyRun

from pasd_batch.cli import main


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
        (["output.root=other"], ["has files (results/a.parquet) but no run.json"]),
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
    assert "described.csv: manifests are written as Parquet" in capsys.readouterr().err
    assert not (folder / "described.csv.run").exists()
