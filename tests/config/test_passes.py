"""Several passes as settings: whole, written in short, and absent where there is one."""

import pytest

from pasd_batch.config.base import ConfigError
from pasd_batch.config.embedded_model import embedded_sampling
from pasd_batch.config.model import ModelSettings, Precision
from pasd_batch.config.restoration import PassSettings, RestorationSettings
from pasd_batch.config.restore import RestoreSettings
from pasd_batch.config.run import RunSettings
from pasd_batch.config.sampling import ColorFix, SamplingSettings
from pasd_batch.config.weights import weights_settings, with_weights
from pasd_batch.runs.run_file import fingerprint

COLORIZE = {"model": {"base": "sd", "control": "color"}, "sampling": {"colorize": True}}
RESTORE = {"model": {"base": "sd", "control": "pasd"}, "sampling": {"steps": 4}}


def restoration(*passes, **beside):
    return RestorationSettings.parse({"passes": passes, **beside})


def scales(*passes, **beside):
    return [each.sampling.scale for each in restoration(*({"sampling": each} for each in passes), **beside).passes]


def test_one_pass_is_written_and_counted_as_if_there_were_no_others():
    one = RestorationSettings.parse({"sampling": {"steps": 3}})
    assert one.in_order == (one,)
    assert one.last is one
    assert one.enlarged_before == 1.0
    for plain in (one.model_dump(), one.decisive()):
        assert list(plain) == ["model", "sampling", "describe"]
    assert RestorationSettings.parse({"sampling": {"steps": 3}, "passes": []}) == one


def test_each_pass_has_a_model_and_sampling_of_its_own_with_their_defaults():
    colorize, restore = restoration(COLORIZE, RESTORE).in_order
    assert (str(colorize.model.control), str(restore.model.control)) == ("color", "pasd")
    assert (colorize.sampling.color_fix, colorize.sampling.added_prompt) == (ColorFix.LUMA, "")
    assert (restore.sampling.color_fix, restore.sampling.steps) == (ColorFix.WAVELET, 4)
    embedded = restoration({"sampling": {"steps": 3}}, {}).in_order
    assert [each.model.base for each in embedded] == [None, None]
    assert [each.sampling.min_short_side for each in embedded] == [embedded_sampling()["min_short_side"]] * 2
    assert [each.sampling.steps for each in embedded] == [3, embedded_sampling()["steps"]]


def test_what_stands_beside_the_passes_is_common_to_them_and_their_own_goes_before():
    common = {
        "model": {"base": "sd", "control": "pasd", "device": "cpu", "dtype": "float32"},
        "sampling": {"seed": 5, "prompt": "a house", "alpha_a": 0.5, "tiling": {"tile_size": 64}},
    }
    other = {"model": {"dtype": "bfloat16"}, "sampling": {"added_noise_level": 700, "tiling": {"overlap": 8}}}
    first, second = restoration({}, other, **common).in_order
    assert (first.model.dtype, second.model.dtype) == (Precision.FLOAT32, Precision.BFLOAT16)
    assert (first.sampling.alpha_a, second.sampling.alpha_a, second.sampling.added_noise_level) == (0.5, None, 700)
    assert (second.sampling.tiling.tile_size, second.sampling.tiling.overlap) == (64, 8)
    for each in (first, second):
        assert (each.model.device, each.sampling.seed, each.sampling.prompt) == ("cpu", 5, "a house")


def test_scales_multiply_out_to_the_one_that_is_asked_for():
    usual = SamplingSettings().scale
    assert scales({}, {}) == [1, usual]
    assert scales({"scale": 2}, {}, {}) == [2, 1, 1]
    assert scales({}, {"scale": 3}) == [1, 3]
    assert scales({}, {}, sampling={"scale": 3}) == [1, 3]
    assert scales({"scale": 2}, {}, sampling={"scale": "5"}) == [2, 2.5]
    assert scales({"scale": 2}, {"scale": 1.5}, sampling={"scale": 3}) == [2, 1.5]
    assert restoration({"sampling": {"scale": 2}}, {"sampling": {"scale": 1.5}}, {}).enlarged_before == 3


