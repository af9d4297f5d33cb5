"""Networks of official StyleGAN2 pickles, in the layout of the StyleGAN2-ADA and StyleGAN3 projects.

Such files hold Python source that the official loader executes; here they are read as data. Differences from ours:

- the bias of a style's affine map includes the 1 of ``1 + affine(latent)``;
- up-sampling convolutions of the synthesis network store their weight flipped;
- resampling filters are stored with every layer.
"""

import re
from collections.abc import Mapping
from os import PathLike
from typing import TypedDict

import torch

from ..models import Discriminator, Generator
from ._building import Layout, build_network, from_stylegan2, to_stylegan2
from ._official import OfficialLevels, is_stylegan3, official_networks
from ._records import Record

_WHOLE_BATCH = 1 << 30
# Patterns in our names → replacements for official names, applied in this order.
_GENERATOR_NAMES = {
    r"^synthesis\.input\.": "synthesis.b4.",
    r"\.(conv|act)\.(?=weight|bias|affine)": ".",
    r"\.noise\.": ".noise_",
    r"\.to_rgb\.": ".torgb.",
    r"\.shortcut\.": ".skip.",
    r"\.layers\.(\d+)": r".fc\1",
    r"\.w_mean$": ".w_avg",
}
_DISCRIMINATOR_NAMES = {
    r"^epilogue\.": "b4.",
    r"^from_rgb\.": "b4.fromrgb.",
    r"\.from_rgb\.": ".fromrgb.",
    r"\.shortcut\.": ".skip.",
    r"^label_mapping\.": "mapping.",
    r"\.layers\.(\d+)": r".fc\1",
}


class StyleGAN2(TypedDict):
    """Result of :func:`load_stylegan2`.

    Attributes:
        generator: the averaged :class:`stylelayers.Generator`.
        discriminator: the :class:`stylelayers.Discriminator`.

    Example:
        >>> from stylelayers.checkpoints import StyleGAN2
        >>> sorted(StyleGAN2.__annotations__)
        ['discriminator', 'generator']
    """

    generator: Generator
    discriminator: Discriminator


def load_stylegan2(path: str | PathLike[str]) -> StyleGAN2:
    """Read an official StyleGAN2 network pickle without running any of its code.

    The generator is the averaged one, ``G_ema``. Any resolution, channels, labels, depth of the mapping network and
    architecture (skip, resnet, orig) is supported; float16 settings are ignored. Both networks are returned in float32,
    on the CPU and in evaluation mode.

    Args:
        path: the file, which need not be trusted.

    Returns:
        A dictionary of ``"generator"`` and ``"discriminator"``.

    Raises:
        ValueError: not such a file, content beyond plain data, tensors that are missing, unknown or of other shapes,
            or options that our networks do not have.

    Example:
        >>> import torch
        >>> from stylelayers.checkpoints import load_stylegan2
        >>> networks = load_stylegan2("ffhq.pkl")  # doctest: +SKIP
        >>> images = networks["generator"](torch.randn(4, 512), truncation_psi=0.7)  # doctest: +SKIP
    """
    networks = official_networks("load_stylegan2", path, generator_of, discriminator_of)
    return {"generator": networks[0], "discriminator": networks[1]}


def generator_of(record: Record) -> Generator:
    """The generator of a record.

    Raises:
        ValueError: as :func:`load_stylegan2`.
    """
    if is_stylegan3(record):
        raise ValueError("it is a network of StyleGAN3: use load_stylegan3 or load_generator")
    source = OfficialLevels(record, "synthesis.", r"synthesis\.b\d+\.conv[01]\.")
    levels = source.resolutions
    options = source.options({level: source.shape(f"synthesis.b{level}.conv1.weight", 4)[0] for level in levels})
    options |= source.mapping_options()
    options["image_channels"] = source.shape(f"synthesis.b{levels[-1]}.torgb.weight", 4)[0]
    return build_network(Generator, options, source.tensors, _layout(_GENERATOR_NAMES, levels), dtype=torch.float32)


def discriminator_of(record: Record) -> Discriminator:
    """The discriminator of a record, StyleGAN2's and StyleGAN3's alike.

    Raises:
        ValueError: as :func:`load_stylegan2`.
    """
    source = OfficialLevels(record, "", r"b\d+\.conv[01]?\.")
    levels = source.resolutions
    widths = {level: source.shape(f"b{level}.conv0.weight", 4)[0] for level in levels[1:]}
    last, last_in = source.shape("b4.conv.weight", 4)[:2]
    options = source.options({4: last} | widths)
    if source.mapping_lr_multiplier() != 0.01:
        raise ValueError(f"the label mapping's lr_multiplier must be 0.01, got {source.mapping_lr_multiplier()}")
    group_size = source.option(r"b4\.mbstd\.", "group_size", 4, int, type(None))
    options |= {
        "image_channels": source.shape(f"b{levels[-1]}.fromrgb.weight", 4)[1],
        "mbstd_group_size": _WHOLE_BATCH if group_size is None else group_size,
        "mbstd_num_channels": last_in - last,
        "label_dim": source.shape("b4.out.weight", 2)[0] if options["num_labels"] else None,
        "label_layers": source.mapping_layers() or 8,
    }
    layout = _layout(_DISCRIMINATOR_NAMES, levels[:0:-1])
    return build_network(Discriminator, options, source.tensors, layout, dtype=torch.float32)


def _layout(patterns: Mapping[str, str], levels: list[int]) -> Layout:
    return Layout(lambda name: _official_name(name, patterns, levels), to_stylegan2, from_stylegan2)


def _official_name(name: str, patterns: Mapping[str, str], levels: list[int]) -> str:
    name = re.sub(r"\bblocks\.(\d+)", lambda block: f"b{levels[int(block[1])]}", name)
    for pattern, replacement in patterns.items():
        name = re.sub(pattern, replacement, name)
    return name
