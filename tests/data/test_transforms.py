"""ImageTransform: sizes, modes and flips, pixel by pixel."""

import numpy as np
import pytest
import torch
from PIL import Image

from stylelayers.data import ImageTransform
from tests.data.pictures import BLUE, GREEN, RED, colour, stripes


@pytest.mark.parametrize("resize", ["crop", "fit", "stretch"])
def test_images_of_the_target_size_keep_every_pixel(resize: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    out = ImageTransform((6, 9), resize=resize)(Image.fromarray(pixels))
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1)


def test_crop_keeps_the_centre() -> None:
    out = ImageTransform(16, resize="crop")(stripes())
    assert out.shape == (3, 16, 16)
    assert {colour(out, row, column) for row in range(16) for column in range(2, 14)} == {GREEN}


def test_fit_keeps_everything_between_black_bars() -> None:
    out = ImageTransform((16, 24), resize="fit")(stripes())
    assert out.shape == (3, 16, 24)
    assert torch.equal(out[:, :4], torch.full((3, 4, 24), -1.0))
    assert torch.equal(out[:, 12:], torch.full((3, 4, 24), -1.0))
    for row in (4, 11):
        assert [colour(out, row, column) for column in (2, 12, 21)] == [RED, GREEN, BLUE]


def test_stretch_keeps_everything_without_bars() -> None:
    out = ImageTransform((12, 15), resize="stretch")(stripes())
    for row in (0, 11):
        assert [colour(out, row, column) for column in (1, 7, 13)] == [RED, GREEN, BLUE]


@pytest.mark.parametrize("resize", ["crop", "fit", "stretch"])
@pytest.mark.parametrize("size", [(1, 1), (500, 1), (1, 500)])
def test_extreme_shapes_reach_the_resolution(size: tuple[int, int], resize: str) -> None:
    out = ImageTransform((4, 8), resize=resize)(Image.new("RGB", size, "white"))
    assert out.shape == (3, 4, 8)
    assert out.max() == 1


def test_reduction_is_antialiased() -> None:
    checkerboard = Image.fromarray((np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8))
    out = ImageTransform(8, 1)(checkerboard)
    torch.testing.assert_close(out, torch.zeros(1, 8, 8), atol=0.02, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("image", "value"),
    [
        (Image.new("1", (4, 4), 1), 1.0),
        (Image.new("L", (4, 4), 51), -0.6),
        (Image.new("RGB", (4, 4), (51, 51, 51)), -0.6),
        (Image.new("RGBA", (4, 4), (0, 0, 0, 0)), 1.0),
        (Image.new("RGBA", (4, 4), (0, 0, 0, 51)), 0.6),
        (Image.new("LA", (4, 4), (0, 51)), 0.6),
        (Image.new("F", (4, 4), 127.75), 1 / 510),
        (Image.new("F", (4, 4), 300.0), 1.0),
        (Image.fromarray(np.full((4, 4), 32800, dtype=np.uint16)), 32800 / 32767.5 - 1),
        (Image.fromarray(np.full((4, 4), 32800, dtype=np.int32)), 32800 / 32767.5 - 1),
        (np.full((4, 4), 51, dtype=np.uint8), -0.6),
        (np.full((4, 4), 32800, dtype=np.uint16), 32800 / 32767.5 - 1),
    ],
)
def test_every_mode_becomes_the_channels_asked_for(
    image: Image.Image | np.ndarray, value: float, channels: int
) -> None:
    out = ImageTransform(4, channels)(image)
    torch.testing.assert_close(out, torch.full((channels, 4, 4), value), atol=1e-6, rtol=0)


def test_transparent_palette_entries_become_white() -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([*RED, *BLUE])
    image.paste(1, (2, 0, 4, 4))
    image.info["transparency"] = 0
    out = ImageTransform(4)(image)
    assert (colour(out, 0, 0), colour(out, 0, 3)) == ((255, 255, 255), BLUE)


def test_colour_becomes_luma() -> None:
    out = ImageTransform((4, 12), 1)(stripes(12, 4))
    expected = torch.tensor([0.299, 0.587, 0.114]) * 2 - 1
    torch.testing.assert_close(out[0, 0, 1::4], expected, atol=0.01, rtol=0)


def test_horizontal_flip_mirrors_half_of_the_images() -> None:
    torch.manual_seed(0)
    plain = ImageTransform((4, 12))(stripes(12, 4))
    transform = ImageTransform((4, 12), horizontal_flip=True)
    images = [transform(stripes(12, 4)) for _ in range(100)]
    mirrored = [torch.equal(image, plain.flip(-1)) for image in images]
    assert all(flipped or torch.equal(image, plain) for image, flipped in zip(images, mirrored, strict=True))
    assert 30 < sum(mirrored) < 70
