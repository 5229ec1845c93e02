"""What the command line tells of itself: settings, version, and what is meant by a wrong name."""

import shutil
import signal
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from pasd_batch import __version__
from pasd_batch.batch.driver import dry_run
from pasd_batch.batch.driver.interrupts import Interrupted
from pasd_batch.cli import main
from pasd_batch.cli.command_line import _COMMANDS
from pasd_batch.config.listing import all_settings
from pasd_batch.config.run import RunSettings

CONFIGS = Path(__file__).parents[2] / "configs"


def test_every_setting_has_a_meaning_and_is_listed_once():
    listed = list(all_settings(RunSettings))
    assert len({each.path for each in listed}) == len(listed) > 100
    assert [each.path for each in listed if not each.meaning] == []


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["sampling.scale"], ["restoration.sampling.scale: 2.0", "    Output size = round(input size x scale)."]),
        (["manifest.path"], ["manifest.path: (required)"]),
        (["personalized.strength"], ["restoration.model.personalized.strength: 1.0"]),
        (["loras[].weight"], ["restoration.model.loras[].weight: 1.0"]),
        (["--of", "restore", "color_fix"], ['sampling.color_fix: "wavelet"']),
        (["deadlines.restore"], ["deadlines.restore: 3600.0"]),
    ],
)
def test_settings_are_listed_with_defaults_and_meaning(capsys, arguments, lines):
    assert main(["settings", *arguments]) == 0
    printed = capsys.readouterr().out.splitlines()
    for line in lines:
        assert line in printed


def test_help_has_no_doubled_percent_signs(capsys):
    for command in _COMMANDS:
        with suppress(SystemExit):
            main([command.__name__.rpartition(".")[2], "--help"])
    assert "%%" not in capsys.readouterr().out


def test_the_list_goes_into_a_pipe_in_one_piece(monkeypatch):
    written: list[str] = []
    monkeypatch.setattr("sys.stdout", SimpleNamespace(write=written.append))
    assert main(["settings"]) == 0
    assert len(written) == 1
    assert len(written[0].encode()) < 65536


def test_a_name_that_no_setting_has_is_refused(capsys):
    assert main(["settings", "colour"]) == 2
    assert "no setting has 'colour' in its name" in capsys.readouterr().err


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"pasd-batch {__version__}\n"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["restore", "a.jpg", "--output", "out", "--set", "color_fix=adain"], "is sampling.color_fix meant?"),
        (["run", "run.yaml", "color_fix=adain"], "is restoration.sampling.color_fix meant?"),
        (
            ["restore", "a.jpg", "-o", "out", "--set", "restoration.sampling.scale=2"],
            "restoration: unknown setting; leave out the prefix restoration. before sampling",
        ),
        (["run", "run.yaml", "sampling.scale=2"], "sampling: unknown setting; is restoration.sampling meant?"),
        (["run", "run.yaml", "model.base=x"], "model: unknown setting; is restoration.model meant?"),
        (["run", "run.yaml", "color_fix=adain"], "pasd-batch: command line: 1 invalid"),
        (["run", "run.yaml", "outptu.root=x"], "outptu: unknown setting; is output meant?"),
        (["run", "run.yaml", "blurr=2"], "blurr: unknown setting; is audit.blurry meant?"),
        (
            ["run", "run.yaml", "describe.caption.threshold=1"],
            "describe: unknown setting; is restoration.describe meant?",
        ),
        (["plan", "run.yaml", "scale=4"], "is manifest.columns.scale or restoration.sampling.scale meant?"),
        (["audit", "in", "-o", "out", "blurr=2"], "command line: 1 invalid"),
        (
            ["train", "train.yaml", "stpes=2"],
            "pasd-batch: command line: 1 invalid setting(s)\n  stpes: unknown setting; is st",
        ),
        (["train", "train.yaml", "model.pacca=x"], "  model.pacca: unknown setting; is model.paca meant?"),
        (
            ["run", "wrong.yaml", "shard_size=4"],
            "wrong.yaml: 1 invalid setting(s)\n  ouput: unknown setting; is output",
        ),
        (["run", "wrong.yaml", "shard_size=0"], "wrong.yaml with the command line's settings: 2 invalid"),
        (["run", "run.yaml", "--no-bar"], "unrecognized arguments: --no-bar; pasd-batch run --help lists all"),
    ],
)
def test_a_setting_in_the_wrong_place_is_told_its_right_one(tmp_path, monkeypatch, capsys, command, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text("manifest: {path: photos.csv}\noutput: {root: run}\n")
    (tmp_path / "wrong.yaml").write_text("manifest: {path: photos.csv}\noutput: {root: run}\nouput: 1\n")
    shutil.copy(CONFIGS / "train_tiny.yaml", tmp_path / "train.yaml")
    with suppress(SystemExit):  # argparse's own way
        assert main(command) == 2
    assert told in capsys.readouterr().err


def test_an_interruption_is_a_line_and_no_traceback(tmp_path, monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("pasd_batch.manifests.making.make_manifest", interrupted)
    assert main(["manifest", str(tmp_path), "-o", str(tmp_path / "m.parquet")]) == 130
    assert capsys.readouterr().err == "ended by SIGINT\n"


def test_a_plan_that_is_interrupted_says_that_nothing_has_changed(tmp_path, monkeypatch, capsys):
    def interrupted(address):
        raise Interrupted(signal.SIGINT)

    (tmp_path / "m.csv").write_text("uri\na.jpg\n")
    (tmp_path / "run.yaml").write_text(f"manifest: {{path: {tmp_path}/m.csv}}\noutput: {{root: {tmp_path}/run}}\n")
    monkeypatch.setattr(dry_run, "ray_session", interrupted)
    assert main(["plan", str(tmp_path / "run.yaml")]) == 130
    assert capsys.readouterr().err == "ended by SIGINT; a plan changes nothing\n"
