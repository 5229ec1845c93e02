"""Models as transformers saves them, loaded from local folders: no network, no code of the folder, no silent gaps."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import constants
from safetensors import SafetensorError
from transformers import AutoImageProcessor
from transformers import logging as transformers_logging

from pasd_batch.config.describe import DescriberSettings
from pasd_batch.config.weights import local_path
from pasd_batch.errors import PasdBatchError
from pasd_batch.storage.weight_file_kind import why_no_safetensors


class DescriberUnavailable(PasdBatchError):
    """A describer that cannot be loaded here; the message names its folder and the remedy."""


def load_network(auto_class: Any, settings: DescriberSettings) -> Any:
    """The network of a folder, by one of transformers' Auto classes; in evaluation mode, float32, on the CPU.

    Raises:
        DescriberUnavailable: the folder is missing, of another family, only a pickle, or lacks tensors.
    """
    folder = _folder(settings)
    is_safe = any(folder.glob("*.safetensors"))
    if not is_safe and not settings.allow_pickle:
        found = ", ".join(path.name for path in sorted(folder.glob("*.bin"))) or "no weights at all"
        raise DescriberUnavailable(
            f"{folder}: no .safetensors file in it, but {found}; name a folder that has one, or set the describer's "
            "allow_pickle for a .bin file that you trust"
        )
    with _explained(folder, auto_class.__name__), _quietly_offline():
        network, found = auto_class.from_pretrained(
            folder,
            output_loading_info=True,
            use_safetensors=is_safe,
            weights_only=True,
            local_files_only=True,
            trust_remote_code=False,
            dtype="float32",
        )
    if found["missing_keys"]:
        some = ", ".join(sorted(found["missing_keys"])[:5])
        raise DescriberUnavailable(
            f"{folder}: {len(found['missing_keys'])} of {type(network).__name__}'s tensors are missing ({some}); "
            "name a folder of a whole trained model"
        )
    return network.eval().requires_grad_(False)


def load_image_processor(settings: DescriberSettings) -> Any:
    """The folder's image processor: Pillow's, so that a photo is the same to it whatever else is installed.

    Raises:
        DescriberUnavailable: it is missing or cannot be read.
    """
    folder = _folder(settings)
    with _explained(folder, "AutoImageProcessor"), _quietly_offline():
        return AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True, trust_remote_code=False)


def load_part(auto_class: Any, settings: DescriberSettings) -> Any:
    """Another part of the folder, such as its tokenizer.

    Raises:
        DescriberUnavailable: it is missing or cannot be read.
    """
    folder = _folder(settings)
    with _explained(folder, auto_class.__name__), _quietly_offline():
        return auto_class.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _folder(settings: DescriberSettings) -> Path:
    folder = local_path(settings.weights).expanduser()
    if not (folder / "config.json").is_file():
        raise DescriberUnavailable(
            f"{folder}: no config.json there; name a folder as transformers' save_pretrained writes it"
        )
    return folder


@contextmanager
def _explained(folder: Path, what: str) -> Iterator[None]:
    try:
        yield
    except SafetensorError as error:
        files = ((path, why_no_safetensors(path)) for path in sorted(folder.glob("*.safetensors")))
        told = "; ".join(f"{path.name} is {kind}" for path, kind in files if kind)
        told = told or f"its weights are damaged or cut short ({error}); copy or download them again"
        raise DescriberUnavailable(f"{folder}: {told}") from error
    except Exception as error:
        raise DescriberUnavailable(
            f"{folder}: {what} cannot load it ({type(error).__name__}: {error}); name a folder of that kind of model, "
            "which needs no code of its own"
        ) from error


@contextmanager
def _quietly_offline() -> Iterator[None]:
    """Nothing is fetched, as a backbone that a configuration names would be, and no progress is shown."""
    offline, shown = constants.HF_HUB_OFFLINE, transformers_logging.is_progress_bar_enabled()
    constants.HF_HUB_OFFLINE = True
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline
        if shown:
            transformers_logging.enable_progress_bar()
