"""Tokens and text states."""

import golden_data
import pytest
import torch
from golden_data import model_folder
from transformers import CLIPTextModel, CLIPTokenizer

from pasd_batch.pasd.prompts import PromptEncoder


@pytest.mark.parametrize("name", golden_data.names("text"))
def test_text(name: str):
    golden = golden_data.load(name)
    folder = golden_data.FOLDER / "tiny/stable-diffusion-v1-5"
    for part in ("tokenizer", "text_encoder"):
        model_folder(f"tiny/stable-diffusion-v1-5/{part}")
    encoder = PromptEncoder(
        CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        CLIPTextModel.from_pretrained(folder / "text_encoder").float().eval(),
    )
    for number, (prompt, negative) in enumerate(golden.description["prompts"]):
        rows = [negative or "", prompt]
        ids = torch.cat([encoder.token_ids(row) for row in rows])
        assert torch.equal(ids, golden.tensors[f"input_ids_{number}"]), rows
        golden.check(torch.stack([encoder.encode(row) for row in rows]), f"embeds_{number}")
