"""Recordings of network calls: when they are made, replayed, dropped and refused; on the CPU, with a recorder that only
runs the network again."""

import logging
from dataclasses import replace

import pytest
import torch
from plain_recorder import PlainRecorder
from tiny_model import ARCHITECTURE, tiny_networks, tiny_settings

from pasd_batch.pasd.cuda_graphs import MOST_RELEASES, NetworkGraphs
from pasd_batch.pasd.guidance import Guidance, GuidedDenoiser, TileBatch
from pasd_batch.pasd.restorer import Restorer


def double(values):
    return 2 * values


def run(graphs, size, value=1.0, network=double, name="double"):
    return graphs.run(name, network, (torch.full((size,), value),))


def test_a_shape_runs_once_is_recorded_the_second_time_and_replayed_from_then_on():
    recorder = PlainRecorder()
    graphs = NetworkGraphs(recorder)
    results = []
    for value in (1.0, 2.0, 3.0):
        results.append(run(graphs, 2, value))
        assert (recorder.recorded, recorder.launched) == [(0, 0), (1, 1), (1, 2)][len(results) - 1]
    assert [each.tolist() for each in results] == [[2, 2], [4, 4], [6, 6]]


def test_an_output_is_not_overwritten_by_the_next_launch():
    graphs = NetworkGraphs(PlainRecorder())
    run(graphs, 2)
    first = run(graphs, 2, 5.0)
    run(graphs, 2, 7.0)
    assert first.tolist() == [10, 10]


@pytest.mark.parametrize(
    "other",
    [
        {"size": 3},
        {"name": "other"},
        {"dtype": torch.float64},
        {"transposed": True},
    ],
    ids=str,
)
def test_another_shape_precision_layout_or_name_is_another_recording(other):
    recorder = PlainRecorder()
    graphs = NetworkGraphs(recorder)

    def call(size=2, name="double", dtype=torch.float32, transposed=False):
        values = torch.ones(size, 4, dtype=dtype)
        return graphs.run(name, double, (values.T.contiguous().T if transposed else values,))

    for options in ({}, other):
        for _ in range(3):
            assert torch.equal(call(**options), torch.full_like(call(**options), 2.0))
    assert recorder.recorded == 2
    assert graphs.recordings == 2


def test_recordings_are_bounded_and_the_one_unused_for_longest_goes():
    recorder = PlainRecorder()
    graphs = NetworkGraphs(recorder, most_shapes=2)
    for size in (1, 1, 2, 2, 1, 3, 3):
        run(graphs, size)
    assert recorder.shapes == [(1,), (2,), (3,)]
    assert graphs.recordings == 2
    run(graphs, 1)
    assert recorder.recorded == 3, "the one that was used again is still there"
    run(graphs, 2)
    assert recorder.recorded == 3, "a shape that was dropped runs once before it is recorded again"
    run(graphs, 2)
    assert recorder.recorded == 4


def test_memory_goes_back_with_the_last_recording():
    recorder = PlainRecorder()
    graphs = NetworkGraphs(recorder, most_shapes=1)
    run(graphs, 1)
    run(graphs, 1)
    assert recorder.freed == 0
    run(graphs, 2)
    assert (graphs.recordings, recorder.freed) == (0, 1)


def test_recordings_that_together_take_too_much_start_anew():
    recorder = PlainRecorder(room=2)
    graphs = NetworkGraphs(recorder)
    for size in (1, 2, 3):
        run(graphs, size)
        run(graphs, size)
    assert (graphs.recordings, recorder.freed) == (0, 1)
    assert run(graphs, 1).tolist() == [2]
    assert graphs.recordings == 1


def test_a_shape_that_takes_too_much_alone_is_not_tried_again_and_others_are():
    recorder = PlainRecorder(room=0)
    graphs = NetworkGraphs(recorder)
    for _ in range(4):
        assert run(graphs, 9).tolist() == [2] * 9
    assert (recorder.recorded, recorder.held) == (1, 0)
    recorder.room = 1
    for _ in range(4):
        run(graphs, 1)
    assert (recorder.recorded, graphs.recordings) == (2, 1)


def test_a_shape_without_memory_for_a_recording_runs_without_one():
    recorder = PlainRecorder(error=torch.OutOfMemoryError("CUDA out of memory"))
    graphs = NetworkGraphs(recorder)
    for _ in range(3):
        assert run(graphs, 2).tolist() == [2, 2]
    recorder.error = None
    run(graphs, 2)
    assert recorder.recorded == 0, "the shape is not tried again"
    run(graphs, 3)
    run(graphs, 3)
    assert recorder.recorded == 1


def test_a_refused_recording_is_told_once_and_not_tried_again_but_for_other_networks(caplog):
    recorder = PlainRecorder(error=RuntimeError("operation not permitted when stream is capturing"))
    graphs = NetworkGraphs(recorder)
    with caplog.at_level(logging.WARNING):
        for size in (1, 1, 1, 2, 2, 2):
            assert run(graphs, size).tolist() == [2] * size
    assert [record.getMessage() for record in caplog.records] == [
        "going on without new CUDA graphs, which is slower but gives the same pixels: "
        "operation not permitted when stream is capturing"
    ]
    assert (graphs.refused, graphs.has_given_up) == ({"double"}, False)
    recorder.error = None
    for name in ("double", "another"):
        for _ in range(2):
            run(graphs, 1, name=name)
    assert recorder.recorded == 1


