"""What a training reads has a hash; what it draws from its seed is in its checkpoints instead."""

import pytest
import torch
from tiny_training import settings

from pasd_batch.training.errors import TrainingError
from pasd_batch.training.loop.stepping import Stepper
from pasd_batch.training.networks.frozen import check_frozen, frozen_digests, tensor_digest
from pasd_batch.training.worker_setup import build_task

CPU = torch.device("cpu")
WITHOUT_TEXT = ["control_branch", "degradation_removal", "paca", "unet"]


def test_frozen_parts_of_a_model_from_scratch_are_in_the_checkpoint_and_restored(work):
    chosen = settings(work, trainable=WITHOUT_TEXT)
    first, second = (Stepper(build_task(chosen).objective, chosen, CPU, workers=1) for _ in range(2))
    drawn = "text_encoder.final_layer_norm.bias"
    state = first.state()
    assert drawn in state.weights
    # As if drawn on another kind of processor.
    second.objective.get_parameter(drawn).data.add_(1e-7)
    second.restore(state)
    assert torch.equal(second.objective.get_parameter(drawn), first.objective.get_parameter(drawn))

    of_older_version = first.state()
    of_older_version.weights = {name: of_older_version.weights[name] for name in first.parameters}
    second.restore(of_older_version)
    of_older_version.weights.popitem()
    with pytest.raises(TrainingError, match="of another training: 1 trained tensors differ"):
        second.restore(of_older_version)


def test_digests_are_of_what_is_read_and_not_kept(work):
    chosen = settings(work, trainable=WITHOUT_TEXT)
    objective = build_task(chosen).objective
    kept = Stepper(objective, chosen, CPU, workers=1).state().weights
    digests = frozen_digests(objective, kept)
    assert digests.keys() == {"vae", "vae settings", "scheduler settings"}
    objective.get_buffer("alphas_cumprod").mul_(1.0 + 1e-7)
    assert frozen_digests(objective, kept) == digests
    objective.get_parameter("vae.decoder.conv_out.bias").data.add_(1e-7)
    assert {part for part, digest in frozen_digests(objective, kept).items() if digests[part] != digest} == {"vae"}


def test_a_pasd_folder_is_frozen_where_it_is_not_trained(work):
    model = {"start": "pasd", "base": str(work / "base"), "control": str(work / "base")}
    chosen = settings(work, model=model, trainable=["paca"])
    objective = build_task(chosen).objective
    kept = Stepper(objective, chosen, CPU, workers=1).state().weights
    parts = {"vae", "text_encoder", "unet", "control_branch", "vae settings", "scheduler settings"}
    assert frozen_digests(objective, kept).keys() == parts


def test_what_differs_is_named():
    check_frozen(None, {"vae": "1"})
    check_frozen({"vae": "1"}, {"vae": "1"})
    with pytest.raises(
        TrainingError, match=r"^unet, vae: not what the training began with; put the model folders back"
    ):
        check_frozen({"vae": "1", "unet": "2"}, {"vae": "3"})


def test_a_digest_tells_names_shapes_and_values_apart():
    tensor = torch.arange(6.0)
    others = [{"b": tensor}, {"a": tensor.view(2, 3)}, {"a": tensor.half()}, {"a": tensor + 1e-6}]
    assert len({tensor_digest(tensors) for tensors in ({"a": tensor}, *others)}) == 5
    assert tensor_digest({"a": tensor.view(3, 2).T}) == tensor_digest({"a": tensor.view(3, 2).T.contiguous()})
