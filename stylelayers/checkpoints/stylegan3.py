"""Networks of official StyleGAN3 pickles (arXiv:2106.12423), configurations T and R.

Such files hold Python source that the official loader executes; here they are read as data. Differences from ours:

- layers are named by number, size and channels, ``L0_36_512``;
- filters are stored with every layer; here they must be those of the plan of the layers, which makes them anew;
- the decay of the running magnitudes is per batch, of a size that the file does not tell: ours has its default.
"""

import re
from os import PathLike
from typing import Any, TypedDict, cast

import torch
from torch import Tensor

from ..models import AliasFreeGenerator, AliasFreePlan, Discriminator
from ..models.alias_free_plan import FILTER_TAPS, OVERSAMPLING
from ._building import Layout, build_network, build_on_meta, join_names
from ._official import OfficialNetwork, is_stylegan3, official_networks
from ._records import Record
from .stylegan2 import discriminator_of

_LAYER = re.compile(r"synthesis\.(L(\d{1,4})_(\d{1,5})_(\d{1,5}))\.")
_LARGEST_RESOLUTION, _TOLERANCE = 1 << 14, 1e-4
# Options of the official synthesis network → our arguments; those in `_OTHERS` are found elsewhere or ignored.
_OPTIONS = {
    "channel_base": "channel_base",
    "channel_max": "channel_max",
    "num_critical": "num_critical",
    "first_cutoff": "first_cutoff",
    "first_stopband": "first_stopband",
    "last_stopband_rel": "last_stopband_rel",
    "margin_size": "margin",
    "output_scale": "output_scale",
}
_FIXED = {"filter_size": FILTER_TAPS, "lrelu_upsampling": OVERSAMPLING}
_OTHERS = {
    *("w_dim", "img_resolution", "img_channels", "num_layers", "conv_kernel", "use_radial_filters"),
    *("conv_clamp", "num_fp16_res", "magnitude_ema_beta"),
}
_WHOLE = {"num_critical", "margin_size", "channel_base", "channel_max"}
_NAMES = {r"^mapping\.layers\.(\d+)": r"mapping.fc\1", r"\.w_mean$": ".w_avg", r"\.frequencies$": ".freqs"}


class StyleGAN3(TypedDict):
    """Result of :func:`load_stylegan3`.

    Attributes:
        generator: the averaged :class:`stylelayers.AliasFreeGenerator`.
        discriminator: the :class:`stylelayers.Discriminator`.

    Example:
        >>> from stylelayers.checkpoints import StyleGAN3
        >>> sorted(StyleGAN3.__annotations__)
        ['discriminator', 'generator']
    """

    generator: AliasFreeGenerator
    discriminator: Discriminator


def load_stylegan3(path: str | PathLike[str]) -> StyleGAN3:
    """Read an official StyleGAN3 network pickle without running any of its code.

    The generator is the averaged one, ``G_ema``. Configurations T and R, any resolution, channels, labels, number of
    layers and margin are supported; float16 settings are ignored. Both networks are returned in float32, on the CPU and
    in evaluation mode.

    Args:
        path: the file, which need not be trusted.

    Returns:
        A dictionary of ``"generator"`` and ``"discriminator"``.

    Raises:
        ValueError: not such a file, content beyond plain data, tensors that are missing, unknown or of other shapes,
            options that our networks do not have, or layers and filters other than those of the options' plan.

    Example:
        >>> import torch
        >>> from stylelayers.checkpoints import load_stylegan3
        >>> networks = load_stylegan3("stylegan3-t-ffhq-1024x1024.pkl")  # doctest: +SKIP
        >>> images = networks["generator"](torch.randn(4, 512), truncation_psi=0.7)  # doctest: +SKIP
    """
    generator, discriminator = official_networks("load_stylegan3", path, generator_of, discriminator_of)
    return {"generator": generator, "discriminator": discriminator}


def generator_of(record: Record) -> AliasFreeGenerator:
    """The generator of a record.

    Raises:
        ValueError: as :func:`load_stylegan3`.
    """
    source = OfficialNetwork(record)
    if not is_stylegan3(record) and "synthesis.b4." in source.records:
        raise ValueError("it is a network of StyleGAN2: use load_stylegan2 or load_generator")
    names = _layer_names(source)
    if (activation := source.option(r"mapping\.fc\d+\.", "activation", "lrelu", str)) != "lrelu":
        raise ValueError(f"the mapping network's activation must be lrelu, got {activation!r}")
    options = source.mapping_options() | _sizes(source, names) | _options(source)
    planned = build_on_meta(AliasFreeGenerator, options, len(source.tensors))
    _check_names(names, planned.synthesis.plan)
    tensors = dict(source.tensors)
    for name, layer in zip(names, cast(Any, planned.synthesis.layers), strict=True):
        _check_padding(source, name, layer.resampling.padding)
        for place, taps in (("up_filter", layer.up_filter), ("down_filter", layer.down_filter)):
            if taps is not None:
                _check_filter(tensors, f"synthesis.{name}.{place}", torch.tensor(taps, device="cpu"))
    layout = Layout(lambda name: _official_name(name, names))
    return build_network(AliasFreeGenerator, options, tensors, layout, dtype=torch.float32)


