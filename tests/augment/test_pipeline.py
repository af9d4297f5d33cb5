"""ADA's pipeline: how often and how far each operation goes, what stays as it is, and its derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stylelayers.augment import GROUPS, STRENGTHS, AdaptiveAugment, AugmentPipeline, DiffAugment
from stylelayers.losses import r1_penalty, r1_penalty_vjp

OPERATIONS = [(group, name) for group in GROUPS for name in GROUPS[group]]
NOTICED = {"flip": 0.5, "turn": 0.75, "luma_flip": 0.5}  # the share of the chosen that change


def only(group: str, name: str, **options: Any) -> AugmentPipeline:
    return AugmentPipeline((group,), probabilities={other: float(other == name) for other in GROUPS[group]}, **options)


def seeded(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The same random numbers at every call."""

    def call(x: Tensor) -> Tensor:
        torch.manual_seed(4)
        return function(x)

    return call


@pytest.mark.parametrize(("group", "name"), OPERATIONS)
def test_operations_are_applied_with_their_probability(group: str, name: str) -> None:
    x = torch.randn(3000, 3, 8, 8)
    torch.manual_seed(1)
    changed = (only(group, name)(x, torch.tensor(0.4)) != x).flatten(1).any(1)
    share = 0.4 * NOTICED.get(name, 1.0) * (0.75 if name == "translate" else 1)
    assert abs(float(changed.float().mean()) - share) < 0.045  # five deviations


