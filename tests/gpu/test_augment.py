"""Augmentations on a CUDA device: the CPU's images for the same random numbers, both orders, no change at p = 0."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from stylelayers.augment import GROUPS, AdaptiveAugment, AugmentPipeline, DiffAugment
from tests.conftest import GPU, channels_last
from tests.gpu.drawing import DrawnOnTheCPU
from tests.modes import all_near, orders

pytestmark = pytest.mark.gpu
AUGMENTATIONS = {**{group: AugmentPipeline((group,)) for group in GROUPS}, "DiffAugment": DiffAugment()}


def seeded(augment: nn.Module, images: Tensor) -> Tensor:
    torch.manual_seed(3)
    with DrawnOnTheCPU():
        result: Tensor = augment(images, 0.8)
    return result


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_images_and_both_orders_are_those_of_the_cpu(name: str, layout: torch.memory_format) -> None:
    augment, images = AUGMENTATIONS[name], torch.randn(6, 3, 16, 16, dtype=torch.float64)
    here = orders(lambda x: seeded(augment, x), [images.requires_grad_()])
    leaf = images.detach().to(GPU).requires_grad_()
    there = orders(lambda x: seeded(augment, x.contiguous(memory_format=layout)), [leaf])
    assert not torch.equal(here[0][0], images)
    all_near([[tensor.cpu() for tensor in order] for order in there], here, 1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_probability_zero_changes_no_bit_and_one_keeps_images_finite(name: str, dtype: torch.dtype) -> None:
    augment, images = AUGMENTATIONS[name], channels_last(torch.randn(6, 3, 16, 16)).to(GPU, dtype)
    assert torch.equal(augment(images, torch.zeros((), device=GPU)), images)
    changed = augment(images, torch.ones((), device=GPU))
    assert (changed.dtype, changed.device) == (images.dtype, images.device)
    assert changed.isfinite().all()


def test_the_probability_adapts_as_on_the_cpu() -> None:
    here = AdaptiveAugment(interval=2, speed=50, p=0.2)
    there = AdaptiveAugment(interval=2, speed=50, p=0.2).to(GPU)
    for logits in torch.randn(6, 8, 1) + 1:
        here.update(logits)
        there.update(logits.to(GPU))
        assert there(torch.randn(4, 3, 8, 8).to(GPU)).isfinite().all()
        torch.testing.assert_close([tensor.cpu() for tensor in there.buffers()], list(here.buffers()))
    assert here.p != 0.2
