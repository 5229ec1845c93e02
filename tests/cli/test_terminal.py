"""Names cannot do anything to a terminal."""

import logging

import pytest

from pasd_batch.batch.worker.log_lines import PrintableFormatter
from pasd_batch.cli import main
from pasd_batch.storage.printable import printable, printable_line

HOSTILE = "a\x1b[2J\x1b]0;title\x07\r\u202egpj.\udcff"
SHOWN = r"a\x1b[2J\x1b]0;title\x07\r\u202egpj.\udcff"


@pytest.mark.parametrize("text", ["plain.jpg", "東京\u3000写真.jpg", "J\u00fcrgen 👩\u200d🚀.jpg", "x\u00a0y"])
def test_names_in_any_script_are_shown_as_they_are(text):
    assert printable(text) == printable_line(text) == text


def test_control_characters_are_shown():
    assert printable(HOSTILE) == printable_line(HOSTILE) == SHOWN
    assert printable("a\n\tb") == "a\n\tb"
    assert printable_line("a\n\tb") == r"a\n\tb"


def test_messages_and_logs_show_control_characters(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    record = logging.LogRecord("n", logging.INFO, "p", 1, "photo %s", (HOSTILE,), None)
    assert PrintableFormatter("%(message)s").format(record) == f"photo {SHOWN}"
    record = logging.LogRecord("n", logging.INFO, "p", 1, "photo %s", ("a\nERROR all is lost",), None)
    assert PrintableFormatter("%(message)s").format(record) == "photo a\n    ERROR all is lost"
    assert main(["restore", HOSTILE, "--output", "out"]) == 2
    assert capsys.readouterr().err == f"pasd-batch: {SHOWN}: no photos match; check the path\n"
