"""Prompts, and the text states that the networks read."""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

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
