"""Names of other packages: every constructor answers them with its own, and README's table says the same."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from stylelayers import (
    BiasAct,
    Blur,
    ConstantInput,
    Discriminator,
    Downsample2d,
    EqualConv2d,
    EqualLinear,
    Generator,
    MappingNetwork,
    MinibatchStdDev,
    ModulatedConv2d,
    NoiseInjection,
    PixelNorm,
    StyledConv,
    SynthesisNetwork,
    ToRGB,
    Upsample2d,
    layers,
    models,
)
from stylelayers.layers._names import ELSEWHERE

SHARED = ("StyleGenerator", "StyleSynthesis")  # by networks with constructors of their own
CONSTRUCTORS: dict[str, Any] = {
    name: found
    for package in (layers, models)
    for name in package.__all__
    if isinstance(found := getattr(package, name), type) and issubclass(found, nn.Module) and name not in SHARED
}
ANSWERS: tuple[tuple[Any, str, str], ...] = (
    (ModulatedConv2d, "upsample", "resample='up'"),
    (ModulatedConv2d, "downsample", "resample='down'"),
    (ModulatedConv2d, "up", "resample='up'"),
    (ModulatedConv2d, "fin", "in_channels"),
    (ModulatedConv2d, "fout", "out_channels"),
    (ModulatedConv2d, "in_channel", "in_channels"),
    (ModulatedConv2d, "style_dim", "latent_dim"),
    (ModulatedConv2d, "w_dim", "latent_dim"),
    (ModulatedConv2d, "padding_type", "padding_mode"),
    (ModulatedConv2d, "blur_kernel", "resample_filter"),
    (ModulatedConv2d, "normalize_mlp", "normalize_style"),
    (StyledConv, "upsample", "resample='up'"),
    (StyledConv, "style_dim", "latent_dim"),
    (ToRGB, "img_channels", "image_channels"),
    (EqualConv2d, "in_channel", "in_channels"),
    (EqualConv2d, "down", "resample='down'"),
    (EqualLinear, "lr_mul", "lr_multiplier"),
    (EqualLinear, "in_dim", "in_features"),
    (EqualLinear, "fout", "out_features"),
    (Blur, "blur_kernel", "resample_filter"),
    (Blur, "kernel", "resample_filter"),
    (Upsample2d, "up", "factor"),
    (Upsample2d, "scale_factor", "factor"),
    (Downsample2d, "stride", "factor"),
    (BiasAct, "negative_slope", "alpha"),
    (BiasAct, "channels", "num_channels"),
    (ConstantInput, "channel", "num_channels"),
    (ConstantInput, "size", "resolution"),
    (NoiseInjection, "size", "resolution"),
    (PixelNorm, "epsilon", "eps"),
    (MinibatchStdDev, "stddev_group", "group_size"),
    (MappingNetwork, "latent_dim", "z_dim"),
    (Generator, "latent_dim", "z_dim"),
    (Generator, "style_dim", "w_dim"),
    (MappingNetwork, "style_dim", "w_dim"),
    (MappingNetwork, "lr_mul", "lr_multiplier"),
    (MappingNetwork, "n_latent", "num_ws"),
    (SynthesisNetwork, "latent_dim", "w_dim"),
    (SynthesisNetwork, "img_resolution", "resolution"),
    (Generator, "n_mlp", "mapping_layers"),
    (Generator, "lr_mlp", "mapping_lr_multiplier"),
    (Generator, "size", "resolution"),
    (Generator, "c_dim", "num_labels"),
    (Discriminator, "c_dim", "num_labels"),
    (Discriminator, "conv_clamp", "clamp"),
    (Discriminator, "stddev_group", "mbstd_group_size"),
)


@pytest.mark.parametrize(
    ("constructor", "name", "answer"), ANSWERS, ids=lambda value: getattr(value, "__name__", value)
)
def test_argument_names_of_other_projects_are_translated(constructor: Any, name: str, answer: str) -> None:
    with pytest.raises(ValueError, match=f"^{constructor.__name__}: {name} is called {answer} here$") as caught:
        constructor(**{name: 1})
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_every_constructor_names_its_arguments(name: str) -> None:
    known = inspect.signature(CONSTRUCTORS[name]).parameters
    with pytest.raises(ValueError, match=f"^{name}: there is no argument nonsense, but {', '.join(known)}$"):
        CONSTRUCTORS[name](nonsense=True)
    assert {"device", "dtype"} <= set(known)


def test_all_wrong_names_are_reported_at_once() -> None:
    with pytest.raises(
        ValueError, match=r"fin is called in_channels here; upsample is called .*; there is no argument own"
    ):
        ModulatedConv2d(fin=1, out_channels=2, kernel_size=3, upsample=True, own=1)  # type: ignore[call-arg]


def test_subclasses_may_add_arguments() -> None:
    class Doubling(ModulatedConv2d):
        def __init__(self, channels: int, upsample: bool, **options: Any) -> None:
            super().__init__(channels, channels, 3, resample="up" if upsample else None, **options)

    assert Doubling(2, upsample=True).resampling.up == 2
    with pytest.raises(
        ValueError, match=r"^ModulatedConv2d: lr_mul is called lr_multiplier, which this does not have, but in_"
    ):
        Doubling(2, upsample=True, lr_mul=0.1)


def test_translated_names_are_arguments() -> None:
    known = {name for made in CONSTRUCTORS.values() for name in inspect.signature(made).parameters}
    assert {here.partition("=")[0] for here in ELSEWHERE} <= known
    assert [here for here, elsewhere in ELSEWHERE.items() if here in elsewhere] == []


def test_the_page_has_the_same_translations() -> None:
    text = (Path(__file__).parents[2] / "docs" / "coming_from" / "index.md").read_text(encoding="utf-8")
    table = text.partition("| seen elsewhere | here |\n|---|---|\n")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()]
    assert len(rows) > 8
    for theirs, ours in rows[:-1]:  # the last is of `Blur(channel)`, which is no name
        for name in names_in(theirs):
            answers = {here.partition("=")[0] for here, elsewhere in ELSEWHERE.items() if name in elsewhere}
            assert (answers | {name}) & names_in(ours), name


def names_in(cell: str) -> set[str]:
    """The names in backquotes, without their values."""
    code = " ".join(re.findall("`([^`]+)`", cell))
    return set(re.findall(r"\w+", re.sub(r'"\w+"|=\w+', "", code)))
