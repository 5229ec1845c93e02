"""Captions: a sentence about the photo, as the paper takes it from BLIP; by Florence-2 as well.

Tokens are chosen greedily, never drawn, so that the same photo has the same caption.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor, AutoTokenizer, StoppingCriteria

from pasd_batch.config.describe import CaptionSettings
from pasd_batch.describe.describer import Finding, Work
from pasd_batch.describe.model_folder import DescriberUnavailable, load_part
from pasd_batch.describe.vision_model import Placement, VisionModel, require_finite
from pasd_batch.records import Description

_FLORENCE_TASK = "<CAPTION>"


@dataclass(frozen=True)
class Captioner:
    """Says in a sentence what is in a photo."""

    model: VisionModel
    tokenizer: Any
    question: Mapping[str, Tensor]
    """Text that the network is given with a photo, as tokens (1, words); empty for BLIP."""
    settings: CaptionSettings
    name: str = "caption"

    @classmethod
    def load(cls, settings: CaptionSettings, placement: Placement) -> "Captioner":
        """The captioner of a folder.

        Raises:
            DescriberUnavailable: the folder holds none, or one of a family that is not known here.
        """
        model = VisionModel.load(AutoModelForImageTextToText, settings, placement)
        tokenizer = load_part(AutoTokenizer, settings)
        match model.network.config.model_type:
            case "blip":
                return cls(model, tokenizer, {}, settings)
            case "florence2":
                return cls(model, tokenizer, _florence_question(settings), settings)
            case family:
                raise DescriberUnavailable(
                    f"{settings.weights}: captions by {family} are not supported; name a BLIP "
                    "(Salesforce/blip-image-captioning-base) or Florence-2 (florence-community/Florence-2-base) folder"
                )

    def describe(self, photos: Sequence[np.ndarray], work: Work) -> list[Finding]:
        """A caption of every photo."""
        return self.model.run(photos, lambda pixel_values: self._captions(pixel_values, work), work)

    def _captions(self, pixel_values: Tensor, work: Work) -> list[Finding]:
        asked = {
            name: text.repeat(len(pixel_values), 1).to(pixel_values.device) for name, text in self.question.items()
        }
        said = self.model.network.generate(
            pixel_values=pixel_values,
            **asked,
            do_sample=False,
            num_beams=1,
            max_new_tokens=self.settings.max_tokens,
            stopping_criteria=[_BetweenTokens(work)],
            return_dict_in_generate=True,
            output_logits=True,
        )
        logits = require_finite(torch.stack(said.logits, dim=1))
        tokens = said.sequences[:, -logits.shape[1] :]
        scores = torch.log_softmax(logits, dim=-1).gather(-1, tokens[..., None])[..., 0]
        return [self._finding(*each) for each in zip(tokens, scores, strict=True)]

    def _finding(self, tokens: Tensor, scores: Tensor) -> Finding:
        """The caption of `tokens` (words) with their logarithmic `scores`, up to the first that ends it."""
        ends = torch.isin(tokens, torch.tensor(self._end_tokens, device=tokens.device)).nonzero()
        length = int(ends[0]) + 1 if len(ends) else len(tokens)
        score = float(scores[:length].mean().exp())
        caption = self.tokenizer.decode(tokens[:length], skip_special_tokens=True).strip()
        if not caption:
            return Finding(doubt="it has no words for this photo")
        if score < self.settings.threshold:
            return Finding(doubt=f"{caption!r} has {score:.2f}, less than the threshold {self.settings.threshold:g}")
        return Finding(Description(caption=caption))

    @property
    def _end_tokens(self) -> list[int]:
        config = self.model.network.config
        # BLIP ends its captions with BERT's separator; transformers passes that to `generate` itself.
        found = config.text_config.sep_token_id if config.model_type == "blip" else config.text_config.eos_token_id
        return found if isinstance(found, list) else [found]


class _BetweenTokens(StoppingCriteria):
    """Lets `work.check` end the work between two tokens."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Any:
        self._work.check()
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


def _florence_question(settings: CaptionSettings) -> dict[str, Tensor]:
    """The released question for a caption, with the places of the photo's own tokens."""
    processor = load_part(AutoProcessor, settings)
    grey = np.full((8, 8, 3), 128, np.uint8)
    asked = processor(images=grey, text=_FLORENCE_TASK, return_tensors="pt")
    return {name: asked[name] for name in ("input_ids", "attention_mask")}
