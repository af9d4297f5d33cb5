"""Images as one picture: grid, zoom, channels, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stylelayers.explore import sample, show
from stylelayers.images import grid_columns, tile, to_pixels
from tests.explore.tiny import tiny_generator


def test_images_are_tiled_and_enlarged() -> None:
    images = torch.rand(6, 3, 8, 8) * 2 - 1
    picture = show(images, columns=3, zoom=2)
    assert (picture.mode, picture.size) == ("RGB", (48, 32))
    assert picture.resize((24, 16), 0).tobytes() == tile(to_pixels(images), 3).numpy().tobytes()


@pytest.mark.parametrize(("shape", "size"), [
    ((1, 3, 8, 8), (640, 640)), ((3, 8, 8), (640, 640)), ((10, 3, 32, 32), (640, 256)), ((64, 3, 32, 32), (512, 512)),
    ((4, 3, 256, 256), (512, 512)), ((1, 3, 700, 900), (900, 700)), ((6, 3, 64, 16), (576, 384)),
])  # fmt: skip
def test_columns_and_zoom_suit_the_images(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    assert show(torch.zeros(shape)).size == size


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_channels_are_those_of_files(channels: int, mode: str) -> None:
    assert show(torch.zeros(2, channels, 4, 4)).mode == mode


def test_more_channels_are_shown_in_part() -> None:
    with pytest.warns(UserWarning, match="pictures show the first 3 of 5 channels"):
        assert show(torch.zeros(2, 5, 4, 4)).mode == "RGB"


def test_batches_and_lists_are_joined() -> None:
    generator = tiny_generator()
    images = torch.cat(list(sample(generator, range(6), batch=6)))
    expected = show(images).tobytes()
    assert show(sample(generator, range(6), batch=4)).tobytes() == expected
    assert show(list(images)).tobytes() == show(images.double()).tobytes() == expected
    assert show(images.requires_grad_()).tobytes() == expected


def test_bytes_are_shown_as_they_are() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert show(pixels, zoom=1).tobytes() == bytes(range(256))


@pytest.mark.parametrize(("images", "message"), [
    ([], "got none"),
    (torch.zeros(4, 4), r"must be \(N, C, H, W\) or \(C, H, W\), or several of equal size, got \(4, 4\)"),
    ([torch.zeros(3, 4, 4), torch.zeros(3, 8, 8)], r"got \(3, 4, 4\), \(3, 8, 8\)"),
    (["a"], "got str"),
    (torch.zeros(0, 3, 4, 4), r"must be at least one, got \(0, 3, 4, 4\)"),
    (torch.zeros(1, 3, 4, 4, dtype=torch.int64), r"must be floats in \[-1, 1\] or bytes \(uint8\), got torch.int64"),
])  # fmt: skip
def test_others_are_refused(images: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"show: images .*{message}"):
        show(images)


@pytest.mark.parametrize("options", [{"columns": 0}, {"zoom": 0}, {"zoom": 1.5}, {"columns": True}])
def test_options_are_checked(options: Any) -> None:
    with pytest.raises(ValueError, match=f"show: {next(iter(options))} must be an int of at least 1"):
        show(torch.zeros(2, 3, 4, 4), **options)


def test_a_grid_has_no_more_columns_than_images() -> None:
    assert [grid_columns(count, 8, 8) for count in (1, 2, 3, 5, 9, 11, 100)] == [1, 2, 3, 5, 3, 4, 10]
    assert grid_columns(3, 100, 1) == 3
