"""Help of the commands."""

import pytest

from pasd_batch.cli import command_line


@pytest.mark.parametrize("command", [module.__name__.rpartition(".")[2] for module in command_line._COMMANDS])
def test_every_command_says_what_it_does_before_its_options(capsys, command):
    with pytest.raises(SystemExit) as ended:
        command_line.main([command, "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    usage, described, *_ = told.split("\n\n")
    assert usage.startswith(f"usage: pasd-batch {command}")
    assert len(described.split()) >= 5
    assert not described.startswith(("positional arguments", "options"))
    assert "['" not in told


def test_settings_are_not_called_required(capsys):
    with pytest.raises(SystemExit):
        command_line.main(["run"])
    assert "the following arguments are required: CONFIG\n" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "train", "evaluate", "audit", "describe", "verify"])
def test_what_shows_progress_can_leave_it_out(capsys, command):
    with pytest.raises(SystemExit):
        command_line.main([command, "--help"])
    assert "--no-progress" in capsys.readouterr().out
