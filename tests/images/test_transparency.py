"""Compositing over white: as Pillow does it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from stylelayers.images import over_white, to_pixels


@pytest.mark.parametrize("channels", [2, 4])
def test_images_are_composited_as_by_pillow(channels: int) -> None:
    images = torch.rand(3, channels, 8, 9) * 2.4 - 1.2
    ours = to_pixels(over_white(images))
    for pixels, shown in zip(to_pixels(images), ours, strict=True):
        colored = Image.fromarray(pixels.numpy(), {2: "LA", 4: "RGBA"}[channels]).convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", colored.size, "white"), colored)
        expected = np.asarray(flat.convert("L" if channels == 2 else "RGB"), dtype=np.int16)
        assert abs(expected.reshape(shown.shape) - shown.numpy()).max() <= 1


def test_opaque_and_clear_pixels() -> None:
    images = torch.rand(2, 4, 5, 5) * 2 - 1
    images[0, 3], images[1, 3] = 1, -1
    assert torch.equal(over_white(images)[0], images[0, :3])
    assert torch.equal(over_white(images)[1], torch.ones(3, 5, 5))


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_images_without_alpha_stay_as_they_are(channels: int) -> None:
    images = torch.randn(2, channels, 3, 3)
    assert over_white(images) is images


def test_it_can_be_differentiated() -> None:
    images = torch.rand(2, 4, 2, 2, dtype=torch.float64) * 1.8 - 0.9
    assert torch.autograd.gradcheck(over_white, images.requires_grad_())
