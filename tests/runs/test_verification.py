"""Runs that were damaged in many ways: what is wrong is found and said. No Ray."""

import errno
import os
import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_run import PHOTOS, TinyRun, cut, flip, shard_file

from pasd_batch.cli import main
from pasd_batch.runs.damage import RunDamaged
from pasd_batch.runs.shard_findings import ProblemKind
from pasd_batch.runs.summary import summarize


@pytest.fixture
def tiny_run(tmp_path):
    return TinyRun(tmp_path)


def test_a_whole_run_is_whole(tiny_run):
    result = tiny_run.verify()
    assert result.whole
    assert (result.photos, result.failed, result.files) == (PHOTOS, 1, PHOTOS - 1)
    assert result.bytes_read == sum(map(len, tiny_run.files.values()))
    assert "whole" in "\n".join(result.lines())


def test_photos_that_are_planned_twice_are_found_where_nothing_is_done_yet(tiny_run):
    (tiny_run.root / shard_file("results", 2)).unlink()
    (tiny_run.root / shard_file("plan", 2)).write_bytes((tiny_run.root / shard_file("plan", 0)).read_bytes())
    result = tiny_run.verify()
    assert result.plan_is_wrong
    assert result.counts == {ProblemKind.PLAN_DAMAGED: 1, ProblemKind.RESULTS_MISSING: 1}


def test_no_photo_is_said_to_belong_to_nothing_while_its_shard_cannot_be_read(tiny_run):
    cut(tiny_run.root / shard_file("results", 2))
    cut(tiny_run.root / shard_file("plan", 2))
    assert tiny_run.verify().counts == {ProblemKind.PLAN_DAMAGED: 1, ProblemKind.RESULTS_DAMAGED: 1}


@pytest.mark.parametrize("folder", ["plan", "results"])
def test_damage_at_any_place_of_a_file_is_no_fault_of_the_program(tiny_run, folder):
    path = tiny_run.root / shard_file(folder, 1)
    data = path.read_bytes()
    found = 0
    for place in range(0, len(data), 61):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        found += bool(tiny_run.verify().counts)
    assert found > len(data) / 61 / 2
    path.write_bytes(data)
    assert tiny_run.verify().whole


def test_rows_that_do_not_tell_their_photo_are_damage(tiny_run):
    path = tiny_run.root / shard_file("results", 1)
    table = pq.read_table(path)
    nothing = pa.nulls(table.num_rows, table["output_bytes"].type)
    place = table.schema.get_field_index("output_bytes")
    pq.write_table(table.set_column(place, "output_bytes", nothing), path)
    assert tiny_run.verify().counts == {ProblemKind.RESULTS_DAMAGED: 1}


def test_text_that_is_no_utf8_is_damage(tiny_run):
    path = tiny_run.root / shard_file("plan", 1)
    table = pq.read_table(path)
    pq.write_table(table, path, compression="none", use_dictionary=False, write_statistics=False)
    path.write_bytes(path.read_bytes().replace(b"05.png", b"\xff5.png"))
    result = tiny_run.verify()
    assert result.counts == {ProblemKind.PLAN_DAMAGED: 1}
    assert "UTF" in result.examples[ProblemKind.PLAN_DAMAGED][0].detail


def test_files_that_belong_to_nothing_are_listed_and_kept_unless_it_is_said(tiny_run, capsys):
    for name in ("images/holiday.png", "images/a/b.png", "plan/notes.txt", "results/shard-000007.parquet"):
        tiny_run.folder.storage.write(name, b"x")
    assert tiny_run.verify().counts == {ProblemKind.EXTRA: 4}
    assert main(["verify", str(tiny_run.root), "--repair"]) == 1
    told = capsys.readouterr()
    assert "4 x file that belongs to nothing" in told.out
    assert told.err == f"`pasd-batch verify {tiny_run.root} --delete-extra` deletes the files that belong to nothing\n"
    assert (tiny_run.root / "images/holiday.png").exists()
    assert main(["verify", str(tiny_run.root), "--delete-extra"]) == 0
    assert "deleted: 4 files that belonged to nothing" in capsys.readouterr().out
    assert main(["verify", str(tiny_run.root)]) == 0
    assert tiny_run.stored() == tiny_run.files


def test_twenty_problems_of_a_kind_are_named_and_the_others_counted(tiny_run):
    for number in range(23):
        tiny_run.folder.storage.write(f"images/{number}.txt", b"x")
    lines = list(tiny_run.verify().lines())
    assert len([line for line in lines if line.endswith(".txt")]) == 20
    assert lines[-1] == "  and 3 more; --output FILE writes all of them down"


