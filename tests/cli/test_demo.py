"""`pasd-batch demo` from anywhere."""

import pytest

from pasd_batch.batch.driver import run
from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.run import RunReport
from pasd_batch.cli import main


@pytest.mark.parametrize("scores", [True, False])
def test_the_demo_needs_neither_the_checkout_nor_pyiqa(tmp_path, monkeypatch, capsys, scores):
    begun = []

    def begin(settings, **options):
        begun.append(settings)
        return RunReport(ExitCode.INCOMPLETE, None, "not today")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "run_archive", begin)
    monkeypatch.setattr("pasd_batch.cli.demo.find_spec", lambda name: object() if scores else None)
    monkeypatch.setattr("pasd_batch.cli.demo.PHOTOS", ("coins",))
    assert main(["demo", "--folder", "here"]) == 3
    (settings,) = begun
    assert (settings.manifest.path, settings.output.root) == ("here/manifest.parquet", "here/run")
    assert bool(settings.metrics.full_reference) is scores
    assert ("without scores" in capsys.readouterr().out) is not scores
    assert (tmp_path / "here/photos/coins.jpg").is_file()
