"""What the scripts around the tables do by themselves."""

from pathlib import Path

import pytest
from ablations import check_variants
from evaluation.intervals import Interval
from noise_level import plot, trend, write_csv
from PIL import Image
from sampling_sweep import grid_points


def test_trends_say_whether_every_step_goes_one_way() -> None:
    assert trend([1.0, 2.0, 3.0]) == "rises at every step"
    assert trend([3.0, 2.0, 1.5]) == "falls at every step"
    assert trend([1.0, 3.0, 2.5]) == "rises by 1.5 in all, but not at every step"
    assert trend([1.0]) == "too few values"


def test_the_noise_levels_are_written_and_plotted(tmp_path: Path) -> None:
    summary = {
        alpha: {"psnr": Interval(20 + alpha, 19.0, 22.0), "niqe": Interval(5 + alpha, 4.0, 7.0)}
        for alpha in (0.0, 0.25, 1.0)
    }
    write_csv(tmp_path / "noise.csv", summary)
    assert (tmp_path / "noise.csv").read_text().splitlines()[:2] == [
        "alpha_a,metric,mean,low,high",
        "0.0,psnr,20.0,19.0,22.0",
    ]
    pytest.importorskip("matplotlib", reason="the plot needs the extra `quality`")
    plot(tmp_path / "noise.png", summary, "x4")
    assert Image.open(tmp_path / "noise.png").size == (840, 540)


def test_the_grid_holds_every_combination() -> None:
    assert grid_points(["steps=4,8", "guidance_scale=1"]) == [
        ("steps=4", "guidance_scale=1"),
        ("steps=8", "guidance_scale=1"),
    ]
    for wrong in ("steps", "=4", "steps=4,,8"):
        with pytest.raises(SystemExit, match="write it as SETTING=VALUE,VALUE"):
            grid_points([wrong])


def test_variants_need_a_folder_and_a_name_of_their_own(tmp_path: Path) -> None:
    check_variants([["full", str(tmp_path)], ["without ANS", str(tmp_path), "pure_noise_start=true"]])
    with pytest.raises(SystemExit, match="give a name and a model folder"):
        check_variants([["full"]])
    with pytest.raises(SystemExit, match="full is given twice"):
        check_variants([["full", str(tmp_path)], ["full", str(tmp_path)]])
