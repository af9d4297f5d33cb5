"""Fourier features: the published formulas one wave at a time, motions of the image, the law of the frequencies."""

from __future__ import annotations

from functools import partial
from math import pi, sqrt

import pytest
import torch
from torch import Tensor, nn

from stylelayers import FourierInput
from stylelayers.layers import Sampling, motion
from tests.conftest import Case, Law, assert_same, every_law, randn

SAMPLING = Sampling((6, 8), 8, cutoff=2.0, half_width=2.0)
CASES = {
    "FourierInput": Case(
        partial(FourierInput, 3, 5, SAMPLING),
        [(5,)],
        ("weight", "frequencies", "phases", "transform", "affine.weight", "affine.bias"),
        ("3, latent_dim=5", "rate=8"),
    )
}


@every_law(CASES)
def test_modules_follow_the_layer_laws(law: Law, case: Case) -> None:
    law(case)


def layer_with_motions(channels: int = 4) -> FourierInput:
    layer = FourierInput(channels, 5, SAMPLING, dtype=torch.float64)
    nn.init.normal_(layer.affine.weight)
    nn.init.normal_(layer.affine.bias)  # type: ignore[arg-type]
    return layer


def published_features(layer: FourierInput, latent: Tensor, transform: Tensor) -> Tensor:
    """One pixel and one wave at a time, at positions in cycles of the waves."""
    (height, width), rate, cutoff = layer.sampling.size, layer.sampling.rate, layer.sampling.cutoff
    waves = torch.zeros(len(latent), layer.num_channels, height, width, dtype=latent.dtype)
    for sample, (c, s, x, y) in enumerate(layer.affine(latent).detach()):
        length = torch.hypot(c, s)
        c, s, x, y = (value / length for value in (c, s, x, y))
        turn = torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=latent.dtype)
        shift = torch.tensor([[1, 0, -x], [0, 1, -y], [0, 0, 1]], dtype=latent.dtype)
        matrix = turn @ shift @ transform
        for channel in range(layer.num_channels):
            frequency = layer.frequencies[channel] @ matrix[:2, :2]
            phase = layer.phases[channel] + layer.frequencies[channel] @ matrix[:2, 2]
            amplitude = (1 - (frequency.norm() - cutoff) / (rate / 2 - cutoff)).clamp(0, 1)
            for row in range(height):
                for column in range(width):
                    across = ((column + 0.5) / width * 2 - 1) * width / (2 * rate)
                    along = ((row + 0.5) / height * 2 - 1) * height / (2 * rate)
                    cycles = frequency[0] * across + frequency[1] * along + phase
                    waves[sample, channel, row, column] = torch.sin(2 * pi * cycles) * amplitude
    return torch.einsum("oc,nchw->nohw", layer.weight.detach(), waves) / sqrt(layer.num_channels)


def test_features_are_the_published_ones() -> None:
    layer, latent = layer_with_motions(), randn(2, 5)
    layer.transform.copy_(randn(3, 3))  # scales too, so that amplitudes between 0 and 1 occur
    assert_same(layer(latent), published_features(layer, latent, layer.transform))


def test_a_transform_of_a_call_stands_in_for_the_buffer() -> None:
    layer, latent = layer_with_motions(), randn(2, 5)
    moves = torch.stack([motion(0.1, -0.2, 0.3), motion(-0.05)])
    each = layer(latent, transform=moves)
    for index, move in enumerate(moves):
        assert_same(each[index], layer(latent, transform=move)[index])
        layer.transform.copy_(move)
        assert_same(each[index], layer(latent)[index])


@pytest.mark.parametrize(("right", "down"), [(2, 0), (0, 1), (-3, 2)])
def test_a_motion_moves_the_features(right: int, down: int) -> None:
    layer, latent = FourierInput(4, 5, SAMPLING, dtype=torch.float64), randn(1, 5)
    moved = layer(latent, transform=motion(right / 8, down / 8))
    rolled = layer(latent).roll((down, right), (2, 3))
    top, bottom, left, right = max(down, 0), 6 + min(down, 0), max(right, 0), 8 + min(right, 0)
    assert_same(moved[..., top:bottom, left:right], rolled[..., top:bottom, left:right])


def test_a_quarter_turn_is_counter_clockwise() -> None:
    layer, latent = FourierInput(4, 5, Sampling(6, 8, 2.0, 2.0), dtype=torch.float64), randn(1, 5)
    assert_same(layer(latent, transform=motion(turn=pi / 2)), layer(latent).rot90(1, (2, 3)))


def test_a_new_layer_neither_turns_nor_shifts() -> None:
    layer = FourierInput(4, 5, SAMPLING)
    assert torch.equal(layer(torch.randn(1, 5)), layer(torch.randn(1, 5)))
    assert torch.equal(layer.transform, torch.eye(3))


def test_frequencies_are_uniform_over_a_disc_and_phases_over_a_cycle() -> None:
    torch.manual_seed(1)
    layer = FourierInput(4000, 1, SAMPLING)
    areas = (layer.frequencies.norm(dim=1) / SAMPLING.cutoff).square()  # uniform in [0, 1]
    angles = torch.atan2(*layer.frequencies.unbind(1)) / (2 * pi) + 0.5
    for uniform in (areas, angles, layer.phases + 0.5):
        ranked = uniform.sort().values
        assert ranked[0] >= 0 and ranked[-1] <= 1
        assert (ranked - torch.linspace(0, 1, 4000)).abs().max() < 0.03  # Kolmogorov-Smirnov at 0.1 %


def test_half_precision_keeps_the_phases() -> None:
    layer, latent = layer_with_motions().float(), torch.randn(2, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_same(layer(latent), layer(latent.double()).float(), 1e-5)


@pytest.mark.parametrize(
    ("latent", "transform", "message"),
    [
        ((2, 4), None, r"latent must be \(N, 5\), got \(2, 4\)"),
        ((2, 5), (2, 2), r"transform must be \(3, 3\) or \(2, 3, 3\), got \(2, 2\)"),
        ((2, 5), (3, 3, 3), r"transform must be \(3, 3\) or \(2, 3, 3\), got \(3, 3, 3\)"),
    ],
)
def test_inputs_that_do_not_fit(latent: tuple[int, ...], transform: tuple[int, ...] | None, message: str) -> None:
    given = None if transform is None else torch.ones(transform)
    with pytest.raises(ValueError, match=f"^FourierInput: {message}"):
        FourierInput(3, 5, SAMPLING)(torch.randn(latent), transform=given)
