"""Prompts, and the text states that the networks read."""

import logging
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

logger = logging.getLogger(__name__)

CACHED_PROMPTS = 1024


def compose_prompt(prompt: str, added_prompt: str) -> str:
    """A photo's prompt with the quality suffix behind it: "a dog" -> "a dog, clean, high-resolution, 8k"."""
    if not prompt.strip():
        return added_prompt
    return f"{prompt}, {added_prompt}" if added_prompt else prompt


class PromptEncoder:
    """CLIP text encoder that reads each prompt once; one prompt at a time, so that neighbours cannot matter."""

    def __init__(self, tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel) -> None:
        self.tokenizer = tokenizer
        self.text_encoder = text_encoder
        self.encode = lru_cache(maxsize=CACHED_PROMPTS)(self._encode)

    @torch.inference_mode()
    def _encode(self, prompt: str) -> Float[Tensor, "words text_channels"]:
        self._warn_of_unread_words(prompt)
        states = self.text_encoder(self.token_ids(prompt).to(self.text_encoder.device)).last_hidden_state
        return states[0]

    def token_ids(self, prompt: str) -> Tensor:
        """Token numbers (1, words), padded and cut to the text encoder's length (77)."""
        return self.tokenizer(
            prompt,
            padding="max_length",
            max_length=self.text_encoder.config.max_position_embeddings,
            truncation=True,
            return_tensors="pt",
        ).input_ids

    def _warn_of_unread_words(self, prompt: str) -> None:
        # Not verbose: transformers would warn of an indexing error, which `token_ids` prevents.
        tokens = self.tokenizer(prompt, add_special_tokens=False, verbose=False).input_ids
        # Every prompt has a start and an end beside its words.
        room = self.text_encoder.config.max_position_embeddings - 2
        if len(tokens) > room:
            unread = str(self.tokenizer.decode(tokens[room:]))
            logger.warning(
                "a prompt has %d tokens, of which the text encoder reads %d; shorten it, or this is lost: %r",
                len(tokens),
                room,
                unread.strip(),
            )