@pytest.mark.parametrize("group", GROUPS)
def test_probability_zero_changes_no_bit(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, augment = torch.randn(16, 3, 8, 8), AugmentPipeline((group,))
    assert augment(x, 0.0) is x
    assert augment(x, torch.tensor(0.0)) is x
    assert augment.eval()(x, 1.0) is x
    monkeypatch.setattr("stylelayers.augment.pipeline.is_known_zero", lambda p: False)  # as on a GPU
    assert torch.equal(augment.train()(x, torch.tensor(0.0)), x)
    assert not torch.equal(augment(x, torch.tensor(1.0)), x)


def test_operation_probabilities_are_factors_of_p() -> None:
    x = torch.randn(3000, 1, 4, 4)
    changed = (
        AugmentPipeline("color", probabilities={**dict.fromkeys(GROUPS["color"], 0.0), "contrast": 0.5})(x, 0.6) != x
    )
    assert abs(float(changed.flatten(1).any(1).float().mean()) - 0.3) < 0.045


@pytest.mark.parametrize(
    ("name", "measure", "expected"),
    [
        ("brightness", lambda x, y: (y - x).mean((1, 2, 3)), 0.2),
        ("contrast", lambda x, y: (y.std((1, 2, 3)) / x.std((1, 2, 3))).log2(), 0.5),
        (
            "saturation",
            lambda x, y: ((y - y.mean(1, True)).std((1, 2, 3)) / (x - x.mean(1, True)).std((1, 2, 3))).log2(),
            1.0,
        ),
    ],
)
@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_strengths_are_standard_deviations(name: str, measure: Any, expected: float, factor: float) -> None:
    x = torch.randn(4000, 3, 4, 4)
    strengths = None if factor == 1 else {name: expected * factor}
    values = measure(x, only("color", name, strengths=strengths)(x))
    assert abs(float(values.mean())) < 0.06
    assert abs(float(values.std()) / (expected * factor) - 1) < 0.06


def test_whole_pixel_shifts_scale_with_each_side() -> None:
    x = torch.zeros(2000, 1, 16, 24)
    x[:, :, 8, 12] = 1
    places = only("blit", "translate", padding_mode="constant")(x).nonzero()
    assert {row - 8 for row in places[:, 2].tolist()} == {-2, -1, 0, 1, 2}
    assert {column - 12 for column in places[:, 3].tolist()} == {-3, -2, -1, 0, 1, 2, 3}


def test_fractional_shifts_scale_with_each_side() -> None:
    x = torch.zeros(2000, 1, 32, 48)
    x[:, :, 14:18, 22:26] = 1
    y = only("geometric", "shift", strengths={"shift": 0.05}, padding_mode="constant")(x)
    for dim, size in ((2, 32), (3, 48)):
        profile = y.sum(5 - dim)[:, 0]
        centre = (profile * torch.arange(size)).sum(1) / profile.sum(1)
        assert abs(float(centre.mean()) - (size - 1) / 2) < 0.25
        assert abs(float(centre.std()) / (0.05 * size) - 1) < 0.08


def test_rectangles_and_any_channels_pass_blit_and_geometric() -> None:
    x = torch.randn(5, 5, 6, 9)
    assert AugmentPipeline(("blit", "geometric", "filter", "corrupt"))(x).shape == x.shape
    with pytest.raises(ValueError, match=r"images must have 1 .* channels, got 5; leave 'color' out of .* the groups"):
        AugmentPipeline()(x)


@pytest.mark.parametrize("name", GROUPS["color"])
@pytest.mark.parametrize("channels", [2, 4])
def test_color_operations_keep_alpha(name: str, channels: int) -> None:
    x = torch.randn(50, channels, 4, 4)
    augment = seeded(only("color", name))
    y = augment(x)
    assert torch.equal(y[:, -1], x[:, -1])
    assert torch.equal(y[:, :-1], augment(x[:, :-1]))
    assert torch.allclose(y, x, atol=1e-6) == (channels == 2 and name in ("hue", "saturation"))


@pytest.mark.parametrize("name", GROUPS["corrupt"])
def test_noise_and_cutout_change_alpha_too(name: str) -> None:
    x = torch.full((50, 4, 8, 8), 0.5)
    changed = (only("corrupt", name)(x) != x).flatten(2).any(2)
    assert changed.any()
    assert torch.equal(changed[:, 3], changed[:, 0])


def test_empty_batches_pass() -> None:
    x = torch.zeros(0, 3, 8, 8, requires_grad=True)
    y = AugmentPipeline(tuple(GROUPS))(x)
    assert y.shape == x.shape
    y.sum().backward()


def test_grey_images_stay_grey_under_color_operations() -> None:
    x = torch.randn(50, 1, 4, 4).expand(-1, 3, -1, -1)
    y = AugmentPipeline("color")(x)
    torch.testing.assert_close(y, y.mean(1, keepdim=True).expand_as(y), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("channels", [1, 3])
def test_first_and_second_derivatives_match_finite_differences(group: str, channels: int) -> None:
    x = torch.randn(3, channels, 4, 4, dtype=torch.float64, requires_grad=True)
    call = seeded(lambda x: AugmentPipeline((group,))(x, 0.8).square())
    assert torch.autograd.gradcheck(call, x)
    assert torch.autograd.gradgradcheck(call, x)


def critic() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(4 * 16, 1)).double()


def test_r1_through_augmentation_matches_finite_differences() -> None:
    network, augment = critic(), AugmentPipeline(tuple(GROUPS))
    x = torch.randn(2, 1, 6, 6, dtype=torch.float64, requires_grad=True)
    logits = seeded(lambda y: network(augment(y)))

    def slow() -> Tensor:
        """The mean squared norm of central differences of the summed logits."""
        total, eps = torch.zeros((), dtype=torch.float64), 1e-4
        for place in range(x.numel()):
            step = torch.zeros_like(x).flatten().index_fill(0, torch.tensor(place), eps).view_as(x)
            total = total + ((logits(x.detach() + step).sum() - logits(x.detach() - step).sum()) / (2 * eps)) ** 2
        return total / len(x)

    weights = list(network.parameters())[:2]
    expected = torch.autograd.grad(value := slow(), weights)
    for penalty in (r1_penalty(logits(x), x), r1_penalty_vjp(logits, x)):
        torch.testing.assert_close(penalty, value, rtol=1e-6, atol=0)
        for found, wanted in zip(torch.autograd.grad(penalty, weights), expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_autocast_keeps_dtype_and_approximate_values(dtype: torch.dtype) -> None:
    augment, x = AugmentPipeline(), torch.randn(8, 3, 8, 8)
    exact = seeded(augment)(x)
    with torch.autocast("cpu", torch.bfloat16):
        found = seeded(augment)(x.to(dtype))
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), exact, atol=1e-5 if dtype == torch.float32 else 0.3, rtol=0.05)


