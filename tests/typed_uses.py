"""What a type checker knows of the public names; mypy reads this file, and nothing runs it.

Names that are imported at first use, and classes under decorators, would be Any without a further error.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from typing_extensions import assert_type

from stylelayers import BiasAct, Discriminator, EqualLinear, Generator
from stylelayers.checkpoints import Description, Networks, describe, load_generator, load_networks, save_generator
from stylelayers.data import ImageDataModule, digits, image_folder
from stylelayers.functional import modulated_conv2d, upfirdn2d
from stylelayers.images import read_picture
from stylelayers.losses import PathLengthPenalty, path_lengths, r1_penalty
from stylelayers.metrics import QualityMeter, QualityReport
from stylelayers.models import MappingNetwork, StyleGenerator, SynthesisNetwork
from stylelayers.testing import check_double_backward
from stylelayers.training import GAN


def layers(x: Tensor) -> None:
    assert_type(EqualLinear(4, 4), EqualLinear)
    assert_type(EqualLinear(4, 4).bias, Tensor | None)
    assert_type(BiasAct(4).activation, str)
    assert_type(upfirdn2d(x, x), Tensor)
    assert_type(modulated_conv2d(x, x, x), Tensor)
    assert_type(r1_penalty(x, x), Tensor)
    assert_type(path_lengths(x, x), Tensor)
    assert_type(PathLengthPenalty().forward(x), Tensor)
    assert_type(check_double_backward(torch.sin, x), None)


def networks() -> None:
    generator = Generator((32, 48), z_dim=64)
    assert_type(generator, Generator)
    assert_type(generator.mapping, MappingNetwork)
    assert_type(generator.synthesis, SynthesisNetwork)
    assert_type(generator.resolution, tuple[int, int])
    assert_type(generator.z_dim, int)
    assert_type(Discriminator(8).num_labels, int)
    assert_type(save_generator(generator, "generator.safetensors"), Path)
    assert_type(load_generator("generator.safetensors"), StyleGenerator)
    assert_type(load_networks("generator.safetensors"), Networks)
    assert_type(describe("generator.safetensors"), Description)


def training(model: GAN, generator: Generator) -> None:
    assert_type(digits(), ImageDataModule)
    assert_type(image_folder("images"), ImageDataModule)
    assert_type(read_picture("picture.png", (8, 8), 3), Tensor)
    assert_type(model.generator, StyleGenerator)
    assert_type(QualityMeter(digits())(generator), QualityReport)
