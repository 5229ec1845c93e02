"""Recorded steps, with a stand-in for CUDA graphs that does the recorded work anew; real ones are tested on a GPU."""

import pytest
from tiny_training import largest_difference, settings, stepper_and_maker, weights

from pasd_batch.config.base import ConfigError
from pasd_batch.training.loop.step_graph import StepGraph

STEPS = 6
TRAINABLE = ["control_branch", "degradation_removal", "paca", "unet"]


class Redone:
    """Does the work again, and leaves gradients where they were when it was recorded."""

    def __init__(self, work, parameters):
        self._work = work
        self._parameters = parameters
        self._memory = [parameter.grad for parameter in parameters]
        self.replays = 0

    def replay(self):
        self.replays += 1
        for parameter in self._parameters:
            parameter.grad = None
        self._work()
        for parameter, memory in zip(self._parameters, self._memory, strict=True):
            if memory is not None:
                memory.copy_(parameter.grad)


class Recorder:
    def __init__(self, stepper):
        self.recordings = []
        self._parameters = list(stepper.parameters.values())

    def __call__(self, work):
        work()
        recording = Redone(work, self._parameters)
        self.recordings.append(recording)
        return recording


def eager_stepper(work):
    return stepper_and_maker(work, trainable=TRAINABLE)


def recorded_stepper(work, record=None):
    stepper, maker = eager_stepper(work)
    recorder = Recorder(stepper)
    stepper._graph = StepGraph(stepper.objective, stepper.parameters, stepper.autocast, record or recorder)
    return stepper, maker, recorder


def test_recorded_steps_are_the_eager_ones(work, one_thread):
    (ours, maker, recorder), (expected, _) = recorded_stepper(work), eager_stepper(work)
    for step in range(STEPS):
        batch = maker.make(range(2 * step, 2 * step + 2))
        reports = [stepper.step(step, [batch]) for stepper in (ours, expected)]
        losses = [{name: float(loss) for name, loss in report.losses.items()} for report in reports]
        assert losses[0] == losses[1]
    assert largest_difference(weights(ours), weights(expected)) == 0.0
    assert [recording.replays for recording in recorder.recordings] == [STEPS - 3]


def test_batches_of_another_size_have_a_graph_of_their_own(work, one_thread):
    stepper, maker, recorder = recorded_stepper(work)
    for step, size in enumerate((2, 2, 2, 2, 1, 2, 1)):
        stepper.step(step, [maker.make(range(size))])
    assert [recording.replays for recording in recorder.recordings] == [2, 2]


def test_reported_losses_are_not_overwritten_by_the_next_step(work, one_thread):
    stepper, maker, _ = recorded_stepper(work)
    reports = [stepper.step(step, [maker.make(range(2 * step, 2 * step + 2))]) for step in range(5)]
    assert float(reports[3].losses["loss"]) != float(reports[4].losses["loss"])


def test_training_goes_on_where_none_can_be_recorded(work, one_thread, caplog):
    def refuse(_):
        raise RuntimeError("operation not permitted when stream is capturing")

    (ours, maker, _), (expected, _) = recorded_stepper(work, refuse), eager_stepper(work)
    for step in range(STEPS):
        batch = maker.make(range(2 * step, 2 * step + 2))
        for stepper in (ours, expected):
            stepper.step(step, [batch])
    assert largest_difference(weights(ours), weights(expected)) == 0.0
    assert caplog.text.count("training goes on without CUDA graphs") == 1


def test_on_the_cpu_nothing_is_recorded(work, one_thread):
    stepper, _ = stepper_and_maker(work, cuda_graph=True, trainable=TRAINABLE)
    assert stepper._graph is None


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"accumulation": 2}, "accumulation"),
        ({"precision": "float16"}, "precision: float16"),
        ({"gradient_checkpointing": True}, "gradient_checkpointing"),
        ({"trainable": ["text_encoder", "paca"]}, "text encoder"),
    ],
)
def test_what_cannot_be_recorded_is_refused(work, more, named):
    with pytest.raises(ConfigError, match=named):
        settings(work, cuda_graph=True, **more)