def test_problems_are_told_without_what_is_said_anyway(tiny_run):
    cut(tiny_run.root / shard_file("results", 1))
    cut(tiny_run.root / shard_file("plan", 2))
    lines = list(tiny_run.verify().lines())
    assert any(line.startswith(f"  {shard_file('results', 1)}: cannot be read (") for line in lines)
    assert str(tiny_run.root) not in "\n".join(lines)


def test_a_photo_stored_by_a_shard_that_is_not_done_yet_belongs_to_it(tiny_run):
    (tiny_run.root / shard_file("results", 2)).unlink()
    assert tiny_run.verify().counts == {ProblemKind.RESULTS_MISSING: 1}


@pytest.mark.parametrize("data", [None, b"{", b'{"photos": 12, "failed": 0}'])
def test_a_summary_that_is_missing_or_wrong_is_found(tiny_run, data):
    (tiny_run.root / "summary.json").unlink()
    if data is not None:
        (tiny_run.root / "summary.json").write_bytes(data)
    assert tiny_run.verify().counts == {ProblemKind.SUMMARY: 1}


def test_without_hashes_only_what_is_missing_or_of_another_size_is_found(tiny_run):
    flip(tiny_run.root / "images/01.png")
    cut(tiny_run.root / "images/02.png")
    (tiny_run.root / "images/03.png").unlink()
    result = tiny_run.verify(hashes=False)
    assert result.counts == {ProblemKind.PHOTO_DAMAGED: 1, ProblemKind.PHOTO_MISSING: 1}
    assert result.bytes_read == 0


def test_the_end_of_a_run_does_not_count_photos_that_are_gone_as_restored(tiny_run):
    for number in (0, 5):
        (tiny_run.root / f"images/{number:02d}.png").unlink()
    with pytest.raises(RunDamaged, match=r"lacks 2 restored photos .* images/00\.png; `pasd-batch verify"):
        summarize(tiny_run.folder, tiny_run.run_file())


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE, errno.EMFILE, errno.ENOMEM])
def test_storage_in_trouble_is_no_damage(tiny_run, monkeypatch, capsys, number):
    def refuse(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("pasd_batch.runs.shard_check.open_for_reading", refuse)
    assert main(["verify", str(tiny_run.root), "--repair"]) == 2
    assert errno.errorcode[number] in capsys.readouterr().err
    assert tiny_run.stored() == tiny_run.files
    assert not (tiny_run.root / "damaged").exists()


def test_the_command_says_what_is_wrong_and_ends_with_a_code_for_schedulers(tiny_run, tmp_path, capsys):
    for number in (0, 1, 2, 3, 5):
        (tiny_run.root / f"images/{number:02d}.png").unlink()
    report = tmp_path / "problems.csv"
    assert main(["verify", str(tiny_run.root), "--output", str(report)]) == 1
    told = capsys.readouterr()
    assert "5 x restored photo missing" in told.out
    assert "\n  images/00.png (photo 00.png)\n" in told.out
    assert f"`pasd-batch verify {tiny_run.root} --repair`" in told.err
    assert len(report.read_text().splitlines()) == 6
    assert "more; --output" not in told.out
    assert main(["verify", str(tiny_run.root), "--output", str(report)]) == 1
    report.write_text("photo,rating")
    assert main(["verify", str(tiny_run.root), "--output", str(report)]) == 2
    assert "problems.csv is there already, and is not a list of problems; give another name" in capsys.readouterr().err
    assert report.read_text() == "photo,rating"
    assert main(["verify", str(tmp_path / "nowhere")]) == 2
    assert "there is no run" in capsys.readouterr().err
    (tiny_run.root / "run.json").write_bytes(b"{")
    assert main(["verify", str(tiny_run.root)]) == 1
    assert "--repair --config CONFIG" in capsys.readouterr().err


def test_as_a_process_it_ends_with_a_code_for_schedulers(tiny_run):
    damaged = tiny_run.root.with_name("damaged")
    shutil.copytree(tiny_run.root, damaged)
    (damaged / "images/05.png").unlink()
    command = [sys.executable, "-c", "import sys; from pasd_batch.cli import main; sys.exit(main())", "verify"]
    given = [[str(tiny_run.root)], [str(damaged)], [str(damaged), "--config"]]
    processes = [subprocess.Popen([*command, *words], stdout=-1, stderr=-1, text=True) for words in given]
    told = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 1, 2], told
    assert told[0][1] == "", "schedulers mail what is on the error stream"
    assert "images/05.png (photo 05.png)" in told[1][0]
    assert f"`pasd-batch verify {damaged} --repair`" in told[1][1]
    assert "usage: " in told[2][1]
