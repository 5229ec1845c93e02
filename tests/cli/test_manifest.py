"""`pasd-batch manifest`: what it writes, and what it does not replace."""

import csv

import pytest
from photo_archive import picture, store_photos

from pasd_batch.batch.planning.photo_work import photo_work
from pasd_batch.cli import main
from pasd_batch.config.manifest import ManifestColumns, ManifestSettings
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.pieces import find_pieces
from pasd_batch.manifests.survey import survey_piece


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store_photos(tmp_path / "photos", {name: picture(1) for name in ("a.png", "1911/b, c.png", 'd "e".png')})
    return tmp_path / "photos"


def test_a_csv_has_the_photos_and_is_read_as_a_manifest_with_its_sizes(photos, capsys):
    assert main(["manifest", "photos", "-o", "m.csv", "--sizes"]) == 0
    assert capsys.readouterr().out == "3 photos listed in m.csv\n"
    with open("m.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["id"] for row in rows) == ["1911/b, c.png", "a.png", 'd "e".png']
    assert all((photos / row["id"]).samefile(row["uri"]) for row in rows)
    (piece,) = find_pieces(ManifestSettings(path="m.csv"), StorageSettings())
    survey = survey_piece(piece, ManifestColumns(), StorageSettings(), photo_work(RestorationSettings()))
    assert (survey.rows, survey.problem_count, survey.work.sized_rows) == (3, 0, 3)


def test_a_csv_elsewhere_says_what_a_run_needs_to_open_its_photos(photos, tmp_path, capsys):
    assert main(["manifest", "photos", "-o", "lists/m.csv"]) == 0
    assert f"a run opens them with storage.allowed_folders=[{photos}]" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["m.csv", "m.parquet"])
def test_what_is_there_is_replaced_only_if_that_is_said(photos, tmp_path, capsys, name):
    (tmp_path / name).write_text("mine")
    assert main(["manifest", "photos", "-o", name]) == 2
    assert f"{name} is there already; give another name, or --overwrite" in capsys.readouterr().err
    assert main(["manifest", "--failures-of", "run", "-o", name]) == 2
    assert (tmp_path / name).read_text() == "mine"
    assert main(["manifest", "photos", "-o", name, "--overwrite"]) == 0
    assert (tmp_path / name).read_bytes() != b"mine"


def test_sizes_show_their_progress_on_a_terminal(photos, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert main(["manifest", "photos", "-o", "m.parquet", "--sizes"]) == 0
    assert "opened: " in capsys.readouterr().err
