"""Frozen inputs of a training: a resumed training must find them as they were."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from pasd_batch.training.errors import TrainingError


def frozen_digests(objective: nn.Module, kept: Collection[str]) -> dict[str, str]:
    """A hash of everything that was read from model folders, by part (`vae`, `text_encoder`, `scheduler` ...).

    Only of what was read, to the bit, and not of what was computed from it, which may round differently elsewhere.

    Args:
        objective: holds the networks; `objective.read` has settings that were read with them, by part.
        kept: names of the tensors that checkpoints hold, which are left out.
    """
    parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in objective.state_dict().items():
        if name not in kept:
            parts[name.split(".")[0]][name] = tensor
    read: Mapping[str, Any] = cast(Any, objective).read
    digests = {part: tensor_digest(tensors) for part, tensors in parts.items()}
    facts = {part: json.dumps(value, sort_keys=True).encode() for part, value in read.items()}
    return digests | {f"{part} settings": hashlib.sha256(text).hexdigest() for part, text in facts.items()}


def tensor_digest(tensors: Mapping[str, Tensor]) -> str:
    """A hash of names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def check_frozen(begun_with: Mapping[str, str] | None, found: Mapping[str, str]) -> None:
    """Refuse to go on with other frozen weights than a checkpoint was made with.

    Args:
        begun_with: the checkpoint's digests; None in those of older versions, which are not checked.
        found: the digests now.

    Raises:
        TrainingError: naming the parts that differ.
    """
    if begun_with is None:
        return
    if differing := sorted(
        part for part in begun_with.keys() | found.keys() if begun_with.get(part) != found.get(part)
    ):
        raise TrainingError(
            f"{', '.join(differing)}: not what the training began with; put the model folders back as they were, or "
            "begin a new training at the last checkpoint with model.start: pasd"
        )
