"""Writes our alias-free generators as official pickles, in the layout of the golden files."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from stylelayers import AliasFreeConv, AliasFreeGenerator
from tests.checkpoints.official_layout import EasyDict, Module


class Network(Module):
    """A module with the options that it was built with."""

    def __init__(self, sentinel: str = "", options: dict[str, Any] | None = None, **attributes: Any) -> None:
        super().__init__(sentinel, **attributes)
        if options is not None:
            self.attributes["_init_kwargs"] = EasyDict(options)

    def affine(self, layer: Any) -> None:
        child = self.children["affine"] = Module(self.sentinel, bias_gain=1, activation="linear")
        child.tensors = {"weight": layer.weight, "bias": layer.bias}


def options_of(generator: AliasFreeGenerator) -> dict[str, Any]:
    """The synthesis network's options under their official names."""
    same = ("channel_base", "channel_max", "num_layers", "num_critical", "first_cutoff", "first_stopband")
    options = {name: getattr(generator, name) for name in (*same, "last_stopband_rel", "output_scale")}
    options |= {"margin_size": generator.margin, "conv_clamp": generator.clamp, "num_fp16_res": 4}
    if generator.configuration == "R":
        options |= {"conv_kernel": 1, "use_radial_filters": True}
    return options | {"w_dim": generator.w_dim, "img_resolution": generator.resolution[0], "img_channels": 3}


def alias_free_module(generator: AliasFreeGenerator, sentinel: str = "") -> Module:
    top = Module(sentinel)
    top.mapping(generator.mapping)
    synthesis = top.children["synthesis"] = Network(sentinel, options_of(generator))
    first = synthesis.children["input"] = Network(sentinel, size=np.array([36, 36]))
    own = generator.synthesis.input
    first.tensors = {"weight": own.weight}
    first.buffers = {"freqs": own.frequencies, "phases": own.phases, "transform": own.transform}
    first.affine(own.affine)
    for number, layer in enumerate(generator.synthesis.layers):
        assert isinstance(layer, AliasFreeConv)
        name = f"L{number}_{layer.after.size[0]}_{layer.out_channels}"
        child = synthesis.children[name] = Network(
            sentinel, use_fp16=number > 2, conv_clamp=generator.clamp, padding=list(layer.resampling.padding)
        )
        child.tensors = {"weight": layer.weight, "bias": layer.bias}
        child.buffers = {"magnitude_ema": layer.magnitude_ema}
        child.buffers |= {place: filter_of(getattr(layer, place)) for place in ("up_filter", "down_filter")}
        child.affine(layer.affine)
    return top


def filter_of(taps: Any) -> Tensor | None:
    return None if taps is None else torch.tensor(taps)


def shaken(generator: AliasFreeGenerator) -> AliasFreeGenerator:
    """No parameter and no buffer has its initial value."""
    with torch.no_grad():
        for name, tensor in generator.state_dict().items():
            tensor.add_(torch.rand_like(tensor), alpha=0.5 if name.endswith("magnitude_ema") else 0.1)
    return generator.eval()
