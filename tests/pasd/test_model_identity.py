import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import pytest
import torch
from community_files import save_lora
from safetensors.torch import load_file, save_file

from pasd_batch.config.base import Settings
from pasd_batch.config.marks import Weights
from pasd_batch.config.model import ModelSettings
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.pasd.checkpoint import is_paca
from pasd_batch.pasd.model_identity import files_read, model_fingerprint, weight_files
from pasd_batch.pasd.models import load_models


def model(base: Path, control: Path, **more) -> RestorationSettings:
    return RestorationSettings.parse({"model": {"base": str(base), "control": str(control), "device": "cpu", **more}})


@contextmanager
def files_opened_below(folder: Path):
    """The files that are opened within the context."""
    heard: set[Path] = set()
    listening = True

    def listen(event, arguments):
        if listening and event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(str(folder)):
            heard.add(Path(arguments[0]))

    sys.addaudithook(listen)
    files: set[Path] = set()
    try:
        yield files
    finally:
        listening = False
        files |= {path for path in heard if path.is_file()}


def test_all_files_that_loading_opens_are_part_of_the_identity(tiny_model_folder, tmp_path):
    base, control = (Path(shutil.copytree(tiny_model_folder, tmp_path / name)) for name in ("base", "control"))
    settings = model(base, control)
    with files_opened_below(tmp_path) as files:
        load_models(settings.model)
    assert any(path.name == "config.json" for path in files), "the hook hears what is opened"
    assert files <= set(weight_files(settings)), files - set(weight_files(settings))


def test_so_are_those_of_personalised_weights_and_loras(tiny_model_folder, tmp_path):
    toon, lora = Path(shutil.copytree(tiny_model_folder, tmp_path / "toon")), tmp_path / "lora"
    weights = toon / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({name: tensor for name, tensor in load_file(weights).items() if not is_paca(name)}, weights)
    layer = "base_model.model.mid_block.attentions.0.proj_in"
    factors = {f"{layer}.lora_A.weight": torch.ones(1, 64, 1, 1), f"{layer}.lora_B.weight": torch.ones(64, 1, 1, 1)}
    save_lora(lora / "adapter_model.safetensors", factors)
    (lora / "adapter_config.json").write_text('{"lora_alpha": 1}')
    more = {"personalized": {"weights": str(toon)}, "loras": [{"path": str(lora)}]}
    settings = model(tiny_model_folder, tiny_model_folder, **more)
    with files_opened_below(tmp_path) as files:
        load_models(settings.model)
    assert {toon / "vae" / "config.json", lora / "adapter_config.json"} <= files, "the hook hears what is opened"
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
    precision = {"dtype": None, "vae_dtype": "float32", "vae_tf32": True}
    assert decisive["model"] == {"personalized": None, "loras": [], **precision}
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


@pytest.fixture
def personalized(tiny_model_folder, tmp_path):
    """Settings with personalised weights (a folder, or a `unet/` alone, or a file) and a LoRA below a folder."""
    made = tmp_path / "made"
    for name in ("toon/unet", "toon/vae", "toon/text_encoder", "alone"):
        shutil.copytree(tiny_model_folder / "text_encoder", made / name)
    (made / "toon.ckpt").write_bytes(b"weights")
    (made / "loras").mkdir()
    (made / "loras" / "style.safetensors").write_bytes(b"factors")
    (made / "loras" / "notes.md").write_text("not read")

    def settings(source: str, root: Path = made, *, lora: str = "loras/style.safetensors", **values) -> ModelSettings:
        given = {"weights": root / source, **values}
        return model(tiny_model_folder, tiny_model_folder, personalized=given, loras=[{"path": root / lora}]).model

    return settings


SOURCES = ["toon", "alone", "toon.ckpt"]


@pytest.mark.parametrize("source", SOURCES)
def test_personalised_weights_and_loras_are_the_same_wherever_they_lie(personalized, tmp_path, source):
    before = model_fingerprint(personalized(source))
    shutil.move(tmp_path / "made", tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loras").rename(tmp_path / "elsewhere" / "adapters")
    (tmp_path / "elsewhere" / source).rename(tmp_path / "elsewhere" / f"new-{source}")
    moved = personalized(f"new-{source}", tmp_path / "elsewhere", lora="adapters/style.safetensors")
    assert model_fingerprint(moved) == before


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        *(("toon", f"toon/{part}/{file}") for part in ("unet", "vae", "text_encoder") for file in ("config.json",)),
        ("toon", "toon/unet/model.safetensors"),
        ("alone", "alone/model.safetensors"),
        ("alone", "alone/config.json"),
        ("toon.ckpt", "toon.ckpt"),
        ("toon", "loras/style.safetensors"),
    ],
)
def test_each_file_of_personalised_weights_and_loras_counts(personalized, tmp_path, source, changed):
    before = model_fingerprint(personalized(source))
    file = tmp_path / "made" / changed
    file.write_bytes(file.read_bytes() + b" ")
    assert model_fingerprint(personalized(source)) != before


def test_pickles_of_a_personalised_folder_count_if_they_are_read(personalized, tiny_model_folder, tmp_path):
    unet = tmp_path / "made" / "toon" / "unet"
    (unet / "model.safetensors").rename(unet / "diffusion_pytorch_model.bin")
    settings = personalized("toon")
    assert not any(file.suffix == ".bin" for file in weight_files(settings))
    allowed = settings.model_copy(update={"allow_pickle": True})
    assert unet / "diffusion_pytorch_model.bin" in set(weight_files(allowed))


def test_their_numbers_are_settings_that_decide(personalized):
    plain = personalized("toon").decisive()
    assert plain["personalized"] == {"strength": 1.0}
    assert plain["loras"] == [{"weight": 1.0, "text_encoder": None}]
    assert personalized("toon", strength=0.5).decisive() != plain
