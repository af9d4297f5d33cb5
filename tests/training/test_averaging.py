"""The averaged generator: its half-life in images, its ramp-up, and what is copied rather than averaged."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stylelayers.models import StyleGenerator
from stylelayers.training import AveragedGenerator
from tests.training.tiny import tiny_gan


def pair(**options: Any) -> tuple[StyleGenerator, AveragedGenerator]:
    """A generator whose parameters are 1 everywhere, and an average that begins at 0."""
    generator = tiny_gan().generator
    average = AveragedGenerator(generator, **options)
    with torch.no_grad():
        for new, old in zip(generator.parameters(), average.module.parameters(), strict=True):
            new.fill_(1.0)
            old.zero_()
    return generator, average


def value(average: AveragedGenerator) -> float:
    """The value that all parameters share."""
    values = torch.cat([p.flatten() for p in average.module.parameters()]).unique()
    assert values.max() - values.min() < 1e-6
    return values[0].item()


@pytest.mark.parametrize("batch", [1, 4, 10, 100])
def test_after_the_half_life_the_average_is_half_way(batch: int) -> None:
    generator, average = pair(half_life=100, rampup=None)
    for seen in range(batch, 101, batch):
        average.update(generator, batch, seen)
    assert value(average) == pytest.approx(0.5, abs=1e-5)
    average.update(generator, 100, 200)
    assert value(average) == pytest.approx(0.75, abs=1e-5)


@pytest.mark.parametrize(
    ("images_seen", "half_life"),
    [(8, 0.4), (80, 4.0), (1000, 50.0), (2000, 100.0), (100_000, 100.0)],
)
def test_ramp_up_shortens_the_half_life_to_a_share_of_the_images_seen(images_seen: int, half_life: float) -> None:
    generator, average = pair(half_life=100, rampup=0.05)
    average.update(generator, 8, images_seen)
    assert value(average) == pytest.approx(1 - 0.5 ** (8 / half_life), abs=1e-6)


def test_buffers_are_copied() -> None:
    generator, average = pair(half_life=1e6, rampup=None)
    with torch.no_grad():
        for buffer in generator.buffers():
            buffer.add_(1.0)
    average.update(generator, 1, 1)
    assert value(average) < 0.01
    names = [name for name, _ in generator.named_buffers()]
    assert any("w_mean" in name for name in names)
    assert any("noise" in name for name in names)
    for (name, ours), theirs in zip(average.module.named_buffers(), generator.buffers(), strict=True):
        assert torch.equal(ours, theirs), name
        assert ours.data_ptr() != theirs.data_ptr(), name


def test_it_is_an_untrained_copy_that_stays_in_evaluation_mode() -> None:
    model = tiny_gan()
    generator, average = model.generator, model.average.module
    ours = {p.data_ptr() for p in average.parameters()}
    torch.testing.assert_close(dict(average.state_dict()), dict(generator.state_dict()), rtol=0.0, atol=0.0)
    assert ours.isdisjoint(p.data_ptr() for p in generator.parameters())
    for mode in (True, False, True):
        model.train(mode)
        assert generator.training == mode
        assert not any(module.training for module in model.average.modules())
    assert not any(p.requires_grad for p in average.parameters())
    assert not any(name.startswith("generator") for name, _ in model.average.named_modules())
    mean = average.mapping.w_mean
    assert mean is not None
    before = mean.clone()
    average(torch.randn(2, 4))
    assert torch.equal(mean, before)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"half_life": 0}, "half_life"),
        ({"half_life": -1.0}, "half_life"),
        ({"half_life": 1.0, "rampup": 0.0}, "rampup"),
        ({"half_life": float("nan")}, "half_life"),
    ],
)
def test_bad_values_name_their_argument(options: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=f"AveragedGenerator: {name} must be a number above 0, got"):
        AveragedGenerator(tiny_gan().generator, **options)
