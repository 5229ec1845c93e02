"""Prompts and their text states."""

import pytest
import torch

from pasd_batch.pasd.checkpoint import load_base
from pasd_batch.pasd.prompts import PromptEncoder, compose_prompt


@pytest.mark.parametrize(
    ("prompt", "added", "expected"),
    [
        ("a dog", "clean, 8k", "a dog, clean, 8k"),
        ("", "clean, 8k", "clean, 8k"),
        ("  \n", "clean, 8k", "clean, 8k"),
        ("a dog", "", "a dog"),
        ("", "", ""),
    ],
)
def test_compose(prompt, added, expected):
    assert compose_prompt(prompt, added) == expected


@pytest.fixture
def encoder(tiny_model_folder):
    base = load_base(tiny_model_folder)
    return PromptEncoder(base.tokenizer, base.text_encoder)


def test_each_prompt_is_encoded_once(encoder):
    calls = []
    encoder.text_encoder.register_forward_hook(lambda *_: calls.append(1))
    first = encoder.encode("a dog")
    assert encoder.encode("a dog") is first
    assert len(calls) == 1
    assert not torch.equal(encoder.encode("a cat"), first)
    assert len(calls) == 2


def test_states_are_those_after_the_final_normalisation(encoder):
    modules = encoder.text_encoder.named_modules()
    (norm,) = (module for name, module in modules if name.endswith("final_layer_norm"))
    outputs = []
    norm.register_forward_hook(lambda _module, _inputs, output: outputs.append(output[0]))
    states = encoder.encode("a dog")
    assert states.shape == (77, 16)
    assert torch.equal(states, outputs[0])


@pytest.mark.parametrize("prompt", ["", "a dog", "word " * 200, "ünïcode 写真"])
def test_tokens_are_padded_and_cut(encoder, prompt):
    tokens = encoder.token_ids(prompt)
    assert tokens.shape == (1, 77)
    start, end = encoder.tokenizer.bos_token_id, encoder.tokenizer.eos_token_id
    assert int(tokens[0, 0]) == start
    assert int(tokens[0, -1]) == end
    assert bool(torch.isfinite(encoder.encode(prompt)).all())


def test_tokens_spell_the_prompt(encoder):
    ids = encoder.token_ids("a dog, 8k")[0].tolist()
    words = ids[1 : ids.index(encoder.tokenizer.eos_token_id)]
    assert encoder.tokenizer.decode(words).replace(" ", "") == "adog,8k"


def test_words_that_do_not_fit_are_named_once(encoder, caplog):
    encoder.encode("a dog, " * 10 + "clean, 8k")
    assert not caplog.records
    for _ in range(2):
        encoder.encode("a dog, " * 30 + "clean, 8k")
    (warning,) = caplog.records
    assert "reads 75" in warning.getMessage()
    assert "clean" in warning.getMessage()
