"""Equivariance: generators of known motion, and alias-free generators with random weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from stylelayers import AliasFreeGenerator, Generator
from stylelayers.functional import bias_act, filtered_lrelu
from stylelayers.layers import alias_free
from stylelayers.metrics.equivariance import eq_r, eq_t, eq_t_frac

SMALL: dict[str, Any] = {"z_dim": 8, "w_dim": 8, "channel_base": 512, "channel_max": 24, "num_layers": 6}


def random_generator(configuration: str) -> AliasFreeGenerator:
    """After one pass that sets the running magnitudes."""
    torch.manual_seed(1)
    generator = AliasFreeGenerator(32, **SMALL, configuration=configuration, magnitude_half_life=1e-3)
    with torch.no_grad():
        generator.train()(torch.randn(4, 8))
    return generator.eval()


class Waves(AliasFreeGenerator):
    """The Fourier features themselves, far from the pixels' highest frequency: they follow every motion exactly."""

    def __init__(self, shift: float = 0.0) -> None:
        super().__init__(32, **SMALL)
        features, wrong = self.synthesis.input, shift

        def forward(ws: Tensor, *, noise: str = "none", transform: Tensor | None = None) -> Tensor:
            images = features(ws[:, 0], transform=transform)[:, :3] / 4
            return images if transform is None else images + wrong

        self.synthesis.forward = forward  # type: ignore[assignment]
        features.sampling = alias_free.Sampling(32, 32, cutoff=16, half_width=1)


@pytest.mark.parametrize(("measure", "least"), [(eq_t, 110), (eq_t_frac, 90), (eq_r, 85)])
def test_exact_motions_are_measured_as_exact(measure: Callable[..., float], least: float) -> None:
    assert measure(Waves(), samples=4) > least


@pytest.mark.parametrize("measure", [eq_t, eq_t_frac, eq_r])
def test_a_known_error_has_its_decibels(measure: Callable[..., float]) -> None:
    """A constant of 0.02 between the images is 10 log10(4 / 0.02²) = 40 dB."""
    assert measure(Waves(shift=0.02), samples=3) == pytest.approx(40, abs=0.3)


def test_random_weights_are_equivariant_and_a_plain_activation_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = random_generator("R")
    options: dict[str, Any] = {"samples": 4, "border": 4}
    filtered = [measure(generator, **options) for measure in (eq_t, eq_t_frac, eq_r)]
    assert filtered[0] > 100 and filtered[1] > 78 and filtered[2] > 70

    def plain(x: Tensor, bias: Tensor, *, slope: float, gain: float, clamp: float, **filters: Any) -> Tensor:
        """The activation before the filters, at the rate of the pixels."""
        y = bias_act(x, bias, activation="lrelu", alpha=slope, gain=gain, clamp=clamp)
        return filtered_lrelu(y, slope=1.0, gain=1.0, **filters)

    monkeypatch.setattr(alias_free, "filtered_lrelu", plain)
    assert eq_t(generator, **options) < filtered[0] - 30
    assert eq_t_frac(generator, **options) < filtered[1] - 8


def test_3x3_convolutions_do_not_turn() -> None:
    generator = random_generator("T")
    assert eq_t(generator, samples=4, border=8) > eq_r(generator, samples=4, border=8) + 15


def test_measuring_changes_nothing_and_depends_on_the_seed_alone() -> None:
    generator = random_generator("R").train()
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    values = [eq_t(generator, samples=3, seed=seed, batch_size=size) for seed, size in ((0, 1), (0, 3), (1, 3))]
    assert values[0] == pytest.approx(values[1], abs=3) and values[0] != pytest.approx(values[2], abs=1e-6)
    assert generator.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "eq_t: samples must be an int of at least 1"),
        ({"border": -1}, "eq_t: border must be an int of at least 0"),
        ({"border": 16, "samples": 1}, "eq_t: no pixel is shown by both images without a border of 16 pixels"),
        ({"max_shift": 0.6}, r"eq_t: max_shift must be a number in \[0, 0.5\]"),
    ],
)
def test_arguments_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        eq_t(Waves(), **options)


def test_a_generator_of_stylegan2_has_no_input_to_move() -> None:
    with pytest.raises(ValueError, match=r"^eq_r: generator must be an AliasFreeGenerator, got Generator$"):
        eq_r(Generator(8, z_dim=4, w_dim=4, channel_base=16))
