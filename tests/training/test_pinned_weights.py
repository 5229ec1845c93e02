"""Trainings that start from weights by name: fetched, and the same when they go on."""

import json

import tiny_training
import torch

from pasd_batch.training.pinned_weights import PINS_FILE, keep_pins
from pasd_batch.training.worker_setup import build_task, open_output


def test_a_training_goes_on_with_the_commit_that_it_began_with(work, hub):
    commit = hub.push_folder("someone/vae", work / "base")
    settings = tiny_training.settings(work, model=tiny_training.scratch("hf://someone/vae"))
    storage = open_output(settings)
    keep_pins(storage, settings)
    assert json.loads(storage.read(PINS_FILE)) == {"hf://someone/vae": f"hf://someone/vae@{commit}"}
    hub.push("someone/vae", {"README.md": b"the weights are gone"})
    keep_pins(storage, settings)
    by_name = build_task(settings).networks.vae.state_dict()
    local = build_task(tiny_training.settings(work)).networks.vae.state_dict()
    assert all(torch.equal(by_name[name], tensor) for name, tensor in local.items())
    assert {name.partition("/")[0] for name in hub.sent} == {"vae"}


def test_a_training_from_folders_keeps_nothing(work):
    settings = tiny_training.settings(work)
    keep_pins(open_output(settings), settings)
    assert not open_output(settings).exists(PINS_FILE)
