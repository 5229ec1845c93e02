"""Prompts, and the text states that the networks read."""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from pasd_batch.records import Description

CACHED_PROMPTS = 1024

_SEPARATOR = ", "
_BETWEEN = ", \t\n"
"""Separators that are stripped from the ends of a part."""


def compose_prompt(
    own: str,
    *,
    trigger_words: str = "",
    description: Description | None = None,
    substitutions: Mapping[str, str] | None = None,
    suffix: str = "",
) -> str:
    """A photo's prompt: its own, then its description's caption, objects and class, then the quality suffix.

    "a farm" with two dogs -> "a farm, 2 dog, clean, high-resolution, 8k". Empty parts leave no separator, and what the
    own prompt says already is not said again. Two defects of the released code are not copied: it puts the suffix
    behind the caption without a separator, and drops the own prompt of a photo whose class scores below 0.1
    (yangxy/PASD, test_pasd.py).

    Args:
        own: the photo's own prompt, as it was written by people.
        trigger_words: words that weights were trained with; first of all, where a prompt that is cut to the text
            encoder's length cannot lose them.
        description: findings of describers.
        substitutions: words of captions, and what is said instead.
        suffix: the quality suffix.
    """
    parts = [trigger_words.strip(_BETWEEN), own.strip(_BETWEEN)]
    for part in _described(description or Description(), substitutions or {}):
        if not _contains(", ".join(parts), part):
            parts.append(part)
    parts.append(suffix.strip(_BETWEEN))
    return _SEPARATOR.join(part for part in parts if part)


def _described(description: Description, substitutions: Mapping[str, str]) -> Iterator[str]:
    """The parts that a description gives, as the released code writes them: "2 dog, 1 person"."""
    yield _substituted(description.caption or "", substitutions).strip(_BETWEEN)
    for found in description.objects:
        yield f"{found.count} {found.name}"
    yield description.class_name or ""


def _substituted(caption: str, substitutions: Mapping[str, str]) -> str:
    """Replace whole words of a caption, ignoring case, in one pass: replacements are not replaced again."""
    instead = {word.casefold(): new for word, new in substitutions.items()}

    def replaced(found: re.Match[str]) -> str:
        # Some letters match in any case that have no such case: \u0130 and i.
        return instead.get(found[0].casefold(), found[0])

    # The longest first, of several that begin alike.
    words = "|".join(re.escape(word) for word in sorted(substitutions, key=len, reverse=True))
    if words:
        caption = re.sub(rf"(?<!\w)(?:{words})(?!\w)", replaced, caption, flags=re.IGNORECASE)
    return " ".join(caption.split())


def _contains(prompt: str, part: str) -> bool:
    said = f"{_SEPARATOR}{prompt}{_SEPARATOR}".casefold()
    return f"{_SEPARATOR}{part}{_SEPARATOR}".casefold() in said


class PromptEncoder:
    """CLIP text encoder with a cache; it encodes one prompt at a time, so that prompts do not affect each other."""

    def __init__(self, tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel) -> None:
        self.tokenizer = tokenizer
        self.text_encoder = text_encoder
        self.encode = lru_cache(maxsize=CACHED_PROMPTS)(self._encode)
        self.truncated_text = lru_cache(maxsize=CACHED_PROMPTS)(self._truncated_text)

    @torch.inference_mode()
    def _encode(self, prompt: str) -> Float[Tensor, "words text_channels"]:
        states = self.text_encoder(self.token_ids(prompt).to(self.text_encoder.device)).last_hidden_state
        return states[0]

    @cached_property
    def responds_to_prompts(self) -> bool:
        """False for an encoder that maps all prompts to one embedding, as of a model trained without captions."""
        return not torch.equal(self.encode("a dog on a lawn"), self.encode("the sea by night"))

    def warnings(self, prompt: str, negative_prompt: str | None) -> tuple[str, ...]:
        """Warnings about words that are lost: those of a model that reads none, or beyond the encoder's length."""
        if prompt and not self.responds_to_prompts:
            return ("its prompt changes nothing, as the model reads no words; restore it with one that does",)
        lost = {"prompt": self.truncated_text(prompt), "negative prompt": self.truncated_text(negative_prompt or "")}
        return tuple(
            f"its {name} is longer than the text encoder reads; shorten it, or this is lost: {words!r}"
            for name, words in lost.items()
            if words
        )

    def token_ids(self, prompt: str) -> Tensor:
        """Token numbers (1, words), padded and cut to the text encoder's length (77)."""
        return self.tokenizer(
            prompt,
            padding="max_length",
            max_length=self.text_encoder.config.max_position_embeddings,
            truncation=True,
            return_tensors="pt",
        ).input_ids

    def _truncated_text(self, prompt: str) -> str:
        """The end of a prompt that exceeds the text encoder's length; empty for most prompts."""
        # Not verbose: transformers would warn of an indexing error, which `token_ids` prevents.
        tokens = self.tokenizer(prompt, add_special_tokens=False, verbose=False).input_ids
        # Every prompt also has a start and an end token.
        room = self.text_encoder.config.max_position_embeddings - 2
        return str(self.tokenizer.decode(tokens[room:])).strip() if len(tokens) > room else ""
