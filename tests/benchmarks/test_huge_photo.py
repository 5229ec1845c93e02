"""The measurement of a large photo's memory, on a small one."""

import sys

import huge_photo


def test_a_photo_goes_through_the_stand_ins_to_a_file(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["huge_photo.py", "--width", "210", "--height", "130", "--format", "png"])
    huge_photo.main()
    told = capsys.readouterr().out
    assert told.startswith("210x130 x2 to 420x260 png of ")
    assert " GB above " in told
