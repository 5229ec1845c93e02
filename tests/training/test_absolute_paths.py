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


def test_so_is_what_a_decoder_is_trained_on(work):
    chosen = vae_settings(work, decoder_only=True, initial="runs/vae", output="s3://bucket/decoder")
    placed = with_absolute_paths(chosen)
    assert str(placed.initial) == os.path.abspath("runs/vae")
    assert placed.output == "s3://bucket/decoder"
    others = {"initial", "data", "validation"}
    assert placed.model_dump(exclude=others) == chosen.model_dump(exclude=others)
