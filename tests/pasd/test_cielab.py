"""CIELAB against scikit-image's, and back."""

import numpy as np
import torch
from skimage.color import rgb2lab

from pasd_batch.pasd.cielab import from_lab, to_lab


def test_colours_are_those_of_scikit_image(photograph):
    photo = photograph[:, ::4, ::4]
    expected = rgb2lab(photo.permute(1, 2, 0).double().numpy())
    # scikit-image rounds the matrix to four places and the white to five.
    np.testing.assert_allclose(to_lab(photo[None])[0].permute(1, 2, 0), expected, atol=0.01)


def test_colours_come_back(photograph):
    colors = torch.cat([photograph[None, :, ::8, ::8], torch.zeros(1, 3, 64, 64), torch.ones(1, 3, 64, 64)])
    torch.testing.assert_close(from_lab(to_lab(colors)), colors, atol=1e-5, rtol=0)


def test_greys_have_no_colour():
    grays = torch.linspace(0, 1, 256).expand(1, 3, 1, 256)
    lab = to_lab(grays)
    assert float(lab[:, 1:].abs().max()) < 1e-3
    torch.testing.assert_close(lab[0, 0, 0, [0, -1]], torch.tensor([0.0, 100.0]), atol=1e-4, rtol=0)
