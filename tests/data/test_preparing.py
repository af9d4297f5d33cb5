"""prepare: what is written is what training would read, an interrupted start goes on, and nothing is lost silently."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image

from stylelayers.data import digits, image_archive, image_folder
from stylelayers.data.encoded_images import Preparation
from stylelayers.data.opening import open_data
from stylelayers.data.preparing import UnreadableImagesError, prepare
from tests.data.pictures import noise_jpeg, pairs, stripes
from tests.data.test_torchvision_sets import write_mnist

SMALL = Preparation(resolution=(8, 8))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Forty images of two classes."""
    for number in range(40):
        path = tmp_path / "images" / "ab"[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        stripes(20 + number, 20).save(path)
    return tmp_path / "images"


def content(path: Path) -> Any:
    """The bytes of a file, or of all files of a folder by their names."""
    if path.is_file():
        return path.read_bytes()
    return {str(each.relative_to(path)): each.read_bytes() for each in sorted(path.rglob("*")) if each.is_file()}


def leftovers(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*.part*")] + [str(path) for path in folder.rglob("*.old")]


class StoppedError(Exception):
    pass


def stop_after(count: int) -> Any:
    """A progress bar that stops the work after so many images."""
    done = [0]

    def advance(more: int) -> None:
        done[0] += more
        if done[0] >= count:
            raise StoppedError

    return advance


# What is written ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["x.zip", "x"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("resize", ["crop", "fit", "stretch"])
def test_training_reads_the_same_from_the_images_and_from_what_is_prepared(
    mixed: Path, tmp_path_factory: pytest.TempPathFactory, resize: str, channels: int, target: str
) -> None:
    path = tmp_path_factory.mktemp("prepared") / target
    settings = Preparation(resolution=(8, 12), resize=resize, resize_filter="box", channels=channels)
    result = prepare(open_data(str(mixed)), path, settings)
    assert (result.images, result.resolution, result.channels, result.errors) == (10, (8, 12), channels, ())
    options: dict[str, Any] = {"labels": True, "resolution": (8, 12), "image_channels": channels}
    before = image_folder(mixed, resize=resize, resize_filter="box", **options)
    after = image_archive(path, **options)
    assert before.class_names == after.class_names == ("a", "b")
    for (image, label), (prepared, same) in zip(pairs(before), pairs(after), strict=True):
        assert torch.equal(image, prepared)
        assert label == same


def test_deep_grey_is_rounded_to_bytes(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).reshape(16, 16).astype(np.uint16)
    (tmp_path / "images").mkdir()
    Image.fromarray(ramp).save(tmp_path / "images" / "1.png")
    prepare(open_data(str(tmp_path / "images")), tmp_path / "x.zip", Preparation(channels="auto"))
    ((image, _),) = pairs(image_archive(tmp_path / "x.zip", resolution=16, image_channels=1))
    shown = torch.from_numpy(ramp.astype(np.float32)) / 32767.5 - 1
    torch.testing.assert_close(image[0], shown, atol=1.01 / 255, rtol=0)


def test_the_layout_is_the_official_one(images: Path, tmp_path: Path) -> None:
    prepare(open_data(str(images)), tmp_path / "x.zip", SMALL)
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.testzip() is None
        names = [entry.filename for entry in archive.infolist()]
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        told = json.loads(archive.read("dataset.json"))
    assert names == [*(f"00000/img{number:08d}.png" for number in range(40)), "dataset.json"]
    assert told == {
        "labels": [[name, number // 20] for number, name in enumerate(names[:-1])],
        "class_names": ["a", "b"],
    }
    prepare(open_data(str(images), labels="none"), tmp_path / "x", SMALL)
    assert json.loads((tmp_path / "x" / "dataset.json").read_text()) == {"labels": None}
    assert [*content(tmp_path / "x")] == names


def test_vectors_keep_every_bit(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    labels = torch.randn(3, 2).tolist()
    told = {"labels": [[f"{number}.png", row] for number, row in enumerate(labels)], "class_names": ["smile", "age"]}
    (folder / "dataset.json").write_text(json.dumps(told))
    for number in range(3):
        stripes().save(folder / f"{number}.png")
    prepare(open_data(str(folder)), tmp_path / "x.zip", SMALL)
    prepare(open_data(str(tmp_path / "x.zip")), tmp_path / "y.zip", SMALL)
    for path in (folder, tmp_path / "x.zip", tmp_path / "y.zip"):
        module = image_archive(path, labels="vectors", resolution=8)
        assert torch.equal(torch.stack([torch.as_tensor(label) for _, label in pairs(module)]), torch.tensor(labels))
        assert module.class_names == ("smile", "age")


@pytest.mark.parametrize(("encoding", "quality", "distance"), [("jpeg", 95, 3), ("webp", 90, 30), ("webp", 100, 0)])
def test_other_formats(images: Path, tmp_path: Path, encoding: str, quality: int, distance: int) -> None:
    settings = Preparation(resolution=(16, 16), format=encoding, quality=quality)
    prepare(open_data(str(images)), tmp_path / "x.zip", settings)
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.namelist()[0] == "00000/img00000000." + {"jpeg": "jpg"}.get(encoding, encoding)
    before = pairs(image_folder(images, resolution=16))
    for (image, _), (prepared, _) in zip(before, pairs(image_archive(tmp_path / "x.zip", resolution=16)), strict=True):
        assert (image - prepared).abs().mean() * 127.5 <= distance


def test_digits_and_torchvision(tmp_path: Path) -> None:
    prepare(open_data("digits", max_images=50), tmp_path / "x.zip", Preparation(channels="auto"))
    module = image_archive(tmp_path / "x.zip", labels=True, resolution=8, image_channels="auto")
    assert (len(pairs(module)), module.image_channels, module.class_names) == (50, 1, digits().class_names)
    pixels = write_mnist(tmp_path)
    data = open_data("torchvision:MNIST", root=tmp_path)
    prepare(data, tmp_path / "y.zip", Preparation(channels="auto"))
    module = image_archive(tmp_path / "y.zip", labels=True, resolution=28, image_channels="auto")
    assert [label for _, label in pairs(module)] == [7, 0, 9]
    assert module.class_names[9] == "9 - nine"
    torch.testing.assert_close(module.dataset[1][0][0], torch.from_numpy(pixels[1]) / 127.5 - 1)


def test_a_draw_of_images(images: Path, tmp_path: Path) -> None:
    prepare(open_data(str(images), max_images=7, subset_seed=3), tmp_path / "x.zip", SMALL)
    drawn = pairs(image_folder(images, labels=True, resolution=8, max_images=7, subset_seed=3))
    for (image, label), (prepared, same) in zip(
        drawn, pairs(image_archive(tmp_path / "x.zip", labels=True, resolution=8)), strict=True
    ):
        assert torch.equal(image, prepared)
        assert label == same


def test_parquet_shards(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("stylelayers.data.parquet_target._MAX_IMAGES", 16)
    shards = Preparation(resolution=(8, 8), format="parquet")
    prepare(open_data(str(images)), tmp_path / "whole", shards)
    with pytest.raises(StoppedError):
        prepare(open_data(str(images)), tmp_path / "x", shards, advance=stop_after(24))
    prepare(open_data(str(images)), tmp_path / "x", shards)
    assert content(tmp_path / "x") == content(tmp_path / "whole")
    assert [*content(tmp_path / "x")] == [f"train-{number:05d}.parquet" for number in range(3)]
    rows = parquet.read_table(tmp_path / "x").to_pylist()
    assert [row["label"] for row in rows] == [0] * 20 + [1] * 20
    prepare(open_data(str(images)), tmp_path / "y", SMALL)
    files = {Path(name).name: bytes for name, bytes in content(tmp_path / "y").items()}
    assert [row["image"]["bytes"] for row in rows] == [files[row["image"]["path"]] for row in rows]


# Interruptions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["x.zip", "x"])
@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_images_give_the_same_bytes_however_often_it_is_stopped(
    images: Path, tmp_path: Path, target: str, workers: int
) -> None:
    prepare(open_data(str(images)), tmp_path / f"whole_{target}", SMALL)
    for count in (0, 16, 32, 40):
        with pytest.raises(StoppedError):
            prepare(open_data(str(images)), tmp_path / target, SMALL, workers=workers, advance=stop_after(count))
        assert not (tmp_path / target).exists()
    done = list[int]()
    result = prepare(open_data(str(images)), tmp_path / target, SMALL, workers=workers, advance=done.append)
    assert (done, result.images) == ([40], 40)
    assert content(tmp_path / target) == content(tmp_path / f"whole_{target}")
    assert leftovers(tmp_path) == []


DAMAGE = {
    "a torn file": lambda part: (part / "images.zip").write_bytes((part / "images.zip").read_bytes()[:-100]),
    "a wrong byte": lambda part: (part / "images.zip").write_bytes((part / "images.zip").read_bytes()[:-9] + b"x" * 9),
    "zeros": lambda part: (part / "images.zip").write_bytes((part / "images.zip").read_bytes() + bytes(1000)),
    "a torn line": lambda part: (part / "journal.jsonl").write_text((part / "journal.jsonl").read_text()[:-30]),
    "no journal": lambda part: (part / "journal.jsonl").unlink(),
    "no images": lambda part: (part / "images.zip").unlink(),
}


@pytest.mark.filterwarnings("ignore:.*skipped 1 unreadable")
@pytest.mark.parametrize("kind", DAMAGE)
def test_what_is_not_whole_is_made_again(images: Path, tmp_path: Path, kind: str) -> None:
    (images / "a" / "07.png").write_bytes(b"")
    prepare(open_data(str(images)), tmp_path / "whole.zip", SMALL, on_error="skip")
    with pytest.raises(StoppedError):
        prepare(open_data(str(images)), tmp_path / "x.zip", SMALL, on_error="skip", advance=stop_after(32))
    DAMAGE[kind](tmp_path / "x.zip.part")
    prepare(open_data(str(images)), tmp_path / "x.zip", SMALL, on_error="skip")
    assert content(tmp_path / "x.zip") == content(tmp_path / "whole.zip")


def command(*arguments: object) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", "from stylelayers.cli import main; main()", *map(str, arguments)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, *(pytest.param(each, marks=pytest.mark.slow) for each in (signal.SIGINT, signal.SIGTERM))],
)
@pytest.mark.usefixtures("interruptible")
def test_a_command_that_is_ended_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for each in range(30):
        (folder / f"{each}.png").symlink_to(tmp_path / "large.png")
    Image.effect_noise((2000, 2000), 50).save(tmp_path / "large.png", compress_level=1)
    arguments = ("prepare", folder, tmp_path / "x.zip", "--resolution=64", "--workers=1")
    part = tmp_path / "x.zip.part" / "images.zip"
    first = command(*arguments)
    deadline = time.monotonic() + 120
    while not (part.exists() and part.stat().st_size) and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    first.send_signal(number)
    told = first.communicate(timeout=60)[1]
    assert first.returncode == {signal.SIGKILL: -9, signal.SIGINT: 1, signal.SIGTERM: 143}[number]
    if number == signal.SIGINT:
        assert told == "stylelayers: interrupted; the same command goes on from here\n"
    assert not (tmp_path / "x.zip").exists()
    kept = part.stat().st_size
    assert kept > 0
    second = command(*arguments)
    shown = second.communicate(timeout=120)
    assert (second.returncode, shown[1]) == (0, "")
    assert len(pairs(image_archive(tmp_path / "x.zip", resolution=64))) == 30
    assert leftovers(tmp_path) == []


# Refusals -------------------------------------------------------------------------------------------------------------


def stopped(images: Path, target: Path, settings: Preparation = SMALL) -> None:
    with pytest.raises(StoppedError):
        prepare(open_data(str(images)), target, settings, advance=stop_after(16))


def test_unfinished_work_of_other_settings_is_refused(images: Path, tmp_path: Path) -> None:
    target = tmp_path / "x.zip"
    stopped(images, target)
    other = Preparation(resolution=(16, 8), channels=1)
    told = r"holds unfinished work of other settings \(resolution \[8, 8\] → \[16, 8\], channels 3 → 1\); --overwrite"
    with pytest.raises(ValueError, match=told):
        prepare(open_data(str(images)), target, other)
    stripes().save(images / "a" / "00.png")
    with pytest.raises(ValueError, match=r"of other settings \(the data have changed\); --overwrite drops it"):
        prepare(open_data(str(images)), target, SMALL)
    assert prepare(open_data(str(images)), target, other, overwrite=True).resolution == (16, 8)


@pytest.mark.parametrize("name", ["x.zip", "x"])
def test_targets_are_replaced_only_when_asked(images: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    prepare(open_data(str(images)), target, SMALL)
    before = content(target)
    with pytest.raises(ValueError, match=rf"the target must be new, got '.*{name}', which exists; --overwrite"):
        prepare(open_data(str(images)), target, SMALL)
    with pytest.raises(StoppedError):
        prepare(open_data(str(images)), target, Preparation(resolution=(4, 4)), overwrite=True, advance=stop_after(16))
    assert content(target) == before
    prepare(open_data(str(images)), target, Preparation(resolution=(4, 4)), overwrite=True)
    assert content(target) != before
    assert leftovers(tmp_path) == []


def test_other_things_are_never_replaced(images: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    (tmp_path / "folder.zip").mkdir()
    for name in ("home", "folder.zip"):
        with pytest.raises(ValueError, match=r"--overwrite replaces prepared data alone, got .* holds something else"):
            prepare(open_data(str(images)), tmp_path / name, SMALL, overwrite=True)
    for name in ("x", "x.zip", "a"):
        with pytest.raises(ValueError, match=r"the target must be outside of the data, got "):
            prepare(open_data(str(images)), images / name, SMALL, overwrite=True)


def test_two_processes_do_not_prepare_one_target(images: Path, tmp_path: Path) -> None:
    (tmp_path / "x.zip.part").mkdir()
    with (
        FileLock(tmp_path / "x.zip.part" / ".lock"),
        pytest.raises(RuntimeError, match="is being prepared by another process"),
    ):
        prepare(open_data(str(images)), tmp_path / "x.zip", SMALL)


def test_images_of_several_sizes_need_a_resolution(images: Path, tmp_path: Path) -> None:
    told = r"resolution must be given for images of several sizes, 20x20 and 22x20 \(width and height\)"
    with pytest.raises(ValueError, match=told):
        prepare(open_data(str(images)), tmp_path / "x.zip", Preparation())
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"format": "gif"}, "format must be one of png, jpeg, webp, got 'gif'"),
        ({"format": "jpeg", "channels": 4}, "channels must be 1 or 3 for the format jpeg, got 4"),
        ({"format": "webp", "channels": 1}, "channels must be 3 or 4 for the format webp, got 1"),
        ({"format": "jpeg", "quality": 101}, "quality must be at most 100, got 101"),
        ({"channels": 5}, "image_channels must be one of 1, 2, 3, 4, got 5"),
        ({"channels": "rgb"}, "image_channels must be an int of at least 1, got 'rgb'"),
        ({"resize": "pad"}, "resize must be one of crop, fit, stretch, got 'pad'"),
        ({"format": "parquet"}, "the target must be a folder for the format parquet"),
    ],
)
def test_settings_are_checked_before_anything_is_written(
    images: Path, tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        prepare(open_data(str(images)), tmp_path / "x.zip", Preparation(**{"resolution": (8, 8), **settings}))
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("text", ["missing", "torchvision:NONE", "", "huggingface:"])
def test_data_that_do_not_exist(text: str) -> None:
    with pytest.raises(ValueError, match="got "):
        open_data(text)


# Unreadable images ----------------------------------------------------------------------------------------------------


@pytest.fixture
def damaged(images: Path) -> Path:
    noise_jpeg(images / "a" / "05.jpg", keep=0.5)
    noise_jpeg(images / "b" / "30.jpg", keep=0.4)
    (images / "b" / "00.png").write_bytes(b"not an image")
    return images


@pytest.mark.filterwarnings("ignore:.*skipped 1 unreadable")
@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_images_are_refused_listed_or_skipped(damaged: Path, tmp_path: Path, workers: int) -> None:
    names = ["00.png", "05.jpg", "30.jpg"]
    with pytest.raises(UnreadableImagesError, match=r"must be readable, got .*00\.png \(it is none of.*--on-error"):
        prepare(open_data(str(damaged)), tmp_path / "x.zip", SMALL, workers=workers)
    (damaged / "b" / "00.png").unlink()
    with pytest.raises(UnreadableImagesError, match=r"must be readable, got .*05\.jpg \(.*truncated"):
        prepare(open_data(str(damaged)), tmp_path / "x.zip", SMALL, workers=workers, overwrite=True)
    (damaged / "b" / "00.png").write_bytes(b"not an image")
    with pytest.raises(UnreadableImagesError, match=r"must be readable, got .*00\.png .* and 2 more") as error:
        prepare(open_data(str(damaged)), tmp_path / "x.zip", SMALL, workers=workers, on_error="list", overwrite=True)
    assert [name in told for name, told in zip(names, error.value.errors, strict=True)] == [True] * 3
    assert not (tmp_path / "x.zip").exists()
    done = list[int]()
    result = prepare(
        open_data(str(damaged)), tmp_path / "x.zip", SMALL, workers=workers, on_error="skip", advance=done.append
    )
    assert (done, result.images, result.errors) == ([42], 40, error.value.errors)  # nothing is done again
    for name in ("05.jpg", "30.jpg", "00.png"):
        (damaged / ("a" if name == "05.jpg" else "b") / name).unlink()
    before = pairs(image_folder(damaged, labels=True, resolution=8))
    for (image, label), (prepared, same) in zip(
        before, pairs(image_archive(tmp_path / "x.zip", labels=True, resolution=8)), strict=True
    ):
        assert torch.equal(image, prepared)
        assert label == same


def test_no_image_at_all_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.png").write_bytes(b"")
    for on_error in ("raise", "list", "skip"):
        with pytest.raises(ValueError, match=r"1\.png"):
            prepare(open_data(str(tmp_path / "images")), tmp_path / "x.zip", SMALL, on_error=on_error)
    assert not os.path.exists(tmp_path / "x.zip")