def test_errors_of_the_network_itself_are_raised():
    def fails(values):
        raise torch.OutOfMemoryError("CUDA out of memory")

    graphs = NetworkGraphs(PlainRecorder())
    for _ in range(3):
        with pytest.raises(torch.OutOfMemoryError):
            run(graphs, 2, network=fails)


def test_a_full_memory_gets_the_recordings_back_and_after_some_times_for_good(caplog):
    recorder = PlainRecorder()
    graphs = NetworkGraphs(recorder)
    assert not graphs.release_for_memory(), "there is nothing to give back"
    for _ in range(MOST_RELEASES):
        run(graphs, 2)
        run(graphs, 2)
        assert graphs.recordings == 1
        assert graphs.release_for_memory()
        assert (graphs.recordings, recorder.held) == (0, 0)
    recorded = recorder.recorded
    for _ in range(3):
        assert run(graphs, 2).tolist() == [2, 2]
    assert recorder.recorded == recorded
    assert f"memory was full {MOST_RELEASES} times" in caplog.text


class TestNetworks:
    """Control branch and UNet through recordings."""

    @pytest.fixture(scope="class")
    def networks(self):
        return tiny_networks()

    def batch(self, seed, *, guided, rows=2, side=8):
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape):
            return torch.randn(shape, generator=generator)

        return TileBatch(
            draw(rows, 4, side, side),
            draw(rows, ARCHITECTURE.unet_widths[0], side, side),
            draw(rows, 5, 16),
            draw(rows, 5, 16) if guided else None,
        )

    @torch.inference_mode()
    @pytest.mark.parametrize("guidance", [Guidance(1.0), Guidance(4.0), Guidance(4.0, 0.7, True)], ids=str)
    def test_every_input_reaches_the_recording(self, networks, guidance):
        """Latents, timestep, embeddings and prompts change between calls; nothing of the recorded call is left."""
        recorder = PlainRecorder()
        plain = GuidedDenoiser(*networks, guidance)
        recorded = GuidedDenoiser(*networks, guidance, NetworkGraphs(recorder))
        for seed, timestep in enumerate((900, 500, 20)):
            batch = self.batch(seed, guided=guidance.is_active)
            assert torch.equal(recorded(batch, timestep), plain(batch, timestep))
        assert (recorder.recorded, recorder.launched) == (1, 2)

    @torch.inference_mode()
    def test_guidance_scales_share_a_recording_and_conditioning_scales_do_not(self, networks):
        recorder = PlainRecorder()
        graphs = NetworkGraphs(recorder)
        batch = self.batch(1, guided=True)
        for guidance in (Guidance(2.0), Guidance(2.0), Guidance(9.0), Guidance(9.0, 0.5), Guidance(9.0, 0.5)):
            predicted = GuidedDenoiser(*networks, guidance, graphs)(batch, 300)
            assert torch.equal(predicted, GuidedDenoiser(*networks, guidance)(batch, 300))
        assert recorder.recorded == 2


class TestRestorer:
    """Whole photos by recordings."""

    @pytest.fixture
    def recorder(self):
        return PlainRecorder()

    @pytest.fixture
    def restorer(self, models, tiny_model_folder, recorder):
        settings = tiny_settings(tiny_model_folder, steps=3)
        return Restorer(replace(models, graphs=NetworkGraphs(recorder)), settings)

    def restore(self, restorer, *photos):
        results = restorer.restore(photos, prompts=["a"] * len(photos), seeds=[1] * len(photos))
        return [result.image for result in results]

    @pytest.fixture
    def photos(self, photograph):
        return [photograph[:, :64, 100:164], photograph[:, 200:328, 60:124]]

    def test_photos_are_those_of_a_restorer_without(self, restorer, recorder, make_restorer, photos):
        expected = self.restore(make_restorer(steps=3), *photos)
        for _ in range(2):
            assert all(map(torch.equal, self.restore(restorer, *photos), expected))
        # Of each photo the networks, in all steps but one; and its encoding and decoding, the second time.
        assert (recorder.recorded, recorder.launched) == (2 * (1 + 2), 2 * (2 + 3 + 2))

    def test_a_full_memory_costs_the_recordings_before_it_costs_a_pixel(
        self, restorer, recorder, make_restorer, models, photos
    ):
        (expected,) = self.restore(make_restorer(steps=3), photos[0])

        def full_while_recordings_are_held(_module, _inputs):
            if recorder.held:
                raise torch.OutOfMemoryError("CUDA out of memory")

        with models.vae.decoder.mid_block.register_forward_pre_hook(full_while_recordings_are_held):
            (result,) = restorer.restore(photos[:1], prompts=["a"], seeds=[1])
        assert torch.equal(result.image, expected)
        assert (result.report.out_of_memory_retries, recorder.freed) == (0, 1)

    def test_networks_that_move_to_another_precision_and_back_are_recorded_anew(self, restorer, recorder, photos):
        self.restore(restorer, photos[0])
        with restorer.models.in_float32():
            assert recorder.held == 0
        self.restore(restorer, photos[0])
        assert recorder.recorded == 2
