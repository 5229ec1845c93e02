"""Settings of restored files that their format has no use for: one rule for `restore` and for runs."""

import pytest

from pasd_batch.config.base import ConfigError
from pasd_batch.config.restore import RestoreSettings
from pasd_batch.config.run import RunSettings

LEAST = {"manifest": {"path": "manifest.csv"}, "output": {"root": "run"}}


def as_run(file, **other):
    return RunSettings.parse({**LEAST, "output": {"root": "run", "file": file}, **other})


def as_restore(file):
    return RestoreSettings.parse({"output": {"file": file}})


@pytest.mark.parametrize("parse", [as_run, as_restore])
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ({"quality": 80}, "quality"),
        ({"quality": 95, "format": "tiff"}, "quality"),
        ({"subsampling": "4:2:0", "format": "webp"}, "subsampling"),
        ({"lossless": True, "format": "jpeg"}, "lossless"),
        ({"compression": 9, "format": "webp"}, "compression"),
        ({"keep_16_bit": False, "format": "jpeg"}, "keep_16_bit"),
    ],
)
def test_a_setting_that_the_format_has_no_use_for_is_refused(parse, file, name):
    with pytest.raises(ConfigError, match=rf"output\.file\.{name} is of .*, so nothing would change; leave it out"):
        parse(file)


@pytest.mark.parametrize("parse", [as_run, as_restore])
@pytest.mark.parametrize(
    "file",
    [
        {},
        {"format": "jpeg", "quality": 80, "subsampling": "4:2:0"},
        {"format": "webp", "lossless": True, "quality": 80},
        {"format": "tiff", "compression": 9, "keep_16_bit": False},
        {"format": "png", "background": [0, 0, 0]},
    ],
)
def test_settings_of_the_format_itself_are_taken(parse, file):
    parse(file)


def test_settings_that_a_run_has_written_down_are_read_again():
    settings = as_run({"format": "jpeg", "quality": 80})
    assert RunSettings.parse(settings.model_dump(mode="json")) == settings
    before = settings.model_dump(mode="json")
    before["output"]["file"] |= {"format": "png"}
    assert RunSettings.parse(before).output.file.quality == 80


def test_modes_that_write_no_photos_do_not_look_at_their_format():
    as_run({"quality": 80}, mode="score")
