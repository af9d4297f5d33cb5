"""Layers and networks in one floating dtype, called with another: one rule for all of them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stylelayers import Discriminator, EqualConv2d, EqualLinear, Generator, ModulatedConv2d
from stylelayers.losses import logistic_loss, path_lengths, r1_penalty, r1_penalty_vjp
from tests.conftest import randn
from tests.matrix import ROWS, Row
from tests.modes import TOLERANCES, energy

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
MODULES = [row for row in ROWS if row.is_module and row.inputs and not row.name.startswith("losses.")]
HALF, BFLOAT, SINGLE, DOUBLE = DTYPES
PAIRS = [(HALF, SINGLE), (BFLOAT, SINGLE), (BFLOAT, HALF), (SINGLE, BFLOAT), (SINGLE, DOUBLE), (DOUBLE, SINGLE)]
NETWORKS = (  # whose images are float32 at least
    "models.AliasFreeGenerator",
    "models.AliasFreeSynthesis",
    "models.Generator",
    "models.SynthesisNetwork",
)
OWN_DTYPE = ("layers.FourierInput",)  # whose phases need more digits than autocast leaves


def filled(row: Row, held: torch.dtype) -> nn.Module:
    module = row.make(dtype=held).eval()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


def inputs_of(row: Row, given: torch.dtype) -> list[Tensor]:
    return [(randn(row.batch, *shape) / 2).to(given).requires_grad_() for shape in row.inputs]


def has_weight(module: nn.Module) -> bool:
    return any(name.endswith("weight") for name, _ in module.named_parameters())


def two_orders(module: nn.Module, inputs: list[Tensor], options: Any) -> list[Tensor]:
    """The value, its gradient, and the gradient of the gradient's square, with respect to the inputs."""
    value = module(*inputs, **options)
    first = torch.autograd.grad(energy(value.double()), inputs, create_graph=True)
    second = torch.autograd.grad(torch.stack([energy(grad.double()) for grad in first]).sum(), inputs)
    return [value, *first, *second]


def assert_near(found: list[Tensor], expected: list[Tensor], *dtypes: torch.dtype, factor: float = 4) -> None:
    tolerance = max(factor * TOLERANCES.get(dtype, 1e-5) for dtype in dtypes)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.double() - theirs).norm() <= tolerance * theirs.norm() + 1e-3 * tolerance


@pytest.mark.parametrize(("held", "given"), PAIRS, ids=str)
@pytest.mark.parametrize("row", MODULES, ids=str)
def test_products_use_the_dtype_of_weights_and_other_layers_of_inputs(
    row: Row, held: torch.dtype, given: torch.dtype
) -> None:
    module, inputs = filled(row, held), inputs_of(row, given)
    found = two_orders(module, inputs, row.options)
    computed = held if has_weight(module) else given
    assert found[0].dtype == (torch.promote_types(computed, torch.float32) if row.name in NETWORKS else computed)
    assert {tensor.dtype for tensor in found[1:]} == {given}
    exact = [tensor.detach().double().requires_grad_() for tensor in inputs]
    expected = two_orders(deepcopy(module).double(), exact, row.options)
    assert_near(found, expected, held, given, factor=40 if row.name in NETWORKS else 4)  # a value beside a kink


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, marks=pytest.mark.slow if row.name in NETWORKS else ())
        for row in MODULES
        if has_weight(row.make())
    ],
    ids=str,
)
def test_compiled_layers_convert_alike(row: Row) -> None:
    module, inputs = filled(row, torch.bfloat16), inputs_of(row, torch.float32)
    torch._dynamo.reset()
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    found, expected = compiled(*inputs, **row.options), module(*inputs, **row.options)
    assert found.dtype == expected.dtype
    assert_near([found], [expected.double()], torch.bfloat16)


@pytest.mark.parametrize("row", [row for row in MODULES if has_weight(row.make())], ids=str)
def test_autocast_goes_before_it_but_for_float64(row: Row) -> None:
    inputs = inputs_of(row, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        narrow = [filled(row, held)(*inputs, **row.options).dtype for held in (torch.float32, torch.bfloat16)]
        wide = torch.float32 if row.name in (*NETWORKS, *OWN_DTYPE) else torch.bfloat16
        assert narrow == [wide, torch.float32 if row.name in NETWORKS else torch.bfloat16]
        assert filled(row, torch.float64)(*inputs, **row.options).dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
def test_a_discriminator_judges_what_a_generator_of_its_dtype_makes(architecture: str, dtype: torch.dtype) -> None:
    options: dict[str, Any] = {"channel_base": 64, "architecture": architecture, "num_labels": 3}
    generator = Generator(16, z_dim=8, w_dim=8, mapping_layers=2, **options).to(dtype)
    discriminator = Discriminator(16, label_layers=2, **options).to(dtype)
    z, labels = torch.randn(4, 8), torch.arange(4) % 3
    real = torch.randn(4, 3, 16, 16, requires_grad=True)
    real_logits = discriminator(real, labels)
    assert real_logits.dtype == dtype
    ws = generator.mapping(z.to(dtype), labels)
    lengths = path_lengths(generator.synthesis(ws), ws)
    loss = logistic_loss(real_logits, discriminator(generator(z, labels, truncation_psi=0.7), labels))
    penalties = r1_penalty(real_logits, real) + r1_penalty_vjp(discriminator, real.detach(), labels)
    (loss + penalties + (lengths - 1).square().mean()).backward()
    parameters = [*generator.synthesis.parameters(), *discriminator.parameters()]
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in parameters)


def test_numbers_that_are_not_floating_are_refused_by_the_layer() -> None:
    image, latent = torch.ones(1, 2, 4, 4, dtype=torch.uint8), torch.ones(1, 2, dtype=torch.int64)
    for call, message in (
        (lambda: EqualLinear(2, 2).half()(latent), "EqualLinear: .* torch.float16 of the weight, got torch.int64"),
        (lambda: EqualConv2d(2, 2, 3)(image), "EqualConv2d: .* torch.float32 of the weight, got torch.uint8"),
        (lambda: ModulatedConv2d(2, 2, 3, 2)(image, latent.float()), "ModulatedConv2d: .* got torch.uint8"),
        (lambda: ModulatedConv2d(2, 2, 3, 2)(image.float(), latent), "EqualLinear: .* got torch.int64"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
