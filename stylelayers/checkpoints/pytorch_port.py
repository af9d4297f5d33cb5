"""Reading and writing checkpoints of the PyTorch port of StyleGAN2, github.com/rosinality/stylegan2-pytorch.

Written from the names and shapes in its state dicts. Differences from ours, beyond the names:

- the bias of a style's affine map includes the 1 of ``1 + affine(latent)``;
- up-sampling convolutions of the generator store their weight flipped;
- modulated weights and biases have leading and trailing dimensions of size 1;
- resampling filters are stored with every layer that resamples;
- the mean of w is the separate tensor ``latent_avg``, which files of training runs lack;
- the noise maps are the separate buffers ``noises.*``, which files of earlier versions lack.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .._whole_files import whole_file
from ..models import Discriminator, Generator, StyleGenerator
from ._building import arguments_of, build_network, join_names
from ._port_layout import DISCRIMINATOR, GENERATOR, filters, without_filters
from .networks import Networks

_LR_MULTIPLIER = 0.01
_MEAN_SAMPLES = 4096
_LARGEST_WITHOUT_NOISE = 2048
_ONLY: dict[str, tuple[Any, ...]] = {
    "num_labels": (0,),
    "activation": ("lrelu",),
    "padding_mode": ("zeros",),
    "resample_method": (None, "fir"),
    "resample_filter": ((1, 3, 3, 1),),
    "clamp": (None,),
    "image_channels": (3,),
}
_ONLY_GENERATOR = {**_ONLY, "architecture": ("skip",), "normalize_style": (False,)}
_ONLY_DISCRIMINATOR = {**_ONLY, "architecture": ("resnet",), "mbstd_group_size": (4,), "mbstd_num_channels": (1,)}


def read_pytorch_port(contents: Mapping[str, Any]) -> Networks:
    """The networks of a checkpoint that ``torch.load(weights_only=True)`` has read.

    A missing mean of w is estimated from 4096 latents, and missing noise maps are drawn, from a fixed seed.

    Raises:
        ValueError: tensors that are missing, unknown or of other shapes, or other filters.
    """
    tensors = without_filters("g_ema", contents.get("g_ema"))
    arguments, substitutes = _generator_arguments(tensors), list[str]()
    if not any(name.startswith("noises.") for name in tensors):
        tensors |= _noise_maps(arguments["resolution"])
        substitutes.append("no noises in the file: the noise maps were drawn from a fixed seed")
    known = contents.get("latent_avg")
    tensors["latent_avg"] = torch.zeros(arguments["w_dim"]) if known is None else _tensor("latent_avg", known)
    generator = build_network(Generator, arguments, tensors, GENERATOR, dtype=torch.float32)
    if known is None:
        _estimate_mean(generator)
        substitutes.append(f"no latent_avg in the file: the mean of w was estimated from {_MEAN_SAMPLES} latents")
    rest = contents.keys() - {"g_ema", "d", "latent_avg"}
    notes = (*([f"not kept: {join_names(rest)}"] if rest else []), *substitutes)
    discriminator = _discriminator(contents["d"]) if "d" in contents else None
    return Networks("PyTorch port", generator, discriminator, notes=notes, substitutes=tuple(substitutes))


def pytorch_port_state(generator: StyleGenerator, discriminator: Discriminator | None = None) -> dict[str, Any]:
    """Our networks as a checkpoint of the port: ``g_ema``, ``latent_avg`` and, if given, ``d``.

    The port's ``Generator(size, style_dim, n_mlp, channel_multiplier)`` loads ``g_ema`` if the channels agree: 512 up
    to 32 pixels, above that ``channel_multiplier * 16384 / pixels``, which is ``channel_base=32768`` and
    ``channel_max=512`` for the usual multiplier of 2.

    Args:
        generator: of StyleGAN2 with the options of the port, `z_dim` equal to `w_dim`, and a mean of w.
        discriminator: of StyleGAN2 with the options of the port; None for none.

    Returns:
        Name → state dict, or the tensor ``latent_avg`` ``(w_dim,)``.

    Raises:
        ValueError: networks with options that the port does not have.

    Example:
        >>> from stylelayers import Generator
        >>> from stylelayers.checkpoints import pytorch_port_state
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16)
        >>> sorted(pytorch_port_state(generator))
        ['g_ema', 'latent_avg']
    """
    if not isinstance(generator, Generator):
        raise ValueError(f"the port has only StyleGAN2's generator, got one of class {type(generator).__name__}")
    _check("generator", generator, _ONLY_GENERATOR)
    if generator.z_dim != generator.w_dim or generator.mapping.w_mean is None:
        raise ValueError(
            f"the port needs z_dim equal to w_dim and a mean of w, got a generator with "
            f"{generator.z_dim}, {generator.w_dim} and w_mean_decay={generator.w_mean_decay}"
        )
    state = {GENERATOR.name(name): GENERATOR.write(name, t) for name, t in generator.state_dict().items()}
    for name, tensor in state.items():
        if name.startswith("style.") and name.endswith((".weight", ".bias")):
            state[name] = tensor * (generator.mapping_lr_multiplier / _LR_MULTIPLIER)
    levels = range(len(generator.synthesis.blocks) - 1)
    layers = [f"convs.{2 * level}.conv.blur" for level in levels] + [f"to_rgbs.{level}.upsample" for level in levels]
    checkpoint = {"latent_avg": state.pop("latent_avg"), "g_ema": state | filters(layers, 4.0)}
    if discriminator is not None:
        _check("discriminator", discriminator, _ONLY_DISCRIMINATOR)
        state = {DISCRIMINATOR.name(name): tensor for name, tensor in discriminator.state_dict().items()}
        levels = range(1, len(discriminator.blocks) + 1)
        layers = [f"convs.{level}.{layer}.0" for level in levels for layer in ("conv2", "skip")]
        checkpoint["d"] = state | filters(layers, 1.0)
    return checkpoint


def save_pytorch_port(
    path: str | os.PathLike[str], generator: StyleGenerator, discriminator: Discriminator | None = None
) -> Path:
    """Write :func:`pytorch_port_state` with ``torch.save``, atomically.

    Args:
        path: the file; an existing one is replaced at the end.
        generator, discriminator: as in :func:`pytorch_port_state`.

    Returns:
        The path.

    Raises:
        ValueError: as :func:`pytorch_port_state`.

    Example:
        >>> import tempfile
        >>> from stylelayers import Generator
        >>> from stylelayers.checkpoints import load_generator, save_pytorch_port
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     same = load_generator(save_pytorch_port(f"{folder}/port.pt", generator))
        >>> same.w_dim
        4
    """
    state, path = pytorch_port_state(generator, discriminator), Path(path)
    with whole_file(path) as unfinished:
        torch.save(state, unfinished)
    return path


def _discriminator(state: Any) -> Discriminator:
    tensors = without_filters("d", state)
    return build_network(Discriminator, _discriminator_arguments(tensors), tensors, DISCRIMINATOR, dtype=torch.float32)


def _noise_maps(resolution: int) -> dict[str, Tensor]:
    """Random maps for all layers; the limit keeps a small file from allocating much memory."""
    if resolution > _LARGEST_WITHOUT_NOISE:
        raise ValueError(
            f"a network without noises must have at most {_LARGEST_WITHOUT_NOISE} pixels, got {resolution}"
        )
    source = torch.Generator().manual_seed(0)
    sides = [4, *(side for level in range(3, resolution.bit_length()) for side in [1 << level] * 2)]
    return {f"noises.noise_{i}": torch.randn(1, 1, side, side, generator=source) for i, side in enumerate(sides)}


def _generator_arguments(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    doublings = sum(re.fullmatch(r"convs\.\d+\.conv\.weight", name) is not None for name in tensors) // 2
    widths = [_shape(tensors, "conv1.conv.weight", 5)[1]]
    widths += [_shape(tensors, f"convs.{2 * level + 1}.conv.weight", 5)[1] for level in range(doublings)]
    w_dim, z_dim = _shape(tensors, "style.1.weight", 2)
    return {
        **_sizes(widths),
        "z_dim": z_dim,
        "w_dim": w_dim,
        "image_channels": _shape(tensors, "to_rgb1.conv.weight", 5)[1],
        "mapping_layers": sum(re.fullmatch(r"style\.\d+\.weight", name) is not None for name in tensors),
        "mapping_lr_multiplier": _LR_MULTIPLIER,
    }


def _discriminator_arguments(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    doublings = sum(re.fullmatch(r"convs\.\d+\.skip\.1\.weight", name) is not None for name in tensors)
    widths = [_shape(tensors, f"convs.{level}.skip.1.weight", 4)[0] for level in range(doublings, 0, -1)]
    first, image_channels = _shape(tensors, "convs.0.0.weight", 4)[:2]
    return {**_sizes([*widths, first]), "image_channels": image_channels}


def _sizes(widths: list[int]) -> dict[str, int]:
    """Resolution and channel arguments from the channels of each level, smallest first."""
    base = max((4 << level) * width for level, width in enumerate(widths))
    return {"resolution": 2 << len(widths), "channel_base": base, "channel_max": max(widths)}


def _tensor(key: str, value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        raise ValueError(f"{key} must be a tensor, got {type(value).__name__}")
    return value


def _shape(tensors: Mapping[str, Tensor], name: str, rank: int) -> tuple[int, ...]:
    found = tuple(tensors[name].shape) if name in tensors else "no such tensor"
    if isinstance(found, str) or len(found) != rank:
        raise ValueError(f"{name} must be a {rank}-D tensor, got {found}")
    return found


def _check(caller: str, network: Generator | Discriminator, only: Mapping[str, tuple[Any, ...]]) -> None:
    for name, value in arguments_of(network).items():
        if name in only and value not in only[name]:
            raise ValueError(f"the port has only {name}={only[name][0]!r}, got a {caller} with {value!r}")
    height, width = network.resolution
    if height != width or height & (height - 1):
        raise ValueError(f"the port has only powers of two as resolution, got a {caller} with {network.resolution}")


@torch.no_grad()
def _estimate_mean(generator: Generator) -> None:
    z = torch.randn(_MEAN_SAMPLES, generator.z_dim, generator=torch.Generator().manual_seed(0))
    assert generator.mapping.w_mean is not None  # as built above
    generator.mapping.w_mean.copy_(generator.mapping(z)[:, 0].mean(0))
