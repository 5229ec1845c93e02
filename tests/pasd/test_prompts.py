"""Prompts and their text states."""

import pytest
import torch

from pasd_batch.config.model import ModelSettings
from pasd_batch.pasd.checkpoint import load_base
from pasd_batch.pasd.models import load_models
from pasd_batch.pasd.prompts import PromptEncoder, compose_prompt
from pasd_batch.records import Description, FoundObject


@pytest.mark.parametrize(
    ("prompt", "added", "expected"),
    [
        ("a dog", "clean, 8k", "a dog, clean, 8k"),
        ("", "clean, 8k", "clean, 8k"),
        ("  \n", "clean, 8k", "clean, 8k"),
        ("a dog", "", "a dog"),
        ("", "", ""),
        ("a dog, ", ", clean", "a dog, clean"),
    ],
)
def test_compose(prompt, added, expected):
    assert compose_prompt(prompt, suffix=added) == expected


DOGS = (FoundObject("dog", 2, 0.9), FoundObject("person", 1, 0.6))


@pytest.mark.parametrize(
    ("own", "description", "expected"),
    [
        (
            "Uncle Joe",
            Description("two dogs on a lawn", DOGS, "golden retriever", 0.8),
            "Uncle Joe, two dogs on a lawn, 2 dog, 1 person, golden retriever, clean, 8k",
        ),
        ("", Description(objects=DOGS), "2 dog, 1 person, clean, 8k"),
        ("Uncle Joe", Description(class_name="tabby", class_score=0.04), "Uncle Joe, tabby, clean, 8k"),
        ("Uncle Joe", Description(), "Uncle Joe, clean, 8k"),
        ("Uncle Joe,", Description(" a lawn, "), "Uncle Joe, a lawn, clean, 8k"),
        ("Golden retriever, 2 DOG", Description(None, DOGS, "golden retriever", 0.8), None),
        ("12 dog", Description(None, DOGS[:1]), "12 dog, 2 dog, clean, 8k"),
    ],
)
def test_a_description_stands_between_the_photos_own_prompt_and_the_suffix(own, description, expected):
    if expected is None:  # what people have said already is not said again
        expected = "Golden retriever, 2 DOG, 1 person, clean, 8k"
    assert compose_prompt(own, description=description, suffix="clean, 8k") == expected


def test_a_prompt_that_was_composed_before_is_not_made_longer():
    description = Description("two dogs on a lawn", DOGS, "golden retriever", 0.8)
    once = compose_prompt("Uncle Joe", description=description)
    assert compose_prompt(once, description=description) == once


def test_what_was_put_in_is_not_replaced_again_and_the_longest_words_count():
    substitutions = {"old": "new", "new": "old", "old photo": "photo"}
    said = compose_prompt(
        "", description=Description("an OLD photo of a new car and old men"), substitutions=substitutions
    )
    assert said == "an photo of a old car and new men"
    turkish = Description("\u0130 and I")  # a capital that matches i, and is none in lower case
    assert compose_prompt("", description=turkish, substitutions={"i": "you"}) == "\u0130 and you"


def test_substitutions_are_of_whole_words_in_captions_alone():
    said = compose_prompt(
        "a blurry name",
        description=Description("A Blurry photo of a noisy street, blurrylike", class_name="blurry"),
        substitutions={"blurry": "clear", "noisy": "clean", "photo of a": r"\1"},
    )
    assert said == r"a blurry name, A clear \1 clean street, blurrylike, blurry"


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [("a dog", "toon style, a dog, clean"), ("", "toon style, clean"), (" ", "toon style, clean")],
)
def test_trigger_words_come_first(prompt, expected):
    assert compose_prompt(prompt, trigger_words="toon style", suffix="clean") == expected


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


def test_words_that_do_not_fit_are_named(encoder):
    assert encoder.truncated_text("a dog, " * 10 + "clean, 8k") == ""
    assert encoder.truncated_text("a dog, " * 30 + "clean, 8k").replace(" ", "").endswith("clean,8k")


def test_a_model_that_reads_no_words_is_told_from_one_that_does(encoder):
    assert encoder.responds_to_prompts
    assert not load_models(ModelSettings(device="cpu")).prompt_encoder.responds_to_prompts
