import pytest
from photo_archive import settings, spec


def test_a_photo_s_file_says_by_which_settings_it_was_made_whatever_the_run(tmp_path):
    alone = spec(settings(tmp_path / "a")).photo_fingerprint
    other = settings(
        tmp_path / "b",
        "another.parquet",
        shard_size=3,
        metrics={"no_reference": []},
        limits={"max_pixels": 1000},
        output={"images": "both"},
        restoration={"model": {"base": "elsewhere", "control": "elsewhere", "device": "cpu"}}
        | {"sampling": settings("a").restoration.sampling},
    )
    assert spec(other).photo_fingerprint == alone


@pytest.mark.parametrize(
    "change",
    [
        {"output": {"file": {"compression": 9}}},
        {"output": {"file": {"format": "jpeg"}}},
        {"restoration": {"sampling": {"seed": 1}}},
        {"restoration": {"model": {"dtype": "float16"}}},
    ],
)
def test_what_decides_a_photo_s_file_decides_its_fingerprint(tmp_path, change):
    changed = spec(settings(tmp_path, **change)).photo_fingerprint
    assert changed != spec(settings(tmp_path)).photo_fingerprint
