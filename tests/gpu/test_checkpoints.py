"""Files of every kind, loaded onto a CUDA device and written from one: the images of the CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stylelayers import Discriminator, Generator
from stylelayers.checkpoints import load_generator, save_generator, save_pytorch_port
from tests.checkpoints.test_stylegan2 import GOLDEN_FILE
from tests.conftest import GPU

pytestmark = pytest.mark.gpu


def on_gpu() -> Generator:
    return Generator(16, z_dim=8, w_dim=8, channel_base=64, mapping_layers=2).to(GPU)


def port_file(path: Path) -> Path:
    save_pytorch_port(path, on_gpu(), Discriminator(16, channel_base=64).to(GPU))
    return path


FILES: dict[str, Callable[[Path], Path]] = {
    "generator file": lambda path: save_generator(on_gpu(), path),
    "port": port_file,
    "official pickle": lambda path: GOLDEN_FILE,
}


@pytest.mark.parametrize("kind", FILES)
@torch.no_grad()
def test_a_loaded_generator_makes_the_images_of_the_cpu(kind: str, tmp_path: Path) -> None:
    path = FILES[kind](tmp_path / "file")
    here, there = load_generator(path), load_generator(path, device=GPU)
    assert {tensor.device.type for tensor in there.state_dict().values()} == {GPU.type}
    z = torch.randn(3, here.z_dim)
    images = there(z.to(GPU), noise="const", truncation_psi=0.7).cpu()
    torch.testing.assert_close(images, here(z, noise="const", truncation_psi=0.7), rtol=1e-3, atol=1e-3)