def test_seeds_repeat_and_samples_differ() -> None:
    x, augment = torch.randn(1, 3, 8, 8).expand(4, -1, -1, -1), AugmentPipeline()
    first = seeded(augment)(x)
    assert torch.equal(seeded(augment)(x), first)
    assert not torch.equal(augment(x), first)
    assert not torch.equal(first[0], first[1])


@pytest.mark.skipif(torch.__version__ < "2.11", reason="torch 2.6 compiles no torch.func.vjp of a lambda")
def test_compiling_in_one_graph_keeps_the_values() -> None:
    augment, network = AugmentPipeline(tuple(GROUPS)), critic()
    x, p = torch.randn(2, 1, 6, 6, dtype=torch.float64), torch.tensor(0.7)

    def penalty(x: Tensor, p: Tensor) -> Tensor:
        return r1_penalty_vjp(lambda y: network(augment(y, p)), x)

    torch._dynamo.reset()
    compiled = torch.compile(penalty, fullgraph=True, backend="aot_eager")
    expected, found = seeded(lambda x: penalty(x, p))(x), seeded(lambda x: compiled(x, p))(x)
    torch.testing.assert_close(found, expected)
    weights = list(network.parameters())[:2]
    for ours, theirs in zip(*(torch.autograd.grad(value, weights) for value in (found, expected)), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*torch.jit.trace.*deprecated")
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(
    "augment",
    [AdaptiveAugment(AugmentPipeline(("blit", "color", "corrupt")), p=0.7), DiffAugment()],
    ids=lambda augment: type(augment).__name__,
)
def test_traces_take_other_batch_sizes(augment: nn.Module, channels: int) -> None:
    trace = torch.jit.trace(augment, (torch.randn(2, channels, 8, 8),), check_trace=False)
    x = torch.randn(5, channels, 8, 8)
    torch.testing.assert_close(seeded(trace)(x), seeded(augment)(x))


@pytest.mark.parametrize("group", GROUPS)
def test_ensemble_members_draw_separately(group: str) -> None:
    x = torch.randn(3, 4, 3, 8, 8)
    made = torch.vmap(AugmentPipeline((group,)), randomness="different")(x)
    assert made.shape == x.shape
    assert all((made[i] != x[i]).any() for i in range(3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": ("blit", "colour")}, "AugmentPipeline: groups must be among blit, .*got blit, colour"),
        ({"probabilities": {"noise": 0.5}}, "AugmentPipeline: probabilities must be among flip, .*got noise"),
        ({"probabilities": {"flip": 1.5}}, r"probabilities.flip must be a number in \[0, 1\], got 1.5"),
        ({"strengths": {"flip": 1.0}}, "AugmentPipeline: strengths must be among translate"),
        ({"strengths": {"scale": -1}}, "strengths.scale must be a number of at least 0, got -1"),
        ({"strengths": {"scale": "a"}}, "strengths.scale must be a number of at least 0, got 'a'"),
        ({"padding_mode": "wrap"}, "padding_mode must be one of zeros, reflect, replicate, constant, got 'wrap'"),
    ],
)
def test_bad_options_raise(options: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AugmentPipeline(**options)


def test_bad_images_raise_and_names_are_listed() -> None:
    with pytest.raises(ValueError, match=r"AugmentPipeline: images must be floating-point \(N, C, H, W\)"):
        AugmentPipeline()(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
    assert "blit, color, probabilities={'turn': 0.0}" in repr(
        AugmentPipeline(("blit", "color"), probabilities={"turn": 0})
    )
    assert set(STRENGTHS) == {name for _, name in OPERATIONS} - {"flip", "turn", "luma_flip"}