def _layer_names(source: OfficialNetwork) -> list[str]:
    """The layers ``L0_36_512`` … in order."""
    found = sorted((int(match[2]), match[1]) for name in source.records if (match := _LAYER.fullmatch(name)))
    if len(found) < 2 or [number for number, _ in found] != list(range(len(found))):
        raise ValueError(f"expected the layers L0, L1 … of StyleGAN3, got {join_names([name for _, name in found])}")
    return [name for _, name in found]


def _sizes(source: OfficialNetwork, names: list[str]) -> dict[str, Any]:
    """Arguments that layers and their tensors tell."""
    resolution, image_channels = map(int, names[-1].split("_")[1:])
    if resolution > _LARGEST_RESOLUTION:
        raise ValueError(f"the image must have at most {_LARGEST_RESOLUTION} pixels a side, got {resolution}")
    kernel_size = source.shape(f"synthesis.{names[0]}.weight", 4)[2]
    if kernel_size not in (1, 3):
        raise ValueError(f"kernels must be 3x3 as in configuration T or 1x1 as in R, got {kernel_size}")
    return {
        "resolution": resolution,
        "image_channels": image_channels,
        "num_layers": len(names) - 1,
        "configuration": "T" if kernel_size == 3 else "R",
    }


def _options(source: OfficialNetwork) -> dict[str, Any]:
    """Arguments that the synthesis network was built with; those that it does not name have their defaults."""
    state = source.records["synthesis."].state
    given = state.get("_init_kwargs", {})
    if not isinstance(given, dict):
        raise ValueError(f"_init_kwargs of the synthesis network must be a dict, got {type(given).__name__}")
    if unknown := given.keys() - _OPTIONS.keys() - _FIXED.keys() - _OTHERS:
        raise ValueError(
            f"the synthesis network has options that are not understood: {join_names([*map(str, unknown)])}"
        )
    for name, fixed in _FIXED.items():
        if given.get(name, fixed) != fixed:
            raise ValueError(f"the synthesis network's {name} must be {fixed}, got {given[name]!r}")
    found = {name: given.get(name, state.get(name)) for name in _OPTIONS if name in given or name in state}
    for name, value in found.items():
        kind = int if name in _WHOLE else (int, float)
        if isinstance(value, bool) or not isinstance(value, kind):
            raise ValueError(f"the synthesis network's {name} must be a number, got {value!r}")
    clamp = source.option(_LAYER.pattern, "conv_clamp", 256, int, float, type(None))
    return {_OPTIONS[name]: value for name, value in found.items()} | {"clamp": clamp}


def _check_names(names: list[str], plan: AliasFreePlan) -> None:
    for number, (name, layer) in enumerate(zip(names, plan.layers, strict=True)):
        planned = f"L{number}_{layer.sampling.size[0]}_{layer.channels}"
        if name != planned:
            raise ValueError(
                f"the layer {planned} follows from the network's options, got {name}: another size or width"
            )


def _check_padding(source: OfficialNetwork, name: str, padding: tuple[int, ...]) -> None:
    planned = list(padding)
    found = source.records[f"synthesis.{name}."].state.get("padding", planned)
    if found != planned:
        raise ValueError(f"padding of {name} must be {planned}, as planned by the network's options, got {found!r}")


def _check_filter(tensors: dict[str, Tensor], name: str, planned: Tensor) -> None:
    """Take a filter out of the tensors; it must be the planned one."""
    found = tensors.pop(name, None)
    if found is None:
        raise ValueError(f"the network lacks {name}")
    if found.shape != planned.shape:
        raise ValueError(f"{name} must have {tuple(planned.shape)} taps, got {tuple(found.shape)}")
    difference = (found.to(planned) - planned).abs().max()
    if not difference <= _TOLERANCE * planned.abs().max():
        raise ValueError(f"{name} must be the filter that the network's options plan, got another")


def _official_name(name: str, layers: list[str]) -> str:
    name = re.sub(r"^synthesis\.layers\.(\d+)", lambda match: f"synthesis.{layers[int(match[1])]}", name)
    for pattern, replacement in _NAMES.items():
        name = re.sub(pattern, replacement, name)
    return name
