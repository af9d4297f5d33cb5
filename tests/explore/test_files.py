"""Pictures and videos as files: what they show, the same bytes twice, whole or not at all."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from stylelayers.explore import read_picture, save_each, save_grid, save_picture, save_video, tile, to_pixels

FILES = ("picture.png", "picture.webp", "walk.gif", "walk.mp4")


def pixels(count: int = 3, height: int = 5, width: int = 7, channels: int = 3) -> Tensor:
    source = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, height, width, channels), dtype=torch.uint8, generator=source)


def smooth_frames(count: int = 4, size: int = 32) -> Tensor:
    """What a video codec can keep: a slope that moves from dark to bright."""
    slope = torch.linspace(0, 100, size).expand(count, size, size) + 30 * torch.arange(count).view(-1, 1, 1)
    return slope.round().to(torch.uint8)[..., None]


def write(path: Path, frames: Tensor) -> Path:
    return save_picture(frames[0], path) if path.suffix in (".png", ".webp") else save_video(frames, path, fps=10)


def shown(path: Path) -> Tensor:
    image = Image.open(path)
    return torch.tensor(list(image.tobytes())).view(image.height, image.width, -1)


def frames_of(path: Path) -> list[Image.Image]:
    if path.suffix == ".gif":
        gif = Image.open(path)
        return [gif.seek(index) or gif.convert("RGB") for index in range(gif.n_frames)]  # type: ignore[func-returns-value,attr-defined]
    import av

    with av.open(str(path)) as file:
        return [frame.to_image() for frame in file.decode(video=0)]


@pytest.mark.parametrize("name", FILES[:2])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pictures_are_lossless(tmp_path: Path, name: str, channels: int) -> None:
    picture = pixels(channels=channels)[0]
    picture = (
        picture[..., [0, 0, 0, 1]] if channels == 2 and name.endswith("webp") else picture
    )  # has no grey of its own
    found = shown(save_picture(pixels(channels=channels)[0], tmp_path / name))
    assert torch.equal(found, picture.long().expand_as(found))
    found = shown(save_picture(pixels(channels=channels)[0], tmp_path / name, zoom=3))
    assert found.shape[:2] == (15, 21)
    assert torch.equal(found[1::3, 2::3], picture.long().expand_as(found[1::3, 2::3]))


def test_alpha_is_kept_where_a_file_holds_it_and_named_where_not(tmp_path: Path) -> None:
    images = torch.rand(2, 4, 8, 8) * 2 - 1
    found = shown(save_grid(images, tmp_path / "x.png", columns=2))
    assert torch.equal(found, tile(to_pixels(images), 2).long()) and found.shape == (8, 16, 4)
    assert to_pixels(images[:, :2]).shape == (2, 8, 8, 2)
    with pytest.warns(UserWarning, match="pictures show the first 3 of 5 channels"):
        assert to_pixels(images[:, [0, 1, 2, 3, 0]]).shape == (2, 8, 8, 3)
    for name, channels in (("x.gif", 2), ("x.gif", 4), ("x.mp4", 4)):
        frames = to_pixels(images[:, -channels:])
        with pytest.warns(UserWarning, match=rf"a \{name[1:]} file holds no alpha channel"):
            save_video(frames, tmp_path / name)
        again = save_video(frames[..., : channels - 1], tmp_path / f"opaque{name}").read_bytes()
        assert (tmp_path / name).read_bytes() == again


def test_a_grid_is_read_row_by_row_and_filled_up_with_black() -> None:
    three = pixels()
    grid = tile(three, 2)
    assert grid.shape == (10, 14, 3)
    expected = torch.cat([torch.cat([three[0], three[1]], 1), torch.cat([three[2], torch.zeros_like(three[2])], 1)])
    assert torch.equal(grid, expected)
    assert tile(three, 9).shape == (5, 21, 3)


def test_save_grid_shows_images(tmp_path: Path) -> None:
    images = torch.rand(4, 1, 8, 8) * 2 - 1
    found = shown(save_grid(images, tmp_path / "grid.png", columns=2))
    assert torch.equal(found, tile(to_pixels(images), 2).long())


def test_each_picture_gets_its_file(tmp_path: Path) -> None:
    nine = pixels(9)
    paths = [tmp_path / "new" / f"{index}.png" for index in range(9)]
    save_each(iter(nine.split(4)), paths)
    assert all(torch.equal(shown(path), picture.long()) for path, picture in zip(paths, nine, strict=True))
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(path.name for path in paths)


@pytest.mark.parametrize(("name", "tolerance"), [("walk.gif", 0), ("walk.mp4", 6)])
def test_videos_show_their_frames_in_order(tmp_path: Path, name: str, tolerance: int) -> None:
    frames = smooth_frames()
    found = frames_of(save_video(iter(frames), tmp_path / name, fps=10, zoom=2))
    assert [frame.size for frame in found] == [(64, 64)] * 4
    for frame, expected in zip(found, frames, strict=True):
        small = torch.tensor(list(frame.convert("L").tobytes())).view(64, 64)[::2, ::2]
        assert (small - expected[..., 0].long()).abs().max() <= tolerance


def test_a_gif_plays_for_ever_at_its_speed(tmp_path: Path) -> None:
    for fps, milliseconds in ((0.01, 100_000), (10, 100), (25, 40), (60, 20), (1000, 20)):
        gif = Image.open(save_video(smooth_frames(), tmp_path / "walk.gif", fps=fps))
        assert (gif.info["duration"], gif.info["loop"]) == (milliseconds, 0)


def test_odd_sides_of_an_mp4_gain_a_pixel(tmp_path: Path) -> None:
    assert frames_of(save_video(pixels(), tmp_path / "walk.mp4"))[0].size == (8, 6)


@pytest.mark.parametrize("name", FILES)
def test_the_same_pixels_are_the_same_bytes(tmp_path: Path, name: str) -> None:
    first, second = (write(tmp_path / folder / name, pixels(4, 16, 16)).read_bytes() for folder in "ab")
    assert first == second
    assert write(tmp_path / name, pixels(4, 16, 16).flip(0)).read_bytes() != first


@pytest.mark.parametrize("name", FILES)
def test_a_writer_that_fails_leaves_the_file_before(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = write(tmp_path / name, pixels(4, 16, 16)).read_bytes()

    def half(image: Any, *arguments: Any, **options: Any) -> None:
        Path(arguments[0]).write_bytes(before[: len(before) // 2])
        raise OSError("no space left on device")

    def frames() -> Iterator[Tensor]:
        yield from pixels(2, 16, 16)
        raise OSError("no space left on device")

    if name != "walk.mp4":
        monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(OSError, match="no space left"):
        save_video(frames(), tmp_path / name) if name.startswith("walk") else write(tmp_path / name, pixels())
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == before


def test_a_picture_of_the_right_size_is_read_as_it_is(tmp_path: Path) -> None:
    picture = pixels(1, 8, 8)[0]
    read = read_picture(save_picture(picture, tmp_path / "x.png"), (8, 8), 3)
    assert torch.equal(to_pixels(read)[0], picture)


def test_mp4_without_pyav_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    importing = builtins.__import__

    def without_av(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "av":
            raise ImportError("no av")
        return importing(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_av)
    with pytest.raises(ValueError, match=r'MP4 needs PyAV: pip install "stylelayers\[video\]"'):
        save_video(pixels(), tmp_path / "x.mp4")
    assert list(tmp_path.iterdir()) == []


WRONG = {
    "picture": (lambda path: save_picture(pixels()[0], path / "x.jpg"), "ending must be .png or .webp, got .*x.jpg"),
    "video": (lambda path: save_video(pixels(), path / "x.avi"), "ending must be .gif or .mp4, got .*x.avi"),
    "no frames": (lambda path: save_video([], path / "x.gif"), "a video needs at least 1 frame"),
    "speed": (lambda path: save_video(pixels(), path / "x.gif", fps=0), r"fps must be in \[0\.01, 1000\], got 0"),
    "zoom": (lambda path: save_picture(pixels()[0], path / "x.png", zoom=0), "zoom must be at least 1, got 0"),
    "columns": (lambda path: tile(pixels(), 0), "a grid needs at least 1 picture and 1 column, got 3 and 0"),
    "channels": (lambda path: read_picture(path / "x.png", (8, 8), 5), "1 to 4 channels, the generator has 5"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_leave_nothing(name: str, tmp_path: Path) -> None:
    call, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        call(tmp_path)
    assert list(tmp_path.iterdir()) == []
