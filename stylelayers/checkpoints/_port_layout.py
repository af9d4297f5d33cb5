"""Names and shapes in the PyTorch port's state dicts (see `pytorch_port`), derived from ours."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..functional import fir_kernel
from ._building import Layout, from_stylegan2, to_stylegan2
from ._official import check_filters

_UP_FILTER = r"convs\.\d+\.conv\.blur\.kernel|to_rgbs\.\d+\.upsample\.kernel"
_FILTER = _UP_FILTER + r"|convs\.\d+\.(conv2|skip)\.0\.kernel"
_DISCRIMINATOR_NAMES: dict[str, str | Callable[[re.Match[str]], str]] = {
    r"^blocks\.(\d+)\.": lambda block: f"convs.{int(block[1]) + 1}.",
    r"^convs\.1\.from_rgb\.weight": "convs.0.0.weight",
    r"^convs\.1\.from_rgb\.bias": "convs.0.1.bias",
    r"\.conv0\.weight": ".conv1.0.weight",
    r"\.conv0\.bias": ".conv1.1.bias",
    r"(?<=\d)\.conv1\.weight": ".conv2.1.weight",
    r"(?<=\d)\.conv1\.bias": ".conv2.2.bias",
    r"\.shortcut\.": ".skip.1.",
    r"^epilogue\.conv\.weight": "final_conv.0.weight",
    r"^epilogue\.conv\.bias": "final_conv.1.bias",
    r"^epilogue\.fc\.": "final_linear.0.",
    r"^epilogue\.out\.": "final_linear.1.",
}


def without_filters(key: str, tensors: Any) -> dict[str, Tensor]:
    """The tensors of checkpoint entry `key` without the filters, which must be StyleGAN2's."""
    if not isinstance(tensors, Mapping) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise ValueError(f"{key} must be a state dict, got {type(tensors).__name__}")
    found = {name: tensor for name, tensor in tensors.items() if re.fullmatch(_FILTER, name)}
    doubling = {name for name in found if re.fullmatch(_UP_FILTER, name)}
    check_filters({name: found[name] for name in doubling}, gain=4.0)
    check_filters({name: found[name] for name in found.keys() - doubling})
    return {name: tensor for name, tensor in tensors.items() if name not in found}


def filters(layers: list[str], gain: float) -> dict[str, Tensor]:
    """Filters with taps that sum to `gain`, for each of the layers."""
    taps = fir_kernel((1, 3, 3, 1))
    return {f"{layer}.kernel": torch.outer(taps, taps) * gain for layer in layers}


def _generator_name(name: str) -> str:
    if mapping := re.match(r"mapping\.layers\.(\d+)\.", name):
        return f"style.{int(mapping[1]) + 1}.{name[mapping.end() :]}"
    if name in ("mapping.w_mean", "synthesis.input.const"):
        return {"mapping.w_mean": "latent_avg", "synthesis.input.const": "input.input"}[name]
    block = re.fullmatch(r"synthesis\.blocks\.(?P<level>\d+)\.(?P<layer>\w+)\.(?P<rest>.+)", name)
    if block is None:
        return name
    level, layer, rest = int(block["level"]), block["layer"], block["rest"]
    index = 2 * level - (layer == "conv0")  # of the noise map; the convolution's is one less
    if rest == "noise.const":
        return f"noises.noise_{index}"
    many, first = ("to_rgbs", level - 1) if layer == "to_rgb" else ("convs", index - 1)
    prefix = f"{many}.{first}" if level else f"{many[:-1]}1"
    rest = rest.replace("affine", "modulation").replace("noise.strength", "noise.weight")
    return f"{prefix}.{rest.replace('act.', '' if layer == 'to_rgb' else 'activate.')}"


def _written(name: str, tensor: Tensor) -> Tensor:
    tensor = to_stylegan2(name, tensor)
    if re.search(r"\.noise\.const$", name):
        return tensor[None, None]
    if re.search(r"\.to_rgb\.act\.bias$", name):
        return tensor[None, :, None, None]
    return tensor[None] if re.search(r"\.conv\.weight$|\.input\.const$", name) else tensor


def _discriminator_name(name: str) -> str:
    for pattern, replacement in _DISCRIMINATOR_NAMES.items():
        name = re.sub(pattern, replacement, name)
    return name


GENERATOR = Layout(_generator_name, _written, from_stylegan2)
DISCRIMINATOR = Layout(_discriminator_name)
