"""The blur that fades: its filter, its course, derivatives, and that it is compiled once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from stylelayers.augment import FadingBlur
from stylelayers.losses import r1_penalty


def test_a_point_becomes_the_gaussian_of_three_standard_deviations() -> None:
    blur = FadingBlur(2.0)
    image = torch.zeros(1, 1, 41, 41)
    image[0, 0, 20, 20] = 1
    taps = np.exp(-(np.arange(-6, 7) ** 2) / 8)
    expected = np.zeros((41, 41))
    expected[14:27, 14:27] = np.outer(taps, taps) / taps.sum() ** 2
    np.testing.assert_allclose(blur(image)[0, 0], expected, atol=1e-7)


def test_it_is_the_convolution_inside_and_keeps_constants_at_the_border() -> None:
    blur, images = FadingBlur(1.5), torch.randn(2, 3, 20, 26)
    taps = torch.exp(-(torch.arange(-4.0, 5.0) ** 2) / 4.5)
    kernel = (taps[:, None] * taps / taps.sum() ** 2).expand(3, 1, 9, 9)
    expected = nn.functional.conv2d(images, kernel, groups=3)
    torch.testing.assert_close(blur(images)[..., 4:-4, 4:-4], expected)
    torch.testing.assert_close(blur(torch.full((1, 1, 5, 70), 0.3)), torch.full((1, 1, 5, 70), 0.3))


def test_it_fades_with_the_images_seen_and_holds_no_state() -> None:
    blur, images = FadingBlur(10.0, images=1000), torch.randn(1, 1, 16, 16)
    course = []
    for seen in (0, 250, 900, 966, 967, 1000, 10**9):
        blur.fade(seen)
        course.append((round(float(blur.sigma), 3), blur(images) is images))
    assert course == [(10, False), (7.5, False), (1, False), (0.34, False), (0.33, True), (0, True), (0, True)]
    assert blur.state_dict() == {}
    assert repr(blur) == "FadingBlur(10, images=1000)"
    assert FadingBlur(0.0)(images) is images


def test_derivatives_of_every_order() -> None:
    blur = FadingBlur(0.7).double()
    images = torch.randn(2, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(blur, images)
    assert torch.autograd.gradgradcheck(blur, images)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_rounds_the_result_alone(dtype: torch.dtype) -> None:
    blur, images = FadingBlur(1.0), torch.randn(2, 1, 9, 9)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(blur(images), blur(images.double()).float())
    torch.testing.assert_close(blur(images.to(dtype)), blur(images.to(dtype).float()).to(dtype), rtol=0, atol=0)


def test_it_is_compiled_once_for_all_strengths() -> None:
    blur, images, graphs = FadingBlur(3.0, images=100), torch.randn(2, 1, 8, 8), []

    def count(graph: torch.fx.GraphModule, _: object) -> object:
        graphs.append(graph)
        return graph

    compiled = torch.compile(lambda x: blur(x), backend=count, fullgraph=True, dynamic=False)
    for seen in (0, 10, 30, 60):
        blur.fade(seen)
        torch.testing.assert_close(compiled(images), blur(images))
    assert len(graphs) == 1
    blur.fade(100)
    torch.testing.assert_close(compiled(images), images)
    assert len(graphs) == 2


def test_r1_passes_through_it() -> None:
    torch.manual_seed(0)
    blur, network = FadingBlur(1.0), nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Softplus(), nn.Linear(8, 1))
    images = torch.randn(3, 1, 8, 8, requires_grad=True)
    r1_penalty(network(blur(images)), images).backward()
    gradient = next(network.parameters()).grad
    assert gradient is not None and gradient.isfinite().all() and gradient.abs().sum() > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FadingBlur(-1.0), r"FadingBlur: sigma must be a number of at least 0, got -1.0"),
        (lambda: FadingBlur(float("nan")), "FadingBlur: sigma must be"),
        (lambda: FadingBlur(images=0), "FadingBlur: images must be a number above 0, got 0"),
        (lambda: FadingBlur()(torch.ones(3, 8, 8)), r"FadingBlur: images must be floating-point \(N, C, H, W\)"),
    ],
)
def test_what_cannot_be_is_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
