"""digits: the scans of scikit-learn, enlarged."""

import torch

from stylelayers.data import digits
from tests.data.pictures import pairs


def test_digits_are_the_scans_enlarged() -> None:
    from sklearn.datasets import load_digits

    module = digits(resolution=32, labels=True)
    images = torch.stack([image for image, _ in pairs(module)])
    assert images.shape == (1797, 1, 32, 32)
    assert (images.min(), images.max()) == (-1, 1)
    scans = torch.from_numpy(load_digits().images).float()[:, None] / 8 - 1
    error = torch.nn.functional.avg_pool2d(images, 4) - scans
    assert error.square().mean().sqrt() < 0.15
    assert error.abs().max() < 0.6
    assert [label for _, label in pairs(module)] == load_digits().target.tolist()
    assert (module.num_labels, module.class_names) == (10, tuple("0123456789"))


def test_digits_leave_no_outline_in_the_background() -> None:
    from sklearn.datasets import load_digits

    images = torch.stack([image for image, _ in pairs(digits(resolution=32))])
    ink_nearby = torch.nn.functional.max_pool2d(torch.from_numpy(load_digits().images)[:, None], 5, 1, 2) > 0
    background = ~ink_nearby.repeat_interleave(4, -1).repeat_interleave(4, -2)
    assert background.sum() > 100
    assert (images[background] == -1).all()


def test_digits_keep_their_shape() -> None:
    square = digits(resolution=32).dataset[0][0]
    wide = digits(resolution=(32, 48), image_channels=3).dataset[0][0]
    assert wide.shape == (3, 32, 48)
    torch.testing.assert_close(wide[:, :, 8:40], square.expand(3, -1, -1))
    assert torch.equal(wide[:, :, :8], torch.full((3, 32, 8), -1.0))


def test_digits_of_the_scans_size_are_the_scans() -> None:
    from sklearn.datasets import load_digits

    image, label = digits(resolution=8, labels=False).dataset[5]
    torch.testing.assert_close(image[0], torch.from_numpy(load_digits().images[5]).float() / 8 - 1)
    assert label == 0
    assert digits(resolution=8, labels=False).class_names == ()
