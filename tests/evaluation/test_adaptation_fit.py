"""Maps of adaptation fitted to sweeps: what is there is found, and nothing where nothing is."""

import json
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pytest
import yaml
from report_runs import result_row, run_file

from pasd_batch.cli import main
from pasd_batch.config.adaptation import AdaptationMap
from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.evaluation.adaptation_check import checks, left_out_choices
from pasd_batch.evaluation.adaptation_fit import chosen_variants, fit_map
from pasd_batch.evaluation.errors import EvaluationError
from pasd_batch.evaluation.sweep import Sweep, SweptPhoto, read_sweep
from pasd_batch.records import ScoreColumn, result_schema
from pasd_batch.runs.run_folder import RunFolder

SETTINGS = ({"kept_frequencies": 0}, {"kept_frequencies": 0.25}, {"kept_frequencies": 0.5})


def made_up(best_of, photos=200, scale=1.0, seed=0):
    """A sweep in which the variant that `best_of` names, by noise and blur, is a decibel better than its neighbours."""
    draws = np.random.default_rng(seed)
    noise, blur = draws.uniform(0, 10, photos), draws.uniform(0.5, 3, photos)
    best = np.array([best_of(*each) for each in zip(noise, blur, strict=True)])
    hard = -(noise + blur)[:, None]
    psnr = 30 + hard - np.abs(np.arange(len(SETTINGS)) - best[:, None])
    told = [
        SweptPhoto("set", f"photo {number % 40}", scale, float(one), float(two), None)
        for number, (one, two) in enumerate(zip(noise, blur, strict=True))
    ]
    return Sweep(SETTINGS, tuple(told), {"psnr": psnr}, psnr)


def by_noise(noise, blur):
    return 2 if noise < 4 else 0


def by_both(noise, blur):
    severity = 1 - (1 - np.clip((noise - 2) / 10, 0, 1)) * (1 - np.clip((blur - 1) / 3, 0, 1))
    return 2 - (severity > 0.3) - (severity > 0.6)


@pytest.mark.parametrize(("best_of", "least"), [(by_noise, 0.95), (by_both, 0.6)])
def test_a_map_that_is_there_is_found_for_photos_that_were_left_out(best_of, least):
    sweep = made_up(best_of)
    *_, whole = checks(sweep, left_out_choices(sweep, 5))
    assert least < whole.closed <= 1.0
    assert whole.low <= whole.closed <= whole.high
    assert whole.fixed.objective < whole.adaptive.objective <= whole.best.objective
    assert whole.best.scores["psnr"] == pytest.approx(whole.best.objective)


def test_a_map_never_takes_more_from_a_photo_with_less_wrong():
    fitted = fit_map(made_up(by_both))
    assert fitted.scales[0].jpeg_strength is None  # no photo tells
    kept = np.array(
        [
            [
                fitted.at(SweptPhoto("", "", 1, noise, blur, None), scale=1).settings["kept_frequencies"]
                for noise in np.linspace(0, 12, 25)
            ]
            for blur in np.linspace(0, 4, 25)
        ]
    )
    assert len(np.unique(kept)) == 3
    assert (np.diff(kept, axis=0) <= 0).all()
    assert (np.diff(kept, axis=1) <= 0).all()


def test_the_more_losses_count_the_less_is_done_to_photos_that_may_lose():
    """Half of the noisy photos gain two decibels, the other half lose one."""
    sweep = made_up(lambda noise, blur: 2)
    noisy = np.array([photo.noise_sigma > 5 for photo in sweep.photos])
    lucky = np.arange(len(sweep.photos)) % 2 == 0
    objective = sweep.objective[:, 1:] * 0 - 10.0 * np.array([[photo.noise_sigma] for photo in sweep.photos])
    objective[:, 0] += np.where(noisy & lucky, 2.0, -1.0)
    risky = Sweep((SETTINGS[0], SETTINGS[2]), sweep.photos, {"psnr": objective}, objective)
    changed = [(chosen_variants(fit_map(risky, losses=losses), risky) == 0).mean() for losses in (1.0, 9.0)]
    assert changed[0] > 0.3
    assert changed[1] < 0.1


def test_where_readings_tell_nothing_the_best_fixed_setting_is_chosen_for_all():
    sweep = made_up(lambda noise, blur: 1)
    assert set(chosen_variants(fit_map(sweep), sweep)) == {1}
    *_, whole = checks(sweep, left_out_choices(sweep, 4))
    assert (whole.closed, whole.low, whole.high) == (0.0, 0.0, 0.0)


