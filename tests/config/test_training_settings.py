"""Settings of a training that contradict each other are refused before anything is loaded."""

import pytest

from pasd_batch.config.base import ConfigError
from pasd_batch.config.training import parse_training
from pasd_batch.config.training_data import WebDatasetSource

BASE = {"output": "out", "data": {"sources": [{"kind": "photos", "path": "photos"}]}, "steps": 1}
PASD = {"start": "pasd", "base": "a", "control": "b"}
STABLE_DIFFUSION = {"start": "stable_diffusion", "base": "a"}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"model": PASD, "trainable": ["text_encoder"]}, "text_encoder, which the output would not hold"),
        ({"model": STABLE_DIFFUSION, "trainable": ["paca", "text_encoder"]}, "the output would not hold"),
        ({"model": PASD, "without": ["paca"]}, "cannot lose paca"),
        (
            {"model": STABLE_DIFFUSION, "without": ["degradation_removal"], "losses": {"denoising": 0}},
            "without degradation_removal only losses.denoising and losses.picture are left",
        ),
        ({"model": PASD, "trainable": []}, "trainable is empty"),
    ],
)
def test_contradictions_are_refused(values, complaint):
    with pytest.raises(ConfigError, match=complaint):
        parse_training({**BASE, **values})


def test_a_source_of_no_known_kind_is_one_mistake():
    with pytest.raises(ConfigError, match=r"1 invalid setting\(s\)\n  data.sources.0: Input tag 'photo'"):
        parse_training({**BASE, "model": PASD, "data": {"sources": [{"kind": "photo", "path": "photos"}]}})
    with pytest.raises(ConfigError, match=r"data\.sources: Tuple should have at least 1 item"):
        parse_training({**BASE, "model": PASD, "data": {"sources": []}})


def test_a_text_encoder_may_learn_where_the_output_holds_it():
    for model in ({**PASD, "carries_base": True}, {"start": "scratch", "vae": "a"}):
        assert parse_training({**BASE, "model": model, "trainable": ["text_encoder"]}).trainable


def test_a_captions_suffix_is_compared_as_files_are_named():
    suffixes = [WebDatasetSource(path="x", caption_suffix=suffix).caption_suffix for suffix in (".TXT", "cls.Txt")]
    assert suffixes == ["txt", "cls.txt"]
