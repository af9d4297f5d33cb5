"""Networks of official StyleGAN2 pickles, in the layout of the StyleGAN2-ADA and StyleGAN3 projects.

Such files hold Python source that the official loader executes; here they are read as data. Differences from ours:

- the bias of a style's affine map includes the 1 of ``1 + affine(latent)``;
- up-sampling convolutions of the synthesis network store their weight flipped;
- resampling filters are stored with every layer.
"""

import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TypedDict

import torch

from ..models import Discriminator, Generator
from ._building import Layout, build_network, from_stylegan2, join_names, to_stylegan2
from ._official import OfficialNetwork
from ._records import Record, read_records
from .networks import Networks
from .other_files import describe_other_file

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
    """Result of :func:`load_stylegan2`."""

    generator: Generator
    discriminator: Discriminator


def load_stylegan2(path: str | PathLike[str]) -> StyleGAN2:
    """Read an official StyleGAN2 network pickle without running any of its code.

    The generator is the averaged one, ``G_ema``. Any resolution, channels, labels, depth of the mapping network and
    architecture (skip, resnet, orig) is supported; float16 settings are ignored. Both networks are returned in float32,
    on the CPU and in evaluation mode.

    Args:
        path: the file, which need not be trusted.

    Raises:
        ValueError: not such a file, content beyond plain data, tensors that are missing, unknown or of other shapes,
            or options that our networks do not have.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"load_stylegan2: path must be a network pickle, got {str(path)!r}, which is no file")
    try:
        networks = read_records(path.read_bytes())
        generator, discriminator = (_record(networks, key) for key in ("G_ema", "D"))
        return {"generator": _generator(generator), "discriminator": _discriminator(discriminator)}
    except ValueError as error:
        hint = "" if (other := describe_other_file(path)) is None else f"; it is {other}"
        raise ValueError(f"load_stylegan2: {str(path)!r}: {error}{hint}") from error


def read_stylegan2(data: bytes) -> Networks:
    """Read the generator, and the discriminator if possible; otherwise the generator still loads and `notes` says why.

    Raises:
        ValueError: as :func:`load_stylegan2`, except for the discriminator.
    """
    contents = read_records(data)
    generator, notes = _generator(record := _record(contents, "G_ema")), []
    try:
        discriminator = _discriminator(_record(contents, "D"))
    except ValueError as error:
        discriminator, notes = None, [f"the discriminator was not understood: {error}"]
    if ignored := [str(key) for key in contents if key not in ("G_ema", "D")]:
        notes.append(f"not kept: {join_names(ignored)}")
    if any(part.state.get("use_fp16") is True for part in record.tree().values()):
        notes.append("settings of float16 are ignored: everything is float32")
    return Networks("official pickle", generator, discriminator, notes=tuple(notes))


def _record(networks: Mapping[object, object], key: str) -> Record:
    network = networks.get(key)
    if not isinstance(network, Record):
        raise ValueError(f"expected a network under the key {key!r}, got {type(network).__name__}")
    return network


def _generator(record: Record) -> Generator:
    source = OfficialNetwork(record, "synthesis.", r"synthesis\.b\d+\.conv[01]\.")
    levels = source.resolutions
    options = source.options({level: source.shape(f"synthesis.b{level}.conv1.weight", 4)[0] for level in levels})
    w_dim = source.shape("mapping.w_avg", 1)[0]
    embedding = w_dim if options["num_labels"] else 0
    options |= {
        "z_dim": source.shape("mapping.fc0.weight", 2)[1] - embedding,
        "w_dim": w_dim,
        "image_channels": source.shape(f"synthesis.b{levels[-1]}.torgb.weight", 4)[0],
        "mapping_layers": source.mapping_layers(),
        "mapping_lr_multiplier": source.mapping_lr_multiplier(),
        "w_mean_decay": source.option(r"mapping\.", "w_avg_beta", 0.998, float),
    }
    return build_network(Generator, options, source.tensors, _layout(_GENERATOR_NAMES, levels), dtype=torch.float32)


def _discriminator(record: Record) -> Discriminator:
    source = OfficialNetwork(record, "", r"b\d+\.conv[01]?\.")
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