def test_scales_have_parts_of_their_own_that_meet_between_them():
    one, two = made_up(by_noise), made_up(lambda noise, blur: 1, scale=4.0)
    scores = np.concatenate([one.objective, two.objective])
    fitted = fit_map(Sweep(SETTINGS, one.photos + two.photos, {"psnr": scores}, scores))
    assert [part.up_to_scale for part in fitted.scales] == [2.0, None]
    assert [len(part.classes) for part in fitted.scales] == [2, 1]


@pytest.fixture
def evaluated(tmp_path):
    """A finished evaluation of two variants that differ in one setting that adapts, over six photos."""
    output, names = tmp_path / "out", ("kept 0", "kept 0.5")
    extra = [pa.field("test_set", pa.string()), pa.field("photo", pa.string())]
    columns = [ScoreColumn("psnr", higher_is_better=True), ScoreColumn("piqe_after", higher_is_better=False)]
    for variant, name in enumerate(names):
        folder = RunFolder.open(str(output / "runs" / name), StorageSettings())
        folder.storage.write("run.json", json.dumps(asdict(run_file(6))).encode())
        rows = []
        for number in range(6):
            scores = {"psnr": 30.0 + number * variant, "piqe_after": 40.0 - number}
            readings = {"noise_sigma": float(number), "blur_sigma": None, "jpeg_strength": 0.1}
            told = {"test_set": "pairs", "photo": f"{number}", "scale": 2.0, "scores": scores}
            rows.append(result_row(number, **readings, **told))
        folder.commit(0, rows, result_schema(extra, columns, with_images=False))
    variants = [
        {"name": name, "restoration": {"sampling": {"steps": 1, "kept_frequencies": kept}}}
        for name, kept in zip(names, (0.0, 0.5), strict=True)
    ]
    (output / "report").mkdir()
    (output / "report" / "evaluation.json").write_text(json.dumps({"variants": variants}))
    return output


def test_a_finished_evaluation_is_a_sweep(evaluated):
    sweep = read_sweep(str(evaluated), {"psnr": 1.0, "piqe_after": -2.0})
    assert sweep.settings == ({"kept_frequencies": 0.0}, {"kept_frequencies": 0.5})
    assert (len(sweep.photos), sweep.objective.shape) == (6, (6, 2))
    assert np.array_equal(sweep.objective, sweep.scores["psnr"] - 2 * sweep.scores["piqe_after"])
    assert {photo.scale for photo in sweep.photos} == {2.0}


def test_the_command_writes_a_map_that_settings_take(evaluated, tmp_path, capsys):
    path = tmp_path / "a folder" / "map.yaml"
    assert main(["adapt", str(evaluated), "--output", str(path), "--objective", "psnr=1", "--folds", "3"]) == 0
    told = capsys.readouterr().out
    assert "| pairs | 6 | no gap | " in told
    assert f"sampling.adapt=true 'sampling.adaptation={path}'" in told
    settings = SamplingSettings.parse({"adapt": True, "adaptation": str(path)})
    assert settings.adaptation == AdaptationMap.parse(yaml.safe_load(path.read_text()))
    path.write_text("sampling: {}")
    assert main(["adapt", str(evaluated), "-o", str(path), "--objective", "psnr=1", "--folds", "3"]) == 2
    assert f"{path} is there already, and is not a map of adaptation; give another name" in capsys.readouterr().err
    assert path.read_text() == "sampling: {}"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--objective", "psnr"], "write METRIC=WEIGHT"),
        (["--objective", "lpips=1"], "has no lpips (scores: piqe_after, psnr)"),
        (["--objective", "psnr=nan"], "--objective psnr=nan: a finite weight is needed, such as psnr=1"),
        (["--objective", "psnr=1", "--losses", "-1"], "--losses -1: give a number from 0 up"),
        (["--objective", "psnr=1", "--folds", "7"], "7 folds of 6 photos; give 2 to 6"),
    ],
)
def test_what_cannot_be_fitted_is_told(evaluated, tmp_path, capsys, options, told):
    assert main(["adapt", str(evaluated), "--output", str(tmp_path / "map.yaml"), *options]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "map.yaml").exists()


def test_an_evaluation_without_a_sweep_is_told(evaluated, tmp_path, capsys):
    assert main(["adapt", str(tmp_path), "--output", str(tmp_path / "map.yaml")]) == 2
    assert "there is no finished evaluation; run `pasd-batch evaluate` to its end" in capsys.readouterr().err
    report = evaluated / "report" / "evaluation.json"
    report.write_text(json.dumps({"variants": json.loads(report.read_text())["variants"][:1]}))
    with pytest.raises(EvaluationError, match="variants differ by nothing of what adapts"):
        read_sweep(str(evaluated), {"psnr": 1.0})
