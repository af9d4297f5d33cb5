"""DiffAugment: how far and how often each operation goes, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stylelayers.augment import DiffAugment
from stylelayers.losses import r1_penalty, r1_penalty_vjp

OFF: dict[str, Any] = {"brightness": 0.0, "saturation": 0.0, "contrast": 0.0}


def color(**strength: float) -> DiffAugment:
    return DiffAugment(("color",), **{**OFF, **strength})


@pytest.mark.parametrize("p", [0.0, torch.tensor(0.0)], ids=["number", "tensor"])
def test_probability_zero_and_evaluation_are_the_identity(p: Any) -> None:
    x = torch.randn(4, 3, 8, 8)
    assert DiffAugment()(x, p) is x
    assert DiffAugment().eval()(x, 1.0) is x


def test_unknown_zero_probability_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stylelayers.augment.diffaugment.is_known_zero", lambda p: False)
    x = torch.randn(64, 3, 8, 8)
    assert torch.equal(DiffAugment()(x, torch.tensor(0.0)), x)
    assert not torch.equal(DiffAugment()(x, torch.tensor(0.1)), x)


@pytest.mark.parametrize("policy", ["color", "translation", "cutout"])
def test_operations_are_applied_with_their_probability(policy: str) -> None:
    x = torch.randn(4000, 1, 8, 8)
    strengths: dict[str, Any] = {**OFF, "contrast": 0.5} if policy == "color" else {}
    changed = (DiffAugment((policy,), translation=1.0, **strengths)(x, 0.3) != x).flatten(1).any(1)
    assert abs(float(changed.float().mean()) - 0.3) < 0.04  # five deviations, a little more for shifts by nothing


def test_ranges_are_those_of_the_paper() -> None:
    torch.manual_seed(0)
    x = torch.randn(2000, 3, 4, 4)
    offset = (color(brightness=0.5)(x) - x).mean((1, 2, 3))
    assert -0.5 <= offset.min() < -0.48
    assert 0.48 < offset.max() <= 0.5
    for name, low, high, about in (("contrast", 0.5, 1.5, (1, 2, 3)), ("saturation", 0.0, 2.0, (1,))):
        y = color(**{name: high - 1})(x)
        before, after = (z - z.mean(about, keepdim=True) for z in (x, y))
        spread = after.flatten(1).norm(dim=1) / before.flatten(1).norm(dim=1)
        torch.testing.assert_close(y.mean(about), x.mean(about), atol=1e-5, rtol=1e-5)
        assert abs(float(spread.min()) - low) < 0.01
        assert abs(float(spread.max()) - high) < 0.01


@pytest.mark.parametrize("channels", [2, 4])
def test_color_operations_keep_alpha(channels: int) -> None:
    x = torch.randn(50, channels, 4, 4)
    y = DiffAugment(("color",))(x)
    assert torch.equal(y[:, -1], x[:, -1])
    assert not torch.equal(y[:, :-1], x[:, :-1])


def test_other_channels_work_without_color() -> None:
    x = torch.randn(4, 5, 8, 8)
    assert DiffAugment(("translation", "cutout"))(x).shape == x.shape
    with pytest.raises(ValueError, match=r"images must have 1 .* channels, got 5; leave 'color' out of the policy"):
        DiffAugment()(x)


def test_shifts_are_whole_pixels_up_to_an_eighth_of_each_side() -> None:
    x = torch.zeros(2000, 1, 16, 24)
    x[:, :, 8, 12] = 1
    y = DiffAugment(("translation",))(x).nonzero()
    assert len(y) == 2000
    assert {row - 8 for row in y[:, 2].tolist()} == {-2, -1, 0, 1, 2}
    assert {column - 12 for column in y[:, 3].tolist()} == {-3, -2, -1, 0, 1, 2, 3}


def test_cutout_removes_half_of_each_side_around_any_pixel() -> None:
    cut = DiffAugment(("cutout",), fill=-1.0)(torch.ones(3000, 1, 8, 12)) == -1
    heights, widths = cut.any(3).sum(2), cut.any(2).sum(2)
    assert (heights.max(), heights.min()) == (4, 2)
    assert (widths.max(), widths.min()) == (6, 3)
    assert torch.equal(cut.sum((2, 3)), heights * widths)
    assert cut.flatten(1).any(0).all()


def test_seeds_repeat_and_samples_differ() -> None:
    x, augment = torch.randn(1, 3, 8, 8).expand(4, -1, -1, -1), DiffAugment()
    torch.manual_seed(5)
    first = augment(x)
    torch.manual_seed(5)
    assert torch.equal(augment(x), first)
    assert not torch.equal(augment(x), first)
    assert not torch.equal(first[0], first[1])


def test_r1_is_taken_before_augmentation() -> None:
    critic = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(4 * 36, 1)).double()
    x, augment = torch.randn(3, 1, 8, 8, dtype=torch.float64, requires_grad=True), DiffAugment()

    def penalties() -> list[Tensor]:
        found = []
        for form in (
            lambda: r1_penalty(critic(augment(x)), x),
            lambda: r1_penalty_vjp(lambda y: critic(augment(y)), x),
        ):
            torch.manual_seed(2)
            found.append(form())
        return found

    live, functional = penalties()
    torch.testing.assert_close(live, functional)
    torch.manual_seed(2)
    jacobian = torch.autograd.functional.jacobian(lambda y: critic(augment(y)).sum(), x)  # the same draws
    torch.testing.assert_close(live, jacobian.square().sum() / 3)
    weight = next(critic.parameters())
    (found,) = torch.autograd.grad(live, weight)
    step = 1e-6 * torch.randn_like(weight)
    with torch.no_grad():
        ends = []
        for sign in (1, -2):
            weight.add_(step, alpha=sign)
            with torch.enable_grad():
                ends.append(penalties()[0].detach())
    torch.testing.assert_close((found * step).sum() * 2, ends[0] - ends[1], rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policy": ("colour",)}, "DiffAugment: policy must be among color, translation, cutout, got colour"),
        ({"brightness": -0.1}, r"DiffAugment: brightness must be a number in \[0, 1\], got -0.1"),
        ({"cutout": 2}, r"DiffAugment: cutout must be a number in \[0, 1\], got 2"),
        ({"padding_mode": "wrap"}, "padding_mode must be one of zeros, reflect, replicate, constant, got 'wrap'"),
    ],
)
def test_bad_options_raise(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DiffAugment(**options)


def test_bad_images_raise() -> None:
    with pytest.raises(ValueError, match=r"DiffAugment: images must be floating-point \(N, C, H, W\)"):
        DiffAugment()(torch.zeros(2, 3, 8))
