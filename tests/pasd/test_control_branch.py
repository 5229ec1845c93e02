"""The control branch as a diffusers model, and how its residuals are scaled."""

import torch
from tiny_model import ARCHITECTURE, tiny_networks

from pasd_batch.pasd.control_branch import ControlBranch


def inputs():
    generator = torch.Generator().manual_seed(1)
    shapes = ((2, 4, 8, 16), (2, 5, 16), (2, ARCHITECTURE.unet_widths[0], 8, 16))
    return (torch.randn(shape, generator=generator) for shape in shapes)


def residuals(branch, **options):
    sample, text, embedding = inputs()
    with torch.no_grad():
        skips, middle = branch(sample, 500, text, embedding, **options)
    return [*skips, middle]


def test_saved_and_loaded_by_diffusers(tmp_path):
    _, branch = tiny_networks()
    branch.save_pretrained(tmp_path)
    loaded, info = ControlBranch.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    assert all(torch.equal(*pair) for pair in zip(residuals(loaded), residuals(branch), strict=True))
    photo = torch.rand(1, 3, 32, 24)
    assert torch.equal(
        loaded.controlnet_cond_embedding(photo).embedding, branch.controlnet_cond_embedding(photo).embedding
    )


def test_attention_processors_are_reachable():
    _, branch = tiny_networks()
    assert len(branch.attn_processors) == 2 * (6 + 1)


def test_gradient_checkpointing_gives_the_same_gradients():
    gradients = []
    for checkpointed in (False, True):
        _, branch = tiny_networks()
        branch.train()
        if checkpointed:
            branch.enable_gradient_checkpointing()
        sample, text, embedding = inputs()
        skips, middle = branch(sample, 500, text, embedding)
        (middle.square().mean() + sum(skip.square().mean() for skip in skips)).backward()
        gradients.append({n: p.grad for n, p in branch.named_parameters() if p.grad is not None})
    assert "down_blocks.0.resnets.0.conv1.weight" in gradients[0]
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-7)


def test_conditioning_scale_multiplies_every_residual():
    _, branch = tiny_networks()
    for scaled, plain in zip(residuals(branch, conditioning_scale=0.5), residuals(branch), strict=True):
        torch.testing.assert_close(scaled, 0.5 * plain)


def test_guess_mode_grows_from_a_tenth_to_the_whole():
    _, branch = tiny_networks()
    pairs = list(zip(residuals(branch, guess_mode=True, conditioning_scale=2.0), residuals(branch), strict=True))
    factors = torch.tensor([float(guessed.norm() / plain.norm()) for guessed, plain in pairs])
    torch.testing.assert_close(factors, 2.0 * torch.logspace(-1, 0, 13))
    torch.testing.assert_close(pairs[4][0], factors[4] * pairs[4][1])


def test_the_photo_changes_every_residual():
    _, branch = tiny_networks()
    sample, text, embedding = inputs()
    with torch.no_grad():
        before = residuals(branch)
        skips, middle = branch(sample, 500, text, embedding + 0.5)
    for changed, old in zip([*skips, middle], before, strict=True):
        assert not torch.allclose(changed, old, rtol=1e-3)
