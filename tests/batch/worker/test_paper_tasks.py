"""The paper's tasks end to end: the shipped configurations on tiny models, from a manifest's photo to rows and files.

The pictures of all tasks are on one sheet, `tasks.png` below pytest's `--basetemp`.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from community_files import lora_layers, lora_tensors, random_factors, save_lora, single_file
from photo_archive import begin_run, results
from PIL import Image
from safetensors.torch import load_file, save_file
from skimage import data
from tiny_model import ARCHITECTURE, tiny_networks

from pasd_batch.batch.worker.models import ModelLoaders
from pasd_batch.batch.worker.shard_worker import ShardState, ShardWorker
from pasd_batch.config.base import load_yaml, with_overrides
from pasd_batch.config.run import RunSettings
from pasd_batch.luma import BT601
from pasd_batch.pasd.checkpoint import load_text_encoder
from pasd_batch.pasd.untrained import save_untrained
from pasd_batch.report.render import SheetPhoto, contact_sheet
from pasd_batch.runs.summary import summarize
from pasd_batch.runs.verification import Verifier

CONFIGS = Path(__file__).parents[3] / "configs"
QUICK = ["sampling.steps=2", "sampling.min_short_side=64"]
CAPTION = "describe.caption.weights={captioner}"
MODEL = ["model.base={tiny}", "model.control={tiny}"]
TOON = "model.personalized.weights={toon}"
PASSES = (
    "passes=[{{model: {{control: {tiny}}}, sampling: {{colorize: true}}}}, {{model: {{control: {tiny}}}, "
    "sampling: {{color_fix: wavelet}}}}]"
)
TASKS = {
    "restore_archive": [*MODEL, CAPTION, "model.dtype=float32"],
    "stylize": [*MODEL, TOON, "model.loras=[{{path: {style}, weight: 0.5}}]", "sampling.trigger_words=ink drawing"],
    "restore_old_photos": [*MODEL, TOON, "model.personalized.strength=0.5"],
    "colorize_then_restore": ["model.base={tiny}", PASSES, CAPTION],
}
"""What is put in the place of the published models, by the shipped file."""


@pytest.fixture(scope="module")
def models(tiny_model_folder, describer_folder, tmp_path_factory) -> dict[str, Path]:
    """Models as communities share them, tiny."""
    folder = tmp_path_factory.mktemp("models")
    save_untrained(folder / "other", ARCHITECTURE, seed=8)
    parts = [
        load_file(folder / "other" / part)
        for part in (
            "unet/diffusion_pytorch_model.safetensors",
            "vae/diffusion_pytorch_model.safetensors",
            "text_encoder/model.safetensors",
        )
    ]
    save_file(single_file(*parts), folder / "toon.safetensors")
    layers = lora_layers(tiny_networks()[0], load_text_encoder(tiny_model_folder / "text_encoder"))
    style = lora_tensors(random_factors(layers, rank=2), "kohya, original names")
    return {
        "tiny": tiny_model_folder,
        "captioner": describer_folder("blip"),
        "toon": folder / "toon.safetensors",
        "style": save_lora(folder / "style.safetensors", style),
    }


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """A colour photo and a grey one, and their manifest."""
    folder = tmp_path_factory.mktemp("photos")
    Image.fromarray(data.astronaut()[20:116, 160:288]).save(folder / "color.png")
    Image.fromarray(data.camera()[60:316:2, 140:460:2]).save(folder / "grey.png")
    (folder / "photos.csv").write_text("uri,id,prompt\ncolor.png,color,an astronaut\ngrey.png,grey,\n")
    return folder


@dataclasses.dataclass(frozen=True)
class Done:
    """A task that was run: its rows by id, its files, and whether all is well in its folder."""

    root: Path
    rows: Mapping[str, Mapping[str, Any]]
    whole: bool

    def picture(self, name: str, folder: str = "images") -> np.ndarray:
        """A result as float32 (height, width, 3) in [0, 1]; grey ones have equal channels."""
        path = self.root / folder / self.rows[name]["output_path"]
        return np.asarray(Image.open(path).convert("RGB"), np.float32) / 255


def settings_of(task: str, models: Mapping[str, Path], extra: tuple[str, ...] = ()) -> RunSettings:
    """The shipped file with tiny models in the place of the published ones, on the CPU, in two steps."""
    overrides = [f"restoration.{each.format(**models)}" for each in (*TASKS[task], *QUICK, "model.device=cpu")]
    values = load_yaml(CONFIGS / f"{task}.yaml")
    values["metrics"] = {"no_reference": [], "full_reference": []}
    return RunSettings.parse(with_overrides(values, [*overrides, *extra], RunSettings), source=task)


@pytest.fixture(scope="module")
def done(models, photos, tmp_path_factory) -> dict[str, Done]:
    """All tasks, one after the other."""
    torch.set_num_threads(1)
    loaders = ModelLoaders(scorer=tiny_models.load_scorer, fingerprint=tiny_models.fingerprint)
    root = tmp_path_factory.mktemp("tasks")
    found = {}
    for task in TASKS:
        extra = ("output.passes=true",) if task == "colorize_then_restore" else ()
        wanted = settings_of(task, models, extra)
        output = {**wanted.output.model_dump(mode="json"), "root": str(root / task)}
        parts = {"restoration": wanted.restoration.model_dump(mode="json"), "output": output, "storage": {}}
        spec, folder, run = begin_run(root / task, photos / "photos.csv", **parts)
        outcome = ShardWorker(dataclasses.replace(spec, loaders=loaders)).run(0)
        assert outcome.state is ShardState.COMMITTED, outcome
        summarize(folder, run)
        found[task] = Done(root / task, results(root / task), Verifier(folder, run).verify().whole)
    return found


def original(photos: Path, name: str) -> np.ndarray:
    return np.asarray(Image.open(photos / f"{name}.png").convert("RGB"), np.float32) / 255


@pytest.mark.parametrize("task", TASKS)
def test_every_photo_comes_out_twice_as_large_in_a_run_that_is_whole(done, photos, task):
    assert done[task].whole
    for name, row in done[task].rows.items():
        assert row["status"] == "ok", row["error_message"]
        height, width = original(photos, name).shape[:2]
        assert done[task].picture(name).shape == (2 * height, 2 * width, 3)


@pytest.mark.parametrize("task", ["restore_archive", "colorize_then_restore"])
def test_captions_are_in_the_prompts_behind_what_people_wrote(done, task):
    rows = done[task].rows
    for row in rows.values():
        assert row["description"]["caption"]
        assert row["description"]["caption"] in row["prompt_used"]
    assert rows["color"]["prompt_used"].startswith("an astronaut, ")


def test_a_style_has_its_words_and_changes_the_picture(done):
    assert done["stylize"].rows["color"]["prompt_used"].startswith("ink drawing, an astronaut, clean")
    plain, styled, half = (done[task].picture("color") for task in ("restore_archive", "stylize", "restore_old_photos"))
    assert np.abs(plain - styled).mean() > 0.01
    assert np.abs(half - styled).mean() > 0.01


def test_grey_photos_stay_grey_but_where_they_are_colorized(done):
    for task in TASKS:
        grey = done[task].picture("grey")
        colorful = float(np.ptp(grey, axis=2).max())
        assert colorful > 0.02 if task == "colorize_then_restore" else colorful == 0.0


def test_what_colorization_made_is_stored_in_colours_with_the_scan_s_brightness(done, photos):
    task = done["colorize_then_restore"]
    colored = task.picture("grey", "passes/1")
    scan = original(photos, "grey")
    assert colored.shape == scan.shape
    assert float(np.ptp(colored, axis=2).max()) > 0.02
    inside = (colored > 0.01).all(axis=2) & (colored < 0.99).all(axis=2)  # elsewhere a colour was cut off
    difference = np.abs((colored - scan) @ np.asarray(BT601, np.float32))
    assert float(difference[inside].max()) < 0.01
    (told,) = task.rows["grey"]["passes"]
    assert Path(told["uri"]) == task.root / "passes/1/grey.png"


def test_the_pictures_are_on_one_sheet(done, photos, tmp_path):
    tasks = [name for name in TASKS if name != "colorize_then_restore"]
    rows = []
    for name in ("color", "grey"):
        made = [done[task].picture(name) for task in tasks]
        passed = done["colorize_then_restore"]
        made += [passed.picture(name, "passes/1"), passed.picture(name)]
        rows.append(SheetPhoto(name, (original(photos, name), *made)))
    sheet = contact_sheet(rows, ("input", *tasks, "colorized", "and restored"), title="tasks", cell=256)
    sheet.save(tmp_path / "tasks.png")
    assert sheet.width > 6 * 256
