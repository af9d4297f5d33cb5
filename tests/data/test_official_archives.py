"""Archives of the official data set tool and class, as black boxes; STYLELAYERS_PEERS is a folder with ``stylegan3/``.

``tests/data/test_archive.py`` and ``test_preparing.py`` need no peer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from stylelayers.data import image_archive
from stylelayers.data.encoded_images import Preparation
from stylelayers.data.opening import open_data
from stylelayers.data.preparing import prepare
from tests.data.pictures import pairs

PEERS = os.environ.get("STYLELAYERS_PEERS")
pytestmark = pytest.mark.skipif(PEERS is None, reason="needs STYLELAYERS_PEERS, a folder with stylegan3/")
KINDS = ("none", "classes", "vectors")
READ = """
import sys
import numpy as np
from training.dataset import ImageFolderDataset
path, resolution, labelled, target = sys.argv[1:]
data = ImageFolderDataset(path=path, resolution=int(resolution), use_labels=labelled == "True")
pairs = [data[index] for index in range(len(data))]
np.savez(target, images=np.stack([each[0] for each in pairs]), labels=np.stack([each[1] for each in pairs]))
"""


def official(*arguments: object) -> None:
    """Run Python in the folder of the official code."""
    environment = {**os.environ, "PYTHONPATH": str(Path(PEERS or "", "stylegan3")), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, *map(str, arguments)], check=True, env=environment, capture_output=True)


def read_officially(path: Path, labelled: bool) -> tuple[np.ndarray, np.ndarray]:
    target = path.with_name("read.npz")
    official("-c", READ, path, 16, labelled, target)
    with np.load(target) as found:
        return found["images"], found["labels"]


def read_by_us(path: Path, kind: Any, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Bytes and labels as the official class gives them: one-hot, or no numbers."""
    module = image_archive(path, labels=kind, resolution=16, image_channels=channels)
    images = torch.stack([image for image, _ in pairs(module)])
    labels = [label for _, label in pairs(module)]
    if kind == "classes":
        rows = torch.nn.functional.one_hot(torch.tensor(labels), module.num_labels)
    else:
        rows = torch.stack([torch.as_tensor(label) for label in labels]) if kind == "vectors" else torch.zeros(5, 0)
    return ((images + 1) * 127.5).round().to(torch.uint8).numpy(), rows.numpy()


def pictures(folder: Path, kind: str, channels: int) -> np.ndarray:
    """Five images of noise with labels."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 16, 16, channels), dtype=np.uint8)
    names = [f"{number}.png" for number in range(5)]
    labels: dict[str, Any] = {"classes": [2, 0, 1, 2, 0], "vectors": [[0.1, number / 3] for number in range(5)]}
    folder.mkdir()
    for name, image in zip(names, pixels, strict=True):
        Image.fromarray(image.squeeze()).save(folder / name)
    if kind in labels:
        told = {"labels": [list(pair) for pair in zip(names, labels[kind], strict=True)]}
        (folder / "dataset.json").write_text(json.dumps(told))
    return pixels.transpose(0, 3, 1, 2)


@pytest.mark.parametrize("target", ["ours.zip", "ours"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_official_class_reads_what_we_prepare(tmp_path: Path, kind: str, channels: int, target: str) -> None:
    pixels = pictures(tmp_path / "images", kind, channels)
    prepare(open_data(str(tmp_path / "images")), tmp_path / target, Preparation(channels=channels))
    images, labels = read_officially(tmp_path / target, kind != "none")
    ours = read_by_us(tmp_path / target, kind, channels)
    assert images.dtype == np.uint8
    for found in (images, ours[0]):
        np.testing.assert_array_equal(found, pixels)
    np.testing.assert_array_equal(labels, ours[1])


@pytest.mark.parametrize("target", ["official.zip", "official"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["none", "classes"])  # the tool writes no vectors
def test_we_read_what_the_official_tool_prepares(tmp_path: Path, kind: str, channels: int, target: str) -> None:
    pixels = pictures(tmp_path / "images", kind, channels)
    tool = Path(PEERS or "", "stylegan3", "dataset_tool.py")
    official(tool, f"--source={tmp_path / 'images'}", f"--dest={tmp_path / target}")
    images, labels = read_officially(tmp_path / target, kind != "none")
    ours = read_by_us(tmp_path / target, kind, channels)
    for found in (images, ours[0]):
        np.testing.assert_array_equal(found, pixels)
    np.testing.assert_array_equal(labels, ours[1])


@pytest.mark.parametrize("form", ["x.zip", "x"])
def test_both_tools_give_the_same_pixels_of_a_crop(tmp_path: Path, form: str) -> None:
    """Theirs resizes to a square with Pillow's Lanczos filter, too."""
    folder = tmp_path / "images"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    for number in range(5):
        Image.fromarray(np.roll(pixels, number)).save(folder / f"{number}.png")
    tool = Path(PEERS or "", "stylegan3", "dataset_tool.py")
    target = tmp_path / f"official_{form}"
    official(tool, f"--source={folder}", f"--dest={target}", "--resolution=16x16", "--transform=center-crop")
    prepare(open_data(str(folder)), tmp_path / form, Preparation(resolution=(16, 16)))
    theirs, ours = (read_by_us(path, "none", 3)[0] for path in (target, tmp_path / form))
    np.testing.assert_array_equal(ours, theirs)
