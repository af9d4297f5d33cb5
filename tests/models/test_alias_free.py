"""The alias-free generator: the published plan of the layers, images that follow the input, what it lacks."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from stylelayers import AliasFreeGenerator, AliasFreeSynthesis
from stylelayers.explore import factorize, project, sample, styles_of_seeds, synthesize
from stylelayers.layers import motion
from stylelayers.models import AliasFreePlan
from tests.conftest import assert_same

TINY: dict[str, Any] = {"channel_base": 32, "num_layers": 3, "num_critical": 1, "margin": 2}


def tiny(resolution: int | tuple[int, int] = 16, **options: Any) -> AliasFreeGenerator:
    return AliasFreeGenerator(resolution, **{"z_dim": 6, "w_dim": 5, **TINY, **options}).eval()


# The plan ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resolution", [16, 64, 256, 1024])
@pytest.mark.parametrize("num_layers", [6, 14, 17])
def test_the_plan_is_the_published_one(resolution: int, num_layers: int) -> None:
    plan = AliasFreePlan.of("test", resolution, num_layers=num_layers)
    exponents = np.minimum(np.arange(num_layers + 1) / (num_layers - 2), 1)
    cutoffs = 2 * (resolution / 2 / 2) ** exponents
    stopbands = 2**2.1 * (resolution / 2 * 2**0.3 / 2**2.1) ** exponents
    rates = np.exp2(np.ceil(np.log2(np.minimum(stopbands * 2, resolution))))
    widths = np.maximum(stopbands, rates / 2) - cutoffs
    sizes = rates + 20
    sizes[-2:] = resolution
    channels = np.rint(np.minimum(32768 / 2 / cutoffs, 512))
    channels[-1] = 3
    samplings = [layer.sampling for layer in plan.layers]
    np.testing.assert_allclose([(s.cutoff, s.half_width) for s in samplings], np.stack([cutoffs, widths], 1))
    assert [(s.rate, *s.size) for s in samplings] == [(r, s, s) for r, s in zip(rates, sizes, strict=True)]
    assert [layer.channels for layer in plan.layers] == channels.tolist()


def test_a_plan_is_a_table() -> None:
    lines = str(AliasFreePlan.of("test", 32, num_layers=6, channel_max=32, configuration="R")).splitlines()
    assert lines[0].split()[:5] == ["layer", "cutoff", "stopband", "half", "width"]
    assert lines[3].split() == [
        "L2",
        "5.66",
        "9.19",
        "10.34",
        "32",
        "52x52",
        "32",
        "4",
        "2",
        "24,",
        "12x12",
        "-2",
        "-5",
        "-2",
        "-5",
    ]
    assert lines[-1].split() == [
        "L6",
        "RGB",
        "16.00",
        "19.70",
        "3.70",
        "32",
        "32x32",
        "3",
        "1",
        "1",
        "none",
        "0",
        "0",
        "0",
        "0",
    ]


def test_rectangular_images_have_a_size_an_axis_and_one_rate() -> None:
    wide, square = (AliasFreePlan.of("test", size, num_layers=6) for size in ((64, 96), 64))
    for layer, other in zip(wide.layers, square.layers, strict=True):
        assert (layer.sampling.rate, layer.sampling.cutoff) == (other.sampling.rate, other.sampling.cutoff)
        margins = [side - layer.sampling.rate * part for side, part in zip(layer.sampling.size, (1, 1.5), strict=True)]
        assert margins in ([20, 20], [0, 0])
    assert AliasFreePlan.of("test", 48, num_layers=6).layers[0].sampling.rate == 12


@pytest.mark.parametrize(
    ("resolution", "options", "message"),
    [
        (
            (256, 264),
            {},
            r"resolution must be a multiple of 16 .* 1/16 of the image's, got \(256, 264\)",
        ),
        (33, {}, "resolution must be a multiple of 2"),
        (2, {}, "first_cutoff must be at most half the shorter side, 1, and first_stopband"),
        (64, {"first_cutoff": 5}, "first_cutoff must be at most half the shorter side, 32, and first_stopband, 4.287"),
        (64, {"configuration": "S"}, "configuration must be one of T, R, got 'S'"),
        (64, {"num_critical": 3}, "num_critical must be below num_layers, 3, got 3"),
        (64, {"num_layers": 0}, "num_layers must be an int of at least 1"),
        (64, {"margin": -1}, "margin must be an int of at least 0"),
        (64, {"last_stopband_rel": 0.5}, r"last_stopband_rel must be a number in \[1, 16\]"),
        (64, {"margin_size": 1}, "margin_size is called margin here"),
        (64, {"image_channels": 0}, "image_channels must be"),
    ],
)
def test_plans_that_cannot_be(resolution: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^AliasFreeSynthesis: {message}"):
        AliasFreeSynthesis(4, resolution, **{**TINY, **options})


# Images --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("configuration", ["T", "R"])
@torch.no_grad()
def test_a_transform_of_a_call_is_that_of_the_buffer(configuration: str) -> None:
    generator = tiny((16, 24), configuration=configuration, num_labels=2)
    ws = generator.mapping(torch.randn(2, 6), [0, 1])
    images = generator.synthesis(ws, transform=motion(0.1, 0.0, 0.2))
    assert images.shape == (2, 3, 16, 24)
    generator.synthesis.input.transform.copy_(motion(0.1, 0.0, 0.2))
    assert_same(generator.synthesis(ws), images, 1e-5)
    assert generator(torch.zeros(1, 6), 1, truncation_psi=0.5).shape[2:] == (16, 24)


def test_training_moves_the_running_statistics_and_evaluation_does_not() -> None:
    generator = tiny().train()
    generator(torch.randn(4, 6))
    moved = [float(tensor.mean()) for tensor in generator.running_statistics()]
    assert len(moved) == 1 + 4 and 0 not in moved and 1 not in moved
    generator.eval()(torch.randn(4, 6))
    assert [float(tensor.mean()) for tensor in generator.running_statistics()] == moved


@pytest.mark.parametrize("noise", ["const", "random"])
def test_noise_that_there_is_not_is_refused(noise: str) -> None:
    generator = tiny()
    with pytest.raises(ValueError, match="noise must be none, as there are no noise inputs, got"):
        generator(torch.randn(1, 6), noise=noise)
    with pytest.raises(ValueError, match=r"^sample: noise must be none, as there are no noise inputs, got"):
        next(sample(generator, [0], noise=noise))
    with pytest.raises(ValueError, match=r"^project: fit_noise needs a generator with noise inputs"):
        project(generator, torch.zeros(1, 3, 16, 16), fit_noise=True, steps=1)


def test_the_tools_for_generators_take_it() -> None:
    generator = tiny()
    ws = styles_of_seeds(generator, [0, 1])
    (images,) = synthesize(generator, ws)
    assert_same(images, torch.cat([*sample(generator, [0, 1], batch=1)]), 1e-5)
    assert factorize(generator, count=2).vectors.shape == (2, 5)
    names = generator.synthesis.layer_names()
    assert len(names) == generator.num_ws == len(generator.synthesis.affine_maps()) == 5
    assert (names[0], names[-1]) == ("0: motion", "4: colours")
    assert re.fullmatch(r"1: \d+x\d+", names[1])
    found = project(generator, images[:1], steps=2)
    assert found.ws.shape == (1, 5, 5)
