"""What a training reads but does not change: a resumed training must find it as it was."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import chain

import torch
from torch import Tensor, nn

from pasd_batch.training.errors import TrainingError


def frozen_digests(objective: nn.Module, kept: Collection[str]) -> dict[str, str]:
    """A hash of the frozen tensors of every part (`vae`, `text_encoder` ...).

    Args:
        objective: holds the networks.
        kept: names of the tensors that checkpoints hold, which are left out.
    """
    parts: dict[str, list[tuple[str, Tensor]]] = defaultdict(list)
    for name, tensor in chain(objective.state_dict().items(), objective.named_buffers(recurse=False)):
        if name not in kept:
            parts[name.split(".")[0]].append((name, tensor))
    return {part: _digest(tensors) for part, tensors in parts.items()}


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
            f"{', '.join(differing)}: not the frozen weights that the training began with; put the model folders back "
            "as they were, or begin a new training at the last checkpoint with model.start: pasd"
        )


def _digest(tensors: Iterable[tuple[str, Tensor]]) -> str:
    digest = hashlib.sha256()
    for name, tensor in tensors:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
