"""The one reader: a picture file is the same tensor for a command and for training, and shows what was stored."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from torch import Tensor

from stylelayers.data import ImageTransform, image_folder
from stylelayers.explore import read_picture

SIDE = 16
RAMP = np.linspace(0, 1, SIDE * SIDE).reshape(SIDE, SIDE)  # grey from black to white
LEVEL = 1 / 255
Write = Callable[[Path], object]


def grey(dtype: type[np.generic], white: float, values: np.ndarray = RAMP) -> Image.Image:
    return Image.fromarray((values * white).astype(dtype))


def saved(name: str, image: Image.Image, **options: Any) -> tuple[str, Write]:
    return name, lambda path: image.save(path, **options)


def png(depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> Write:
    """A PNG file of kinds that Pillow does not write: two pixels of `depth` bits."""
    header = struct.pack(">2I5B", 2, 1, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(b"\0" + rows)), (b"IEND", b"")]
    packed = [struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in parts]
    return lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))


def raw_tiff(bits: int, packed: bytes, *tags: tuple[int, int]) -> Write:
    """A TIFF file of greys that Pillow does not write."""
    entries = [
        (256, SIDE),
        (257, SIDE),
        (258, bits),
        (259, 1),
        (262, 1),
        (277, 1),
        (278, SIDE),
        (279, len(packed)),
        *tags,
    ]
    directory = sorted([*entries, (273, 8 + 2 + 12 * (len(entries) + 1) + 4)])
    body = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in directory)
    data = b"II*\0" + struct.pack("<IH", 8, len(directory)) + body + struct.pack("<I", 0) + packed
    return lambda path: path.write_bytes(data)


def twelve_bits(values: np.ndarray) -> bytes:
    pairs = (values * 4095).round().astype(int).reshape(-1, 2).tolist()
    return b"".join(bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255]) for a, b in pairs)


def both(path: Path, channels: int, side: tuple[int, int] = (SIDE, SIDE)) -> tuple[Tensor, Tensor]:
    """What a command and what training see of a file that is alone in its folder."""
    return read_picture(path, side, channels)[0], image_folder(
        path.parent, resolution=side, image_channels=channels
    ).dataset[0][0]


def white_where(transparent: np.ndarray, values: np.ndarray = RAMP) -> np.ndarray:
    return np.where(transparent, 1.0, values)


HALF = np.arange(SIDE) < SIDE // 2  # columns
CLEAR = np.broadcast_to(HALF, (SIDE, SIDE))
BYTES = grey(np.uint8, 255)
ALPHA = Image.fromarray(np.where(CLEAR, 0, 255).astype(np.uint8))
RGBA = Image.merge("RGBA", [BYTES, BYTES, BYTES, ALPHA])
PALETTE = BYTES.convert("P")
CLEAR_ENTRY = Image.fromarray(np.where(CLEAR, 0, 255).astype(np.uint8)).convert("P")
DARK_ENTRIES = bytes([0] * 128 + [255] * 128)
TURNED = Image.Exif()
TURNED[0x0112] = 6

# name of the file, how it is written, what it shows in [0, 1]
GREYS = {
    "8 bits": (*saved("x.png", BYTES), RAMP),
    "8 bits, BMP": (*saved("x.bmp", BYTES), RAMP),
    "8 bits, GIF": (*saved("x.gif", BYTES), RAMP),
    "8 bits, TIFF": (*saved("x.TIF", BYTES), RAMP),
    "8 bits, white is 0": (*saved("x.tiff", BYTES, tiffinfo={262: 0}), RAMP),
    "several pages": (*saved("x.tif", BYTES, save_all=True, append_images=[Image.new("L", (SIDE, SIDE))]), RAMP),
    "animation": (*saved("x.gif", BYTES, save_all=True, append_images=[Image.new("L", (SIDE, SIDE))]), RAMP),
    "JPEG": (*saved("x.jfif", BYTES, format="JPEG", quality=100), RAMP),
    "several JPEGs": (*saved("x.jpg", BYTES, format="MPO", quality=100, save_all=True, append_images=[BYTES]), RAMP),
    "16 bits": (*saved("x.png", grey(np.uint16, 65535)), RAMP),
    "16 bits, TIFF": (*saved("x.tif", grey(np.uint16, 65535)), RAMP),
    "16 bits, white is 0": (*saved("x.tif", grey(np.uint16, 65535), tiffinfo={262: 0}), 1 - RAMP),
    "16 bits, packed": (*saved("x.tif", grey(np.uint16, 65535), compression="tiff_lzw"), RAMP),
    "16 bits with a sign": ("x.tif", raw_tiff(16, (RAMP * 32767).astype("<u2").tobytes(), (339, 2)), RAMP),
    "12 bits": ("x.tif", raw_tiff(12, twelve_bits(RAMP)), RAMP),
    "32 bits": (*saved("x.tif", grey(np.int32, 65535)), RAMP),
    "floats": (*saved("x.tif", grey(np.float32, 255)), RAMP),
    "grey, transparent": (*saved("x.png", Image.merge("LA", [BYTES, ALPHA])), white_where(CLEAR)),
    "transparent": (*saved("x.png", RGBA), white_where(CLEAR)),
    "transparent, WebP": (*saved("x.webp", RGBA, lossless=True), white_where(CLEAR)),
    "transparent, TIFF": (*saved("x.tif", RGBA), white_where(CLEAR)),
    "half transparent": (*saved("x.png", Image.merge("LA", [BYTES, Image.new("L", (SIDE, SIDE), 51)])), 0.8 + RAMP / 5),
    "palette": (*saved("x.png", PALETTE), RAMP),
    "transparent entry": (*saved("x.png", CLEAR_ENTRY, transparency=0), np.ones_like(RAMP)),
    "transparent entry, GIF": (*saved("x.gif", CLEAR_ENTRY, transparency=0), np.ones_like(RAMP)),
    "transparent entries": (*saved("x.png", PALETTE, transparency=DARK_ENTRIES), white_where(RAMP * 255 < 128)),
    "transparent grey": (*saved("x.png", BYTES, transparency=0), white_where(RAMP * 255 < 1)),
    "transparent deep grey": (*saved("x.png", grey(np.uint16, 65535), transparency=0), white_where(RAMP * 65535 < 1)),
    "1 bit": (*saved("x.png", Image.fromarray(CLEAR)), CLEAR.astype(float)),
    "1 bit, TIFF": (*saved("x.tif", Image.fromarray(CLEAR), compression="group4"), CLEAR.astype(float)),
    "CMYK": (*saved("x.tif", BYTES.convert("RGB").convert("CMYK")), RAMP),
    "CMYK, JPEG": (*saved("x.jpg", BYTES.convert("RGB").convert("CMYK"), quality=100), RAMP),
    "turned": (*saved("x.png", BYTES, exif=TURNED), np.rot90(RAMP, -1)),
    "turned, JPEG": (*saved("x.jpg", BYTES, exif=TURNED, quality=100), np.rot90(RAMP, -1)),
    "turned, WebP": (*saved("x.webp", BYTES.convert("RGB"), exif=TURNED, lossless=True), np.rot90(RAMP, -1)),
    "turned, TIFF": (*saved("x.tif", BYTES, tiffinfo={0x0112: 6}), np.rot90(RAMP, -1)),
    "turned, 16 bits": (*saved("x.png", grey(np.uint16, 65535), exif=TURNED), np.rot90(RAMP, -1)),
    "turned, 16 bits, TIFF": (*saved("x.tif", grey(np.uint16, 65535), tiffinfo={0x0112: 6}), np.rot90(RAMP, -1)),
    "turned, transparent": (*saved("x.png", RGBA, exif=TURNED), np.rot90(white_where(CLEAR), -1)),
}  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", GREYS)
def test_commands_and_training_read_the_stored_values(kind: str, channels: int, tmp_path: Path) -> None:
    name, write, expected = GREYS[kind]
    write(tmp_path / name)
    seen, trained = both(tmp_path / name, channels)
    assert torch.equal(seen, trained)
    assert (seen.dtype, seen.shape) == (torch.float32, (channels, SIDE, SIDE))
    shown = torch.from_numpy(np.ascontiguousarray(expected)).float().expand_as(seen)
    tolerance = 3 * LEVEL if "JPEG" in kind else 1.01 * LEVEL
    torch.testing.assert_close((seen + 1) / 2, shown, atol=tolerance, rtol=0)


COLOURS = Image.new("RGB", (SIDE, SIDE), (255, 0, 0))
COLOURS.paste((0, 0, 255), (SIDE // 2, 0, SIDE, SIDE))


def lab(path: Path) -> None:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(COLOURS, *profiles, outputMode="LAB")
    assert converted is not None
    converted.save(path)


COLOURED = {
    "RGB": saved("x.png", COLOURS),
    "16 bits": ("x.png", png(16, 2, struct.pack(">6H", 65535, 0, 0, 0, 0, 65535))),
    "palette": saved("x.gif", COLOURS.convert("P", palette=Image.Palette.ADAPTIVE)),
    "CMYK": saved("x.jpg", COLOURS.convert("CMYK"), quality=100),
    "BMP": saved("x.bmp", COLOURS),
    "Lab": ("x.tif", lab),
    "lossy WebP": saved("x.webp", COLOURS, quality=100),
}


@pytest.mark.parametrize("kind", COLOURED)
def test_colours_are_read_as_stored(kind: str, tmp_path: Path) -> None:
    name, write = COLOURED[kind]
    write(tmp_path / name)
    seen, trained = both(tmp_path / name, 3, (8, 16))
    assert torch.equal(seen, trained)
    for column, expected in ((0, (1, -1, -1)), (-1, (-1, -1, 1))):
        torch.testing.assert_close(seen[:, 4, column], torch.tensor(expected).float(), atol=0.2, rtol=0)
    assert torch.equal(*both(tmp_path / name, 1, (8, 16)))


@pytest.mark.parametrize(
    ("depth", "row", "key", "shown"),
    [
        (1, 0b10_000000, 1, (1, -1)),
        (2, 0b01_00_0000, 1, (1, -1)),
        (2, 0b01_10_0000, 2, (-1 / 3, 1)),
        (4, 0x50, 5, (1, -1)),
    ],
)
def test_transparent_greys_of_few_bits(
    depth: int, row: int, key: int, shown: tuple[float, float], tmp_path: Path
) -> None:
    png(depth, 0, bytes([row]), (b"tRNS", struct.pack(">H", key)))(tmp_path / "x.png")
    for seen in both(tmp_path / "x.png", 1, (1, 2)):
        torch.testing.assert_close(seen[0, 0], torch.tensor(shown).float(), atol=LEVEL, rtol=0)


@pytest.mark.parametrize("side", [(5, 5), (40, 40), (9, 24)])
@pytest.mark.parametrize("kind", ["16 bits", "transparent", "turned", "palette"])
def test_commands_and_training_resize_alike(kind: str, side: tuple[int, int], tmp_path: Path) -> None:
    name, write, _ = GREYS[kind]
    write(tmp_path / name)
    seen, trained = both(tmp_path / name, 3, side)
    assert torch.equal(seen, trained)
    assert seen.shape == (3, *side)


def half(image: Image.Image, **options: Any) -> Write:
    def write(path: Path) -> None:
        image.save(path, **options)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return write


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
BROKEN = {
    "empty": ("x.png", lambda path: path.write_bytes(b""), "it is empty"),
    "text": ("x.jpg", lambda path: path.write_text("<!DOCTYPE html>"), "it is none of JPEG, PNG, WEBP, TIFF, BMP, GIF"),
    "other picture": ("x.png", lambda path: Image.new("L", (4, 4)).save(path, format="PPM"), "it is none of JPEG"),
    "half a JPEG": ("x.jpg", half(NOISE), "truncated"),
    "half a PNG": ("x.png", half(NOISE), "truncated|broken"),
    "half a WebP": ("x.webp", half(NOISE, lossless=True), "WebP|webp|WEBP|decod"),
    "half a BMP": ("x.bmp", half(NOISE), "truncated"),
    "half a TIFF": ("x.tif", half(NOISE), r"\w+"),
    "half a packed TIFF": ("x.tif", half(NOISE, compression="tiff_lzw"), r"\w+"),
    "half a GIF": ("x.gif", half(NOISE), "truncated"),
    "header alone": ("x.png", lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"), r"\w+"),
    "floats up to 1": ("x.tif", saved("", grey(np.float32, 1))[1], r"float grey must span 0 to 255, got \[0, 1\]"),
    "floats that are none": ("x.tif", saved("", grey(np.float32, np.nan))[1], "finite"),
    "deeper than 16 bits": ("x.tif", saved("", grey(np.int32, 1e6))[1], r"must be in \[0, 65535\], got \[0, 1e\+06\]"),
    "bytes with a sign": ("x.tif", raw_tiff(8, (RAMP * 127).astype("i1").tobytes(), (339, 2)), "bytes with a sign"),
    "below black": ("x.tif", saved("", grey(np.int32, 1e3, RAMP - 1))[1], r"must be in \[0, 65535\], got \[-1000, 0\]"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.filterwarnings("ignore:Truncated File Read")
def test_unreadable_files_raise_one_line(kind: str, tmp_path: Path) -> None:
    name, write, reason = BROKEN[kind]
    write(tmp_path / name)
    with pytest.raises(ValueError, match=reason) as told:
        read_picture(tmp_path / name, (8, 8), 3)
    with pytest.raises(ValueError, match=reason) as told_by_training:
        image_folder(tmp_path)
    for error in (told, told_by_training):
        message = str(error.value)
        assert message.count(str(tmp_path / name)) == 1
        assert "\n" not in message
    assert f"'{tmp_path / name}' is not a picture that can be read: " in str(told.value)


def test_an_image_too_large_for_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    NOISE.save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64)
    with pytest.raises(ValueError, match=r"x\.png' is not a picture that can be read: Image size \(4096 pixels\)"):
        read_picture(tmp_path / "x.png", (8, 8), 3)


def test_a_missing_file_raises_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"x\.png"):
        read_picture(tmp_path / "x.png", (8, 8), 3)


def test_arrays_and_images_in_memory_are_read_alike() -> None:
    values = (RAMP * 65535).astype(np.uint16)
    expected = torch.from_numpy(RAMP).float()[None] * 2 - 1
    for image in (values, values.astype(np.int32), Image.fromarray(values).convert("I")):
        torch.testing.assert_close(ImageTransform(SIDE, 1)(image), expected, atol=LEVEL, rtol=0)


def test_a_very_large_picture_is_refused_alike(tmp_path: Path) -> None:
    Image.new("1", (14000, 14000)).save(tmp_path / "x.png")
    told = r"x\.png.*Image size \(196000000 pixels\) exceeds limit of 178956970 pixels"
    with pytest.raises(ValueError, match=told):
        read_picture(tmp_path / "x.png", (8, 8), 1)
    with pytest.raises(ValueError, match=told):
        image_folder(tmp_path)
