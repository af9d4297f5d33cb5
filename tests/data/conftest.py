"""A folder of images of all kinds."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.pictures import stripes


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Ten usable images of all kinds, and things that must be ignored."""
    for name in ("a", "b/deep", ".hidden"):
        (tmp_path / name).mkdir(parents=True)
    stripes().save(tmp_path / "a" / "1.PNG")
    stripes(31, 77).save(tmp_path / "a" / "2.jpg", quality=95)
    stripes(30, 30).save(tmp_path / "a" / "3.webp")
    stripes(30, 30).convert("L").save(tmp_path / "a" / "4.png")
    stripes(30, 30).convert("L").save(tmp_path / "a" / "5.JPeG")
    stripes(30, 30).convert("RGBA").save(tmp_path / "b" / "1.webp")
    stripes(30, 30).convert("P").save(tmp_path / "b" / "2.png", transparency=0)
    stripes(30, 30).convert("CMYK").save(tmp_path / "b" / "3.jpg")
    Image.fromarray(np.full((9, 9), 65535, dtype=np.uint16)).save(tmp_path / "b" / "deep" / "4.png")
    Image.new("LA", (5, 5), (0, 0)).save(tmp_path / "b" / "deep" / "5.png")
    stripes().save(tmp_path / ".hidden" / "x.png")
    (tmp_path / "a" / "._1.png").write_bytes(b"not an image")
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    return tmp_path


@pytest.fixture
def hub_is_off(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, and caches that are empty."""
    import datasets
    import huggingface_hub

    caches = tmp_path_factory.mktemp("caches")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", caches / "datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("STYLELAYERS_CACHE", str(caches / "ours"))
