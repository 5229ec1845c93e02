import shutil
import sys
from pathlib import Path
from typing import Annotated

import pytest

from pasd_batch.config.base import Settings
from pasd_batch.config.marks import Weights
from pasd_batch.config.restoration import ModelSettings, RestorationSettings
from pasd_batch.pasd.model_identity import files_read, model_fingerprint, weight_files
from pasd_batch.pasd.models import load_models


def model(base: Path, control: Path, **more) -> RestorationSettings:
    return RestorationSettings.parse({"model": {"base": str(base), "control": str(control), "device": "cpu", **more}})


def test_all_files_that_loading_opens_are_part_of_the_identity(tiny_model_folder, tmp_path):
    base, control = (Path(shutil.copytree(tiny_model_folder, tmp_path / name)) for name in ("base", "control"))
    opened: set[Path] = set()
    listening = True

    def listen(event, arguments):
        if listening and event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(str(tmp_path)):
            opened.add(Path(arguments[0]))

    sys.addaudithook(listen)
    settings = model(base, control)
    load_models(settings.model)
    listening = False
    files = {path for path in opened if path.is_file()}
    assert any(path.name == "config.json" for path in files), "the hook hears what is opened"
    assert files <= set(weight_files(settings)), files - set(weight_files(settings))


def test_it_is_that_of_the_contents_wherever_they_lie(tiny_model_folder, tmp_path):
    moved = Path(shutil.copytree(tiny_model_folder, tmp_path / "elsewhere"))
    before = model_fingerprint(model(tiny_model_folder, tiny_model_folder))
    assert model_fingerprint(model(moved, moved)) == before
    config = moved / "unet" / "config.json"
    config.write_text(config.read_text() + " ")
    assert model_fingerprint(model(moved, moved)) != before


def test_a_setting_that_only_says_where_decides_nothing(tiny_model_folder):
    decisive = model(tiny_model_folder, tiny_model_folder, compile=True).decisive()
    assert decisive["model"] == {"dtype": None, "vae_dtype": "float32"}
    assert decisive == RestorationSettings.parse({"sampling": decisive["sampling"]}).decisive()


class Adapter(Settings):
    path: Annotated[Path, Weights()]
    weight: float = 1.0


class AdaptedModel(ModelSettings):
    style: Annotated[Path | None, Weights(("unet",))] = None
    adapters: tuple[Adapter, ...] = ()


@pytest.mark.parametrize("changed", ["style/unet/model.safetensors", "one.safetensors"])
def test_weights_of_any_further_setting_count_without_anyone_listing_them(tmp_path, changed):
    for name in ("style/unet/model.safetensors", "one.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"weights")
    settings = AdaptedModel(style=tmp_path / "style", adapters=(Adapter(path=tmp_path / "one.safetensors"),))
    before = model_fingerprint(settings)
    (tmp_path / changed).write_bytes(b"others!")
    assert model_fingerprint(settings) != before
    decisive = settings.decisive()
    assert "style" not in decisive
    assert decisive["adapters"] == [{"weight": 1.0}]


def test_a_single_file_counts_by_its_contents_not_by_its_name_or_folder(tmp_path):
    one, other = tmp_path / "a" / "one.safetensors", tmp_path / "b" / "other.safetensors"
    for path in (one, other):
        path.parent.mkdir()
        path.write_bytes(b"weights")
    assert model_fingerprint(Adapter(path=one)) == model_fingerprint(Adapter(path=other))


def test_a_folder_counts_the_same_under_another_name(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"weights")
    assert model_fingerprint(Adapter(path=tmp_path / "one")) == model_fingerprint(Adapter(path=tmp_path / "other"))


REPOSITORY = [
    "README.md",
    "model_index.json",
    "v1-5-pruned.safetensors",
    "unet/config.json",
    "unet/diffusion_pytorch_model.bin",
    "unet/diffusion_pytorch_model.fp16.bin",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.non_ema.safetensors",
    "unet/diffusion_pytorch_model.safetensors",
    "text_encoder/config.json",
    "text_encoder/model.fp16.safetensors",
    "text_encoder/model.safetensors",
    "tokenizer/merges.txt",
    "tokenizer/vocab.json",
]


def test_of_a_whole_repository_only_what_loading_reads_is_taken():
    assert files_read(REPOSITORY, ("unet", "tokenizer"), allow_pickle=True) == [
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "tokenizer/merges.txt",
        "tokenizer/vocab.json",
    ]
    assert files_read(REPOSITORY, ("text_encoder",), allow_pickle=False)[1:] == ["text_encoder/model.safetensors"]


def test_half_precision_and_pickles_are_read_where_there_is_nothing_else():
    half = ["unet/config.json", "unet/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model.bin"]
    assert files_read(half, ("unet",), allow_pickle=True) == half[:2]
    assert files_read(half[::2], ("unet",), allow_pickle=True) == half[::2]
    assert files_read(half[::2], ("unet",), allow_pickle=False) == half[:1]


def test_shards_are_taken_with_their_index():
    shards = [
        "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
        "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
    ]
    index = "unet/diffusion_pytorch_model.safetensors.index.json"
    other = ["unet/diffusion_pytorch_model.fp16-00001-of-00001.safetensors"]
    assert files_read([*shards, index, *other], ("unet",), allow_pickle=False) == [*shards, index]


def test_what_loading_does_not_read_changes_nothing(tiny_model_folder, tmp_path):
    moved = Path(shutil.copytree(tiny_model_folder, tmp_path / "with more"))
    (moved / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"another precision")
    (moved / "model_index.json").write_text("{}")
    expected = model_fingerprint(model(tiny_model_folder, tiny_model_folder))
    assert model_fingerprint(model(moved, moved)) == expected
