"""Principal components are those of largest variance."""

import torch

from pasd_batch.training.networks.principal_components import principal_components


def test_components_are_those_of_largest_variance():
    samples = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 5.0, 3.0]) + 2.0
    found = principal_components(samples, 2)
    assert torch.allclose(found.rows.abs(), torch.tensor([[0.0, 1, 0], [0, 0, 1]]).double(), atol=0.05)
    assert torch.allclose(found.deviations, torch.tensor([5.0, 3.0]).double(), rtol=0.05)
