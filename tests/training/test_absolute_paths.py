import os

from tiny_training import settings, vae_settings, values

from pasd_batch.training.absolute_paths import with_absolute_paths


def test_everything_a_training_names_is_found_from_any_folder(work):
    chosen = settings(
        work,
        output="runs/out",
        model={"start": "pasd", "base": "runs/base", "control": "~/control", "carries_base": True},
        data={**values(work)["data"], "sources": [{"kind": "photos", "path": "photos"}]},
        log={"tensorboard": "runs/log"},
    )
    placed = with_absolute_paths(chosen)
    here = os.getcwd()
    assert placed.output == f"{here}/runs/out"
    assert str(placed.model.base) == f"{here}/runs/base"
    assert str(placed.model.control) == os.path.expanduser("~/control")
    assert placed.data.sources[0].path == f"{here}/photos"
    assert str(placed.log.tensorboard) == f"{here}/runs/log"


def test_so_is_what_a_decoder_learns_from(work):
    chosen = vae_settings(
        work,
        decoder_only=True,
        initial="runs/vae",
        predicted={"model": "runs/denoiser", "share": 0.5},
        output="s3://bucket/decoder",
    )
    placed = with_absolute_paths(chosen)
    assert str(placed.initial) == os.path.abspath("runs/vae")
    assert str(placed.predicted.model) == os.path.abspath("runs/denoiser")
    assert placed.output == "s3://bucket/decoder"
    assert placed.model_dump(exclude={"initial", "predicted", "data", "validation"}) == chosen.model_dump(
        exclude={"initial", "predicted", "data", "validation"}
    )
