"""`pasd-batch restore` as a person calls it, on an untrained model."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pasd_batch.cli import main, restore
from pasd_batch.pasd.untrained import TINY, save_untrained

QUICK = ["--steps", "2", "--guidance", "1", "--device", "cpu", "--set", "sampling.min_short_side=64"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("model")
    save_untrained(folder, TINY, seed=0)
    return ["--base", str(folder), "--control", str(folder)]


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (30, 44, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "a.jpg")
    Image.fromarray(pixels[:, :, 0]).save(folder / "b.png")
    (folder / "broken.jpg").write_bytes((folder / "a.jpg").read_bytes()[:300])
    return folder


def test_photos_come_back_enlarged_and_a_broken_one_is_named(model, photos, tmp_path, capsys):
    output = tmp_path / "out"
    code = main(["restore", *map(str, sorted(photos.iterdir())), "--output", str(output), *model, *QUICK])
    captured = capsys.readouterr()
    assert code == 1
    assert f"{photos / 'broken.jpg'}: " in captured.err
    assert captured.out == f"restored 2 of 3 photos into {output}\n"
    assert sorted(path.name for path in output.iterdir()) == ["a.png", "b.png"]
    assert Image.open(output / "a.png").size == (88, 60)
    assert Image.open(output / "b.png").mode == "L"


def test_photos_of_a_folder_come_back_in_its_tree(model, photos, tmp_path, capsys, monkeypatch):
    made = b"PNG urn:pasd-batch:restoration#"
    monkeypatch.setattr(
        restore, "restore_file", lambda restorer, read, source, target: restore.write_whole(target, made)
    )
    for name in (
        "sub/deep/a.JPG",
        "sub/a.tif",
        "sub/notes.txt",
        "sub/film.mov",
        "README",
        ".hidden.jpg",
        ".thumbs/a.jpg",
    ):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).touch()
    (photos / "sub" / "a.png").touch()
    output = photos / "restored"
    for _ in range(2):  # what it has made is no part of the folder
        assert main(["restore", str(photos), "--output", str(output), *model, *QUICK]) == 0
        captured = capsys.readouterr()
        assert f"{photos}: left out by ending: 1 .mov, 1 .txt, 1 without" in captured.err
        assert f"{photos}: left out, hidden, or their names begin with _: 2" in captured.err
        assert captured.out == f"restored 6 of 6 photos into {output}\n"
    names = sorted(str(path.relative_to(output)) for path in output.rglob("*.png"))
    assert names == ["a.png", "b.png", "broken.png", "sub/a.png.png", "sub/a.tif.png", "sub/deep/a.png"]


def test_a_grey_photo_comes_back_in_color_where_that_is_asked_for(model, photos, tmp_path):
    command = ["restore", str(photos / "b.png"), "--output", str(tmp_path / "out"), *model, *QUICK]
    assert main([*command, "--set", "sampling.colorize=true"]) == 0
    colored = Image.open(tmp_path / "out" / "b.png")
    assert colored.mode == "RGB"
    assert np.ptp(np.asarray(colored).astype(int), axis=2).max() > 10


def test_the_same_call_gives_the_same_bytes_and_another_seed_other_ones(model, photos, tmp_path):
    def restored(name: str, *more: str) -> bytes:
        assert main(["restore", str(photos / "a.jpg"), "--output", str(tmp_path / name), *model, *QUICK, *more]) == 0
        return (tmp_path / name / "a.png").read_bytes()

    first = restored("first", "--scale", "1.5")
    assert restored("second", "--scale", "1.5") == first
    assert restored("third", "--scale", "1.5", "--seed", "1") != first


def test_a_model_says_what_it_did_in_the_metadata(model, photos, tmp_path):
    main(["restore", str(photos / "a.jpg"), "--output", str(tmp_path / "out"), *model, *QUICK])
    text = Image.open(tmp_path / "out/a.png").info
    assert "compositeWithTrainedAlgorithmicMedia" in str(text)


def test_names_that_differ_in_their_suffix_only_are_told_apart(model, photos, tmp_path):
    Image.open(photos / "a.jpg").save(photos / "a.bmp")
    inputs = [str(photos / "a.jpg"), str(photos / "a.bmp")]
    assert main(["restore", *inputs, "--output", str(tmp_path / "out"), *model, *QUICK]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.bmp.png", "a.jpg.png"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["missing.jpg", "--output", "out"], "missing.jpg: no such file"),
        ([".", "--output", "."], "its result would replace the photo"),
        (["a.jpg", "--output", "others"], "replace others/a.png, which is no restored photo; move that one"),
        (["b.png", "--output", "others"], "replace others/b.png, which is no restored photo"),
        (["", "--output", "out"], "a PHOTO has an empty name"),
        (["https:/me:HUSH@h/a.png", "--output", "out"], "https:/***@h/a.png: restore takes files and folders"),
        (["b.png", "--output", "-"], "--output -: photos do not go to standard output"),
        (["b.png", "b.png", "--output", "out"], "another photo of the same name"),
        ([".", "b.png", "--output", "out"], "another photo of the same name"),
        (
            ["s3://me:HUSH@b/scans", "--output", "out"],
            "s3://***@b/scans: restore takes files and folders of this machine",
        ),
        (["empty", "--output", "out"], "empty: no photos in this folder; check the path; left out by ending: 1"),
        (["b.png", "--output", "out", "--scale", "0"], "sampling.scale"),
        (["b.png", "--output", "out", "--set", "sampling.stepz=1"], "sampling.stepz: unknown setting"),
        (
            ["b.png", "--output", "out", "--base", "nowhere", "--control", "nowhere"],
            "base folder nowhere: not a directory",
        ),
        (
            ["b.png", "--output", "out", "--set", "sampling.scheduler=Nonsense"],
            "'Nonsense' is not a diffusers scheduler",
        ),
        (["b.png", "--output", "out", "--device", "warp"], "device 'warp'"),
    ],
)
def test_what_cannot_be_started_says_why_and_writes_nothing(model, photos, monkeypatch, capsys, arguments, complaint):
    monkeypatch.chdir(photos)
    (photos / "empty").mkdir()
    (photos / "empty" / "notes.txt").touch()
    (photos / "others" / "b.png").mkdir(parents=True)
    (photos / "others" / "a.png").write_bytes((photos / "b.png").read_bytes())
    named = arguments if "--base" in arguments else [*arguments, *model]
    assert main(["restore", *named]) == 2
    assert complaint in capsys.readouterr().err
    assert not (photos / "out").exists()
    assert (photos / "others" / "a.png").read_bytes() == (photos / "b.png").read_bytes()


@pytest.mark.parametrize(("output", "told"), [("", "an empty name"), ("s3://me:HUSH@b/out", "not a URI")])
def test_an_output_that_is_no_folder_is_a_slip(photos, monkeypatch, capsys, output, told):
    monkeypatch.chdir(photos)
    with pytest.raises(SystemExit) as ended:
        main(["restore", "a.jpg", "--output", output])
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert told in message
    assert "HUSH" not in message


def test_a_missing_photo_does_not_stop_the_others(model, photos, tmp_path, capsys):
    inputs = [str(photos / "missing.jpg"), str(photos / "a.jpg")]
    assert main(["restore", *inputs, "--output", str(tmp_path / "out"), *model, *QUICK]) == 1
    captured = capsys.readouterr()
    assert f"{photos / 'missing.jpg'}: no such file" in captured.err
    assert "restored 1 of 2 photos" in captured.out


@pytest.mark.parametrize("error", [MemoryError("64 GB"), RuntimeError("nobody expects this")])
def test_a_photo_that_fails_unexpectedly_does_not_stop_the_others(model, photos, tmp_path, capsys, monkeypatch, error):
    restore_file = restore.restore_file

    def failing(restorer, read, source, target):
        if source.name == "a.jpg":
            raise error
        return restore_file(restorer, read, source, target)

    monkeypatch.setattr(restore, "restore_file", failing)
    inputs = [str(photos / "a.jpg"), str(photos / "b.png")]
    assert main(["restore", *inputs, "--output", str(tmp_path / "out"), *model, *QUICK]) == 1
    captured = capsys.readouterr()
    assert f"{photos / 'a.jpg'}: {type(error).__name__}: {error}" in captured.err
    assert "restored 1 of 2 photos" in captured.out


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "ENOSPC (No space left on device); the disk or quota is full; free some space"),
        (errno.EROFS, "EROFS (Read-only file system); the disk or mount is in trouble"),
        (errno.EACCES, None),
    ],
)
def test_a_disk_that_takes_nothing_ends_it_at_once(model, photos, tmp_path, capsys, monkeypatch, number, told):
    """But a single file that may not be written is the failure of its photo alone."""
    tried = []

    def failing(path, data):
        tried.append(path)
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "write_bytes", failing)
    inputs = [str(photos / "a.jpg"), str(photos / "b.png")]
    assert main(["restore", *inputs, "--output", str(tmp_path / "out"), *model, *QUICK]) == 1
    captured = capsys.readouterr()
    assert f"restored 0 of 2 photos into {tmp_path / 'out'}" in captured.out
    assert len(tried) == (1 if told else 2)
    if told:
        assert f"{tmp_path / 'out' / 'a.png'}: OSError {told}" in captured.err
        assert f"photos that are not restored for this: 2, beginning with {photos / 'a.jpg'}" in captured.err


@pytest.mark.parametrize("output", ["b.png", "b.png/below"])
def test_an_output_that_is_a_file_is_refused_before_the_model_is_loaded(photos, capsys, monkeypatch, output):
    monkeypatch.setattr(restore, "_load", lambda settings: pytest.fail("the model was loaded"))
    assert main(["restore", str(photos / "a.jpg"), "--output", str(photos / output)]) == 2
    assert "b.png is a file; name a folder" in capsys.readouterr().err


def test_an_output_that_cannot_be_made_is_a_message(photos, tmp_path, capsys, monkeypatch):
    def full(*arguments, **options):
        raise OSError("no space left")

    monkeypatch.setattr(restore, "_load", lambda settings: None)
    monkeypatch.setattr(Path, "mkdir", full)
    assert main(["restore", str(photos / "a.jpg"), "--output", str(tmp_path / "out")]) == 2
    assert "no space left; name a folder that can be written" in capsys.readouterr().err


def test_help_is_quick_because_nothing_heavy_is_imported():
    code = "import sys, pasd_batch.cli; sys.exit('torch' in sys.modules or 'ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_limits_are_settings(model, photos, tmp_path, capsys):
    command = ["restore", str(photos / "a.jpg"), "--output", str(tmp_path / "out"), *model, *QUICK]
    assert main([*command, "--set", "limits.max_pixels=1000"]) == 1
    assert "44 x 30 = 1,320 pixels is more than the limit of 1,000; raise limits.max_pixels" in capsys.readouterr().err
    assert main([*command, "--set", "limits.max_bytes=99"]) == 1
    assert "bytes, more than the limit of 99; raise limits.max_bytes" in capsys.readouterr().err
    assert main([*command, "--set", "limits.max_byte=99"]) == 2
    assert "limits.max_byte: unknown setting" in capsys.readouterr().err