@pytest.mark.parametrize(
    ("passes", "beside", "told"),
    [
        ([RESTORE], {}, "one pass; write it as model and sampling, without passes"),
        ([{"sampling": {"prompt": "a dog"}}, {}], {}, "a different prompt.*set sampling.prompt beside them"),
        ([{"sampling": {"seed": 1}}, {}], {}, "a different seed.*set sampling.seed beside them"),
        ([{"sampling": {"color_fix": "reference"}}, {}], {}, "the last, which gives the palette and has wavelet"),
        ([{"sampling": {"scale": 8}}, {"sampling": {"scale": 4}}], {}, "enlarge by 32 together, the most is 16"),
        (
            [{"sampling": {"scale": 2}}, {"sampling": {"scale": 3}}],
            {"sampling": {"scale": 4}},
            "sampling.scale is 4, which leaves 2 for the last pass, whose scale is 3; set one of the two",
        ),
        ([{"sampling": {"scale": "much"}}, {}], {"sampling": {"scale": 4}}, r"passes\.0\.sampling\.scale.*'much'"),
        ([{}, {}], {"sampling": {"scale": "much"}}, r"passes\.1\.sampling\.scale.*'much'"),
        ([{}, {"sampling": {"scale": 2}}], {"sampling": {"scale": "much"}}, r"passes\.1\.sampling\.scale.*'much'"),
        ([{}, {"sampling": {"scale": None}}], {"sampling": {"scale": 3}}, r"passes\.1\.sampling\.scale"),
        ([{"sampling": {"scale": 0}}, {}], {"sampling": {"scale": 4}}, r"passes\.0\.sampling\.scale"),
        ([{}, {"sampling": {"stps": 3}}], {}, r"passes\.1\.sampling\.stps: unknown setting"),
        ([{}, {"modell": {}}], {}, r"passes\.1\.modell: unknown setting"),
        ([{}, 7], {}, r"passes\.1: a group of settings is needed"),
        ([{}, {"sampling": 7}], {}, r"passes\.1\.sampling: a group of settings is needed"),
        ([{}, {"passes": []}], {}, r"passes\.1\.passes: unknown setting"),
    ],
)
def test_passes_that_cannot_be_one_restoration_are_refused(passes, beside, told):
    with pytest.raises(ConfigError, match=told):
        restoration(*passes, **beside)


def test_settings_that_are_built_are_whole_and_none_of_them_stands_beside():
    one, two = PassSettings(sampling=SamplingSettings(scale=1)), PassSettings(sampling=SamplingSettings(scale=3))
    assert RestorationSettings(passes=(one, two)).in_order == (one, two)
    with pytest.raises(ValueError, match="built settings"):
        RestorationSettings(passes=(one, two), sampling=SamplingSettings(steps=3))
    with pytest.raises(ValueError, match="built settings"):
        RestorationSettings(passes=(one, two), model=ModelSettings(device="cpu"))


def test_they_are_written_and_read_back_as_they_are():
    settings = restoration(COLORIZE, RESTORE, sampling={"scale": 4, "seed": 2}, model={"device": "cpu"})
    assert list(settings.model_dump()) == ["describe", "passes"]
    for plain in (settings.model_dump(), settings.model_dump(mode="json")):
        assert RestorationSettings.parse(plain) == settings
    restore = RestoreSettings.parse({"passes": [COLORIZE, RESTORE], "sampling": {"scale": 4}, "model": {}})
    assert restore.as_run("/run", photo_batch=1).restoration.passes == restore.passes


def test_all_passes_and_their_order_decide_but_not_where_they_run():
    def identity(*passes, **beside):
        return fingerprint(restoration(*passes, **beside).decisive())

    whole = identity(COLORIZE, RESTORE)
    assert identity(COLORIZE, RESTORE, model={"device": "cpu"}) == whole
    assert identity(COLORIZE, RESTORE | {"sampling": {"steps": 4, "scale": 2}}) == whole
    assert identity(COLORIZE | {"sampling": {"colorize": True, "steps": 3}}, RESTORE) != whole
    assert identity(RESTORE, COLORIZE) != whole
    assert identity(COLORIZE, RESTORE, RESTORE) != whole


def test_weights_of_every_pass_are_found_and_changed():
    settings = restoration(COLORIZE, RESTORE, model={"loras": [{"path": "style"}]})
    named = {setting.name: str(setting.value) for setting in weights_settings(settings)}
    assert named == {
        "passes.0.model.base": "sd",
        "passes.0.model.control": "color",
        "passes.0.model.loras.0.path": "style",
        "passes.1.model.base": "sd",
        "passes.1.model.control": "pasd",
        "passes.1.model.loras.0.path": "style",
    }
    moved = with_weights(settings, lambda setting: f"s3://mirror/{setting.value}")
    assert [each.model.control for each in moved.passes] == ["s3://mirror/color", "s3://mirror/pasd"]
    assert moved.decisive() == settings.decisive()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"restoration": {}, "output": {"root": "r", "passes": True}}, "of which there are none"),
        ({"output": {"root": "r", "passes": True}, "mode": "score"}, "of which there are none"),
        ({"output": {"root": "r", "passes": True, "images": "parquet"}}, "set it to files or both"),
    ],
)
def test_results_of_passes_are_stored_where_there_are_some_and_files(values, told):
    whole = {"manifest": {"path": "m.csv"}, "restoration": {"passes": [COLORIZE, RESTORE]}, **values}
    with pytest.raises(ConfigError, match=told):
        RunSettings.parse(whole)


def test_all_passes_but_the_last_are_stored():
    manifest, output = {"path": "m.csv"}, {"root": "r", "passes": True}
    passes = {"passes": [COLORIZE, RESTORE, RESTORE]}
    settings = RunSettings.parse({"manifest": manifest, "output": output, "restoration": passes})
    assert settings.stored_passes == 2
