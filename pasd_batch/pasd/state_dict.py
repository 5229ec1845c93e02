"""Reading weight files, and comparing them with a model strictly."""

import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from pasd_batch.errors import PasdBatchError
from pasd_batch.storage.weight_file_kind import why_no_safetensors

SAFETENSORS_NAMES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors")
PICKLE_NAMES = ("diffusion_pytorch_model.bin", "diffusion_pytorch_model.fp16.bin")
PICKLE_SUFFIXES = {".ckpt", ".bin", ".pt", ".pth"}
_LISTED = 20


class CheckpointError(PasdBatchError):
    """A checkpoint that cannot be used; the message says what is wrong with which file."""


def read_weights(folder: Path, *, allow_pickle: bool) -> dict[str, Tensor]:
    """Read a diffusers model folder's tensors: one safetensors file, a sharded set, or, if allowed, a `.bin`.

    Raises:
        CheckpointError: no weight file is there, only a pickle and `allow_pickle` is off, or it cannot be read.
    """
    for name in SAFETENSORS_NAMES:
        if (folder / name).is_file():
            return _read_safetensors(folder / name)
        if (folder / f"{name}.index.json").is_file():
            return _read_shards(folder, folder / f"{name}.index.json")
    for name in PICKLE_NAMES:
        if (folder / name).is_file():
            if not allow_pickle:
                raise pickle_refused(folder / name)
            return _read_pickle(folder / name)
    raise CheckpointError(f"{folder}: no weights found; expected {SAFETENSORS_NAMES[0]}")


def read_weight_file(path: Path, *, allow_pickle: bool) -> dict[str, Tensor]:
    """Read one file of tensors by name: safetensors, or, if allowed, a pickle, with or without a `state_dict` around.

    Raises:
        CheckpointError: it is a pickle and `allow_pickle` is off, of another format, or cannot be read.
    """
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix not in PICKLE_SUFFIXES:
        known = ", ".join([".safetensors", *sorted(PICKLE_SUFFIXES)])
        raise CheckpointError(f"{path}: not a format of weights that is read ({known}); convert it to safetensors")
    if not allow_pickle:
        raise pickle_refused(path)
    return _read_pickle(path)


def read_metadata(path: Path) -> dict[str, str]:
    """Metadata of a safetensors file.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as opened:
            return opened.metadata() or {}
    except SafetensorError as error:
        raise _cut_short(path, error) from error


def pickle_refused(path: Path) -> CheckpointError:
    """The error for weights that are there only as a pickle, which can run any program when it is read."""
    return CheckpointError(
        f"{path}: is a pickle, and only safetensors are read by default; convert it, or set allow_pickle "
        "(command line: --allow-pickle) if you trust its source"
    )


def pickle_unreadable(path: Path) -> CheckpointError:
    """The error for a pickle that `weights_only=True` does not accept."""
    return CheckpointError(
        f"{path}: damaged, or holds more than tensors, which is never read because it could run any program; "
        "convert it to safetensors"
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise _cut_short(path, error) from error


def _cut_short(path: Path, error: SafetensorError) -> CheckpointError:
    if kind := why_no_safetensors(path):
        return CheckpointError(f"{path}: no safetensors, but {kind}")
    return CheckpointError(f"{path}: damaged or cut short ({error}); copy or download it again")


def _read_shards(folder: Path, index: Path) -> dict[str, Tensor]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{index}: not an index of shards ({error!r}); copy or download it again") from error
    tensors: dict[str, Tensor] = {}
    for name in names:
        if Path(name).name != name or not (folder / name).is_file():
            raise CheckpointError(f"{index}: names the shard {name!r}, which is not in {folder}")
        tensors.update(_read_safetensors(folder / name))
    return tensors


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise pickle_unreadable(path) from error
    if isinstance(tensors, dict) and isinstance(tensors.get("state_dict"), dict):
        tensors = tensors["state_dict"]
    if not isinstance(tensors, dict) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise CheckpointError(f"{path}: expected tensors by name; convert it to safetensors")
    return tensors


def assign_strictly(model: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Give a model (built on the meta device) its tensors.

    Raises:
        CheckpointError: listing every missing, left-over and misshapen tensor.
    """
    problems = differences(model, tensors)
    if problems:
        raise CheckpointError(f"{source}: does not fit {type(model).__name__}\n" + "\n".join(problems))
    model.load_state_dict(dict(tensors), strict=True, assign=True)


def differences(model: nn.Module, tensors: Mapping[str, Tensor]) -> list[str]:
    """One line for every kind of difference between a model's and a file's tensors; empty when they agree."""
    expected = model.state_dict()
    missing = [name for name in expected if name not in tensors]
    left_over = [name for name in tensors if name not in expected]
    misshapen = [
        f"{name}: {list(tensors[name].shape)} instead of {list(expected[name].shape)}"
        for name in expected
        if name in tensors and tensors[name].shape != expected[name].shape
    ]
    kinds = {"missing": missing, "left over": left_over, "misshapen": misshapen}
    return [listing(kind, names) for kind, names in kinds.items() if names]


def listing(kind: str, names: Sequence[object]) -> str:
    """Lines of a message: how many names there are of a kind, and the first of them."""
    shown = "\n    ".join(map(str, names[:_LISTED]))
    more = f"\n    ... and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"  {len(names)} {kind}:\n    {shown}{more}"
