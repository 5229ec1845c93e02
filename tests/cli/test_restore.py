"""`pasd-batch restore` as a person calls it, on an untrained model."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from PIL import Image

from pasd_batch.batch.local import restoring
from pasd_batch.batch.worker.model_stage import ModelStage
from pasd_batch.cli import main
from pasd_batch.pasd.untrained import TINY, save_untrained
from pasd_batch.storage import local_files
from pasd_batch.storage.storage import Storage

EMBEDDED = ["b.png", "--output", "out", "--set", "model.device=cpu"]
TOON = "model.personalized.weights"
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


def test_every_page_is_restored_by_itself(quick_models, tmp_path, capsys):
    pages = [Image.new("RGB", (20, 30), color) for color in ("red", "blue")]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    arguments = ["restore", str(tmp_path / "scan.tif"), "--output", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert "the file has 2 pages, of which only the first is taken" in capsys.readouterr().err
    assert main([*arguments, "--pages", "every"]) == 0
    assert capsys.readouterr().out == f"restored 2 of 2 photos into {tmp_path / 'out'}\n"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "scan-p0001.png",
        "scan-p0002.png",
        "scan.png",
    ]
    assert main([*arguments, "--pages", "every", "--skip-done"]) == 0
    assert capsys.readouterr().out == f"restored 0 of 0 photos into {tmp_path / 'out'}; 2 were done before\n"


@pytest.fixture
def quick_models(monkeypatch):
    """Enlargement by a filter in place of PASD, for what does not depend on the model."""
    monkeypatch.setattr(restoring, "ModelLoaders", lambda: tiny_models.TINY)


def test_photos_of_a_folder_come_back_in_its_tree(quick_models, photos, tmp_path, capsys, caplog):
    for name in ("sub/notes.txt", "sub/film.mov", "README", ".hidden.jpg", ".thumbs/a.jpg"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).touch()
    for name in ("sub/a.tif", "sub/a.png", "sub/deep/a.jpg"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        Image.open(photos / "b.png").save(photos / name)
    (photos / "broken.jpg").unlink()
    output = photos / "restored"
    for _ in range(2):  # what it has made is no part of the folder
        caplog.clear()
        assert main(["restore", str(photos), "--output", str(output), "--format", "webp"]) == 0
        assert f"{photos}: left out by ending: 1 .mov, 1 .txt, 1 without" in caplog.text
        assert f"{photos}: left out, hidden, or their names begin with _: 2" in caplog.text
        captured = capsys.readouterr()
        assert captured.out == f"restored 5 of 5 photos into {output}\n"
        assert captured.err == ""
    names = sorted(path.relative_to(output).as_posix() for path in output.rglob("*.webp"))
    assert [name for name in names if "~" not in name] == ["a.webp", "b.webp", "sub/deep/a.webp"]
    assert sorted(name.partition("~")[0] for name in names if "~" in name) == ["sub/a", "sub/a"]


def test_a_tilde_that_no_shell_has_expanded_is_the_home_folder(quick_models, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(photos)
    Image.new("L", (44, 30), 255).save(tmp_path / "mask.png")
    assert main(["restore", "~/in/a.jpg", "--output=~/out", "--mask=~/mask.png"]) == 0
    assert main(["restore", "~/in/a.jpg", "--output=~/toned", "--color-reference=~/in/b.png"]) == 0
    assert (tmp_path / "out/a.png").exists()
    assert (tmp_path / "toned/a.png").exists()
    (tmp_path / "run.yaml").write_text("manifest: {path: ~/none}\noutput: {root: ~/run}\n")
    assert main(["plan", "~/run.yaml"]) == 2
    assert "- ~/none: no manifest" in capsys.readouterr().err
    assert not (photos / "~").exists()


def test_globs_are_searched_as_folders_are(quick_models, photos, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(photos)
    (photos / "sub" / "deep").mkdir(parents=True)
    Image.open("b.png").save("sub/deep/c.jpg")
    Path("[1].jpg").write_bytes(Path("a.jpg").read_bytes())
    Path("broken.jpg").unlink()
    command = ["restore", "-o", str(tmp_path / "out"), "--format", "jpeg", "--quality", "80"]
    assert main([*command, "**/*.jpg"]) == 0
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert names == ["[1].jpg", "a.jpg", "sub/deep/c.jpg"]
    assert main(["restore", "[1].jpg", "--output", str(tmp_path / "one")]) == 0
    assert os.listdir(tmp_path / "one") == ["[1].png"]
    assert main([*command, "sub/*.jpg"]) == 2
    assert "sub/*.jpg: no photos match; check the path" in capsys.readouterr().err


def test_a_grey_photo_comes_back_in_color_where_that_is_asked_for(model, photos, tmp_path):
    command = ["restore", str(photos / "b.png"), "--output", str(tmp_path / "out"), *model, *QUICK]
    assert main([*command, "--set", "sampling.colorize=true"]) == 0
    colored = Image.open(tmp_path / "out" / "b.png")
    assert colored.mode == "RGB"
    assert np.ptp(np.asarray(colored).astype(int), axis=2).max() > 10


def test_one_call_colorizes_and_then_restores(model, photos, tmp_path):
    command = ["restore", str(photos / "b.png"), "--output", str(tmp_path / "out"), *model, *QUICK, "--scale", "3"]
    passes = "[{sampling: {colorize: true, steps: 1}}, {sampling: {trigger_words: ink}}]"
    assert main([*command, "--set", f"passes={passes}"]) == 0
    restored = Image.open(tmp_path / "out" / "b.png")
    assert (restored.mode, restored.size) == ("RGB", (132, 90))


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


def test_names_that_differ_in_their_suffix_only_are_told_apart(quick_models, photos, tmp_path):
    Image.open(photos / "a.jpg").save(photos / "a.bmp")
    inputs = [str(photos / "a.jpg"), str(photos / "a.bmp")]
    assert main(["restore", *inputs, "--output", str(tmp_path / "out")]) == 0
    names = [path.name.partition("~") for path in (tmp_path / "out").iterdir()]
    assert [name for name, _, _ in names] == ["a", "a"]
    assert len({mark for _, _, mark in names}) == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["missing.jpg", "--output", "out"], "missing.jpg: no such file"),
        ([".", "--output", "."], "its result would replace the photo"),
        (["a.jpg", "--output", "others"], "others/a.png, which is no restored photo; move that one"),
        (["b.png", "--output", "others"], "others/b.png, which is no restored photo"),
        (["", "--output", "out"], "a photo has an empty name"),
        (["https:/me:HUSH@h/a.png", "--output", "out"], "https:/***@h/a.png: restore takes files, folders and globs"),
        (["b.png", "b.png", "--output", "out"], "named more than once"),
        ([".", "b.png", "--output", "out"], "named more than once"),
        (
            ["s3://me:HUSH@b/scans", "--output", "out"],
            "s3://***@b/scans: restore takes files, folders and globs of this machine",
        ),
        (["empty", "--output", "out"], "empty: no photos in this folder; check the path; left out by ending: 1"),
        (["b.png", "--output", "out", "--scale", "0"], "sampling.scale"),
        (
            [*EMBEDDED, "--prompt", "a dog"],
            "sampling.prompt: the embedded model reads no words, so",
        ),
        (
            [*EMBEDDED, "--set", "sampling.guidance_rescale=0.7", "--set", "sampling.guidance_interval=[0.3, 5]"],
            "sampling.guidance_interval, sampling.guidance_rescale: the embedded model reads no words",
        ),
        ([*EMBEDDED, "--guidance", "9", "--steps", "4"], "sampling.guidance_scale: the embedded model reads no words"),
        ([*EMBEDDED, "--set", "sampling.negative_prompt=fog"], "sampling.negative_prompt: the embedded model"),
        ([*EMBEDDED, "--set", "sampling.colorize=true"], "the embedded model has not learned to colorize"),
        ([*EMBEDDED, "--set", "passes=[{sampling: {colorize: true}}, {}]"], "photos would come out grey; leave it out"),
        (["b.png", "-o", "out", "--set", "sampling.stepz=1"], "sampling.stepz: unknown setting"),
        (
            ["b.png", "--output", "out", "--base", "nowhere", "--control", "nowhere"],
            "model.base: nowhere: no such folder or file in /",
        ),
        (
            ["b.png", "--output", "out", "--base", "runwayml/stable-diffusion-v1-5", "--control", "nowhere"],
            "write hf://runwayml/stable-diffusion-v1-5 if it is a repository",
        ),
        (
            ["b.png", "--output", "out", "--base", "file:///no/base", "--control", "file:///no/control"],
            "pasd-batch: model.base: /no/base: no such folder",
        ),
        (
            ["b.png", "--output", "out", "--base", "model", "--control", "model", "--set", f"{TOON}=notes.safetensors"],
            "notes.safetensors: no safetensors, but a text that begins with 'hello'",
        ),
        (
            ["b.png", "--output", "out", "--set", "sampling.scheduler=Nonsense"],
            "'Nonsense' is not a diffusers scheduler",
        ),
        (["b.png", "--output", "out", "--device", "warp"], "device 'warp'"),
        (
            ["b.png", "--output", "out", "--quality", "80"],
            "output.file.quality is of jpeg or webp, and output.file.format",
        ),
        (["b.png", "--output", "out", "--quality", "80", "--format", "tiff"], "is tiff, so nothing would change"),
        (["b.png", "--output", "out", "--set", "output.file.lossless=true"], "output.file.lossless is of webp, and"),
    ],
)
def test_what_cannot_be_started_says_why_and_writes_nothing(model, photos, monkeypatch, capsys, arguments, complaint):
    monkeypatch.chdir(photos)
    (photos / "empty").mkdir()
    (photos / "empty" / "notes.txt").touch()
    (photos / "notes.safetensors").write_text("hello\n")
    (photos / "model").symlink_to(model[1])
    (photos / "others" / "b.png").mkdir(parents=True)
    (photos / "others" / "a.png").write_bytes((photos / "b.png").read_bytes())
    named = arguments if "--base" in arguments or arguments[: len(EMBEDDED)] == EMBEDDED else [*arguments, *model]
    assert main(["restore", *named]) == 2
    assert complaint in capsys.readouterr().err
    assert not (photos / "out").exists()
    assert (photos / "others" / "a.png").read_bytes() == (photos / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("output", "told"),
    [("", "an empty name"), ("s3://me:HUSH@b/out", "not a URI"), ("-", "do not go to standard output")],
)
def test_an_output_that_is_no_folder_is_a_slip(photos, monkeypatch, capsys, output, told):
    monkeypatch.chdir(photos)
    with pytest.raises(SystemExit) as ended:
        main(["restore", "a.jpg", "--output", output])
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert told in message
    assert "HUSH" not in message


def test_a_missing_photo_does_not_stop_the_others(quick_models, photos, tmp_path, capsys):
    inputs = [str(photos / "missing.jpg"), str(photos / "a.jpg")]
    assert main(["restore", *inputs, "--output", str(tmp_path / "out")]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"{photos / 'missing.jpg'}: FileNotFoundError")
    assert captured.err.count("\n") == 1
    assert "restored 1 of 2 photos" in captured.out


def test_warnings_are_a_line_each_with_the_photo_s_path(quick_models, photos, tmp_path, capsys):
    Image.open(photos / "a.jpg").save(photos / "c.jpg", icc_profile=b"no profile at all")
    assert main(["restore", str(photos / "c.jpg"), "--output", str(tmp_path / "out")]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{photos / 'c.jpg'}: warning: ")


@pytest.mark.parametrize("error", [MemoryError("64 GB"), RuntimeError("nobody expects this")])
def test_a_photo_that_fails_unexpectedly_does_not_stop_the_others(
    quick_models, photos, tmp_path, capsys, monkeypatch, error
):
    together = ModelStage._restore_together

    def failing(stage, batch):
        if batch[0].state.row.input.format == "JPEG":
            raise error
        return together(stage, batch)

    monkeypatch.setattr(ModelStage, "_restore_together", failing)
    inputs = [str(photos / "a.jpg"), str(photos / "b.png")]
    assert main(["restore", *inputs, "--output", str(tmp_path / "out")]) == 1
    captured = capsys.readouterr()
    assert f"{photos / 'a.jpg'}: {type(error).__name__}: {error}\n" in captured.err
    assert "restored 1 of 2 photos" in captured.out


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "ENOSPC (No space left on device); the disk or quota is full; free some space"),
        (errno.EROFS, "EROFS (Read-only file system); the disk or mount is in trouble"),
        (errno.EACCES, None),
    ],
)
def test_a_disk_that_takes_nothing_ends_it_at_once(quick_models, photos, tmp_path, capsys, monkeypatch, number, told):
    """But a single file that may not be written is the failure of its photo alone."""
    write = local_files.write_partial

    def failing(target, data):
        if target.suffix == ".png":
            raise OSError(number, os.strerror(number), str(target))
        return write(target, data)

    monkeypatch.setattr(local_files, "write_partial", failing)
    inputs = [str(photos / "a.jpg"), str(photos / "b.png")]
    assert main(["restore", *inputs, "--output", str(tmp_path / "out")]) == 1
    captured = capsys.readouterr()
    assert f"restored 0 of 2 photos into {tmp_path / 'out'}" in captured.out
    if told:
        assert f".png: OSError {told}" in captured.err
        assert f"photos that are not restored for this: 2, beginning with {photos / 'a.jpg'}" in captured.err
    else:
        assert captured.err.count("PermissionError EACCES") == 2


@pytest.mark.parametrize("output", ["b.png", "b.png/below"])
def test_an_output_that_is_a_file_is_refused_before_the_model_is_loaded(photos, capsys, monkeypatch, output):
    monkeypatch.setattr(restoring, "_load", lambda *_: pytest.fail("the model was loaded"))
    assert main(["restore", str(photos / "a.jpg"), "--output", str(photos / output)]) == 2
    assert "b.png is a file; name a folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["mkdir", "write"])
def test_an_output_that_cannot_be_made_or_written_is_a_message(
    quick_models, photos, tmp_path, capsys, monkeypatch, name
):
    def full(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(*((Path, name) if name == "mkdir" else (local_files.LocalFiles, name)), full)
    assert main(["restore", str(photos / "a.jpg"), "--output", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert "Read-only file system" in message
    assert "name a folder that can be written" in message


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_told_in_a_line_and_leaves_nothing_half_written(
    quick_models, photos, tmp_path, capsys, monkeypatch, number
):
    (photos / "broken.jpg").unlink()
    together, calls = ModelStage._restore_together, []

    def interrupted(stage, batch):
        calls.append(batch)
        if len(calls) == 2:
            signal.raise_signal(number)
        return together(stage, batch)

    monkeypatch.setattr(ModelStage, "_restore_together", interrupted)
    output = tmp_path / "out"
    assert main(["restore", str(photos), "--output", str(output)]) == 128 + number
    captured = capsys.readouterr()
    assert captured.err == f"ended by {signal.Signals(number).name}; the photos that were restored are whole\n"
    assert captured.out.endswith(f" of 2 photos into {output}\n")
    assert set(os.listdir(output)) <= {"a.png", "b.png"}
    for path in output.iterdir():
        Image.open(path).load()


def test_a_photo_that_was_being_written_at_an_interruption_is_counted(
    quick_models, photos, tmp_path, capsys, monkeypatch
):
    (photos / "broken.jpg").unlink()
    together, write, begun = ModelStage._restore_together, Storage.write, []
    being_written, ended = threading.Event(), threading.Event()

    def interrupted(stage, batch):
        begun.append(batch)
        if len(begun) == 2:
            assert being_written.wait(30)
            ended.set()
            signal.raise_signal(signal.SIGINT)
        return together(stage, batch)

    def slow_write(storage, path, data):
        if path.endswith(".png"):
            being_written.set()
            assert ended.wait(30)
        write(storage, path, data)

    monkeypatch.setattr(ModelStage, "_restore_together", interrupted)
    monkeypatch.setattr(Storage, "write", slow_write)
    output = tmp_path / "out"
    assert main(["restore", str(photos), "--output", str(output)]) == 128 + signal.SIGINT
    assert len(os.listdir(output)) == 1
    assert capsys.readouterr().out == f"restored 1 of 2 photos into {output}\n"


def test_help_is_quick_because_nothing_heavy_is_imported():
    code = "import sys, pasd_batch.cli; sys.exit('torch' in sys.modules or 'ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_limits_are_settings(quick_models, photos, tmp_path, capsys):
    command = ["restore", str(photos / "a.jpg"), "--output", str(tmp_path / "out")]
    assert main([*command, "--set", "limits.max_pixels=1000"]) == 1
    assert "44 x 30 = 1,320 pixels is more than the limit of 1,000; raise limits.max_pixels" in capsys.readouterr().err
    assert main([*command, "--set", "limits.max_bytes=99"]) == 1
    assert (
        "bytes is more than the limit of 99; raise it or shrink the file (limits.max_bytes)" in capsys.readouterr().err
    )
    assert main([*command, "--set", "limits.max_byte=99"]) == 2
    assert "limits.max_byte: unknown setting" in capsys.readouterr().err


def test_deadlines_are_settings(quick_models, model, photos, tmp_path, capsys):
    command = ["restore", str(photos / "a.jpg"), "--output", str(tmp_path / "out"), *model]
    command += ["--prompt", tiny_models.SLOWLY]
    assert main([*command, "--set", "deadlines.restore=0.5"]) == 1
    assert "restoring took longer than 0.5 s (after 1 of 5 steps); raise deadlines.restore" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("scale", "adapt", "warned"), [("1", "false", True), ("1", "true", False), ("2", "false", False)]
)
def test_a_scale_at_which_the_embedded_model_takes_detail_is_said_before_it_begins(
    quick_models, photos, tmp_path, capsys, scale, adapt, warned
):
    command = ["restore", str(photos / "a.jpg"), "--output", str(tmp_path / "out"), "--scale", scale]
    assert main([*command, "--set", f"sampling.adapt={adapt}"]) == 0
    assert capsys.readouterr().err.startswith("warning: scale 1 with the embedded model, ") is warned


def test_photos_that_are_done_are_skipped_until_they_or_the_settings_change(quick_models, photos, tmp_path, capsys):
    (photos / "broken.jpg").unlink()
    command = ["restore", str(photos), "--output", str(tmp_path / "out"), "--skip-done"]

    def told(*more):
        assert main([*command, *more]) == 0
        return capsys.readouterr().out.replace(str(tmp_path / "out"), "out")

    assert told() == "restored 2 of 2 photos into out\n"
    before = (tmp_path / "out/a.png").read_bytes()
    assert told() == "restored 0 of 0 photos into out; 2 were done before\n"
    (tmp_path / "out/a.png").unlink()
    assert told() == "restored 1 of 1 photos into out; 1 were done before\n"
    assert (tmp_path / "out/a.png").read_bytes() == before
    later = (photos / "b.png").stat().st_mtime + 1000
    os.utime(photos / "b.png", (later, later))
    assert told().startswith("restored 1 of 1")
    assert told("--seed", "1") == "restored 2 of 2 photos into out\n"


def test_a_colour_reference_gives_all_results_its_palette_until_it_changes(quick_models, photos, tmp_path, capsys):
    (photos / "broken.jpg").unlink()
    like = tmp_path / "like.png"
    Image.new("RGB", (9, 9), (200, 30, 30)).save(like)
    command = ["restore", str(photos), "--output", str(tmp_path / "out"), "--skip-done", "--color-reference", str(like)]
    for told in ("restored 2 of 2", "restored 0 of 0"):
        assert main(command) == 0
        assert capsys.readouterr().out.startswith(told)
    Image.new("RGB", (9, 9), (30, 200, 30)).save(like)
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("restored 2 of 2")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--color-reference", ""], "the colour reference has an empty name"),
        (["--color-reference", "gone.png"], "gone.png: no such file; name the photo whose palette"),
        (["--color-reference", "."], ".: a folder, not a file; name the photo whose palette"),
        (["--color-reference", "a.jpg", "--set", "sampling.color_fix=adain"], "color_fix is adain, which uses none"),
        (["--color-reference", "a.jpg", "--set", "sampling.colorize=true"], "reference would bring back the grey"),
        (["--set", "sampling.color_fix=reference"], "name the photo of that palette with --color-reference"),
    ],
)
def test_a_colour_reference_that_does_not_go_with_the_settings_is_refused(photos, monkeypatch, capsys, given, told):
    monkeypatch.chdir(photos)
    assert main(["restore", "b.png", "--output", "out", *given]) == 2
    assert told in capsys.readouterr().err
    assert not (photos / "out").exists()
