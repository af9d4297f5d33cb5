"""Writes our networks as official pickles: the layout of the golden file, made independently of the loader."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from stylelayers.models import Discriminator, Generator, MappingNetwork

FILTER = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64
SOURCE = "open({sentinel!r}, 'w')"


def _reconstruct_persistent_obj(meta: dict[str, Any]) -> None:
    open(meta["sentinel"], "w").close()


class EasyDict(dict[str, Any]):
    pass


_reconstruct_persistent_obj.__module__, EasyDict.__module__ = "torch_utils.persistence", "dnnlib.util"


@contextmanager
def official_modules() -> Iterator[None]:
    """While it lasts, pickles name the two as official files do."""
    modules = {name: ModuleType(name) for name in ("torch_utils", "torch_utils.persistence", "dnnlib", "dnnlib.util")}
    vars(modules["torch_utils.persistence"])["_reconstruct_persistent_obj"] = _reconstruct_persistent_obj
    vars(modules["dnnlib.util"])["EasyDict"] = EasyDict
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]


class Module:
    """One persistent object of a file."""

    def __init__(self, sentinel: str = "", **attributes: Any) -> None:
        self.sentinel, self.attributes = sentinel, EasyDict(attributes)
        self.tensors: dict[str, Any] = {}
        self.buffers: dict[str, Any] = {}
        self.children: dict[str, Any] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        tables = {"_parameters": self.tensors, "_buffers": self.buffers, "_modules": self.children}
        state = {"_hooks": set(), "_init_kwargs": EasyDict(), **tables, **self.attributes}
        source = SOURCE.format(sentinel=self.sentinel)
        meta = {"type": "class", "class_name": "Module", "module_src": source, "sentinel": self.sentinel}
        return _reconstruct_persistent_obj, ({**meta, "state": state},)

    def conv(self, name: str, weight: Tensor, bias: Tensor | None, clamp: float | None, activation: str) -> Module:
        layer = self.children[name] = Module(self.sentinel, conv_clamp=clamp, activation=activation)
        layer.tensors = {"weight": weight, "bias": bias}
        layer.buffers = {"resample_filter": FILTER.clone()}
        return layer

    def linear(self, name: str, layer: Any, shift: float = 0.0) -> None:
        child = self.children[name] = Module(self.sentinel, bias_gain=layer.lr_multiplier, activation=layer.activation)
        child.tensors = {"weight": layer.weight, "bias": nn.Parameter(layer.bias + shift)}

    def mapping(self, network: MappingNetwork) -> None:
        child = self.children["mapping"] = Module(self.sentinel, w_avg_beta=network.w_mean_decay)
        if network.embed is not None:
            child.linear("embed", network.embed)
        for index, layer in enumerate(network.layers):
            child.linear(f"fc{index}", layer)
        child.buffers = {} if network.w_mean is None else {"w_avg": network.w_mean}


def generator_module(generator: Generator, sentinel: str = "") -> Module:
    top = Module(sentinel)
    top.mapping(generator.mapping)
    synthesis = top.children["synthesis"] = Module(sentinel)
    block: Any
    for level, block in enumerate(generator.synthesis.blocks):
        child = synthesis.children[f"b{4 << level}"] = Module(sentinel)
        child.buffers = {"resample_filter": FILTER.clone()}
        for name, layer in (("conv0", block.conv0), ("conv1", block.conv1), ("torgb", block.to_rgb)):
            if layer is None:
                continue
            weight = nn.Parameter(layer.conv.weight.flip(2, 3)) if name == "conv0" else layer.conv.weight
            written = child.conv(name, weight, layer.act.bias, generator.clamp, generator.activation)
            written.linear("affine", layer.conv.affine, shift=1.0)
            if name != "torgb":
                written.tensors["noise_strength"] = layer.noise.strength
                written.buffers["noise_const"] = layer.noise.const
        if block.shortcut is not None:
            child.conv("skip", block.shortcut.weight, None, None, "linear")
    synthesis.children["b4"].tensors["const"] = generator.synthesis.input.const
    return top


def discriminator_module(discriminator: Discriminator, sentinel: str = "") -> Module:
    top, clamp, activation = Module(sentinel), discriminator.clamp, discriminator.activation
    block: Any
    for level, block in enumerate(discriminator.blocks):
        child = top.children[f"b{discriminator.resolution[0] >> level}"] = Module(sentinel)
        for name, layer in (("fromrgb", block.from_rgb), ("conv0", block.conv0), ("conv1", block.conv1)):
            if layer is not None:
                child.conv(name, layer.weight, layer.bias, clamp, activation)
        if block.shortcut is not None:
            child.conv("skip", block.shortcut.weight, None, None, "linear")
    last, epilogue = top.children.setdefault("b4", Module(sentinel)), discriminator.epilogue
    if discriminator.from_rgb is not None:
        last.conv("fromrgb", discriminator.from_rgb.weight, discriminator.from_rgb.bias, clamp, activation)
    last.children["mbstd"] = Module(sentinel, group_size=discriminator.mbstd_group_size)
    last.conv("conv", epilogue.conv.weight, epilogue.conv.bias, clamp, activation)
    last.linear("fc", epilogue.fc)
    last.linear("out", epilogue.out)
    if discriminator.label_mapping is not None:
        top.mapping(discriminator.label_mapping)
    return top


def official_pickle(generator: Any, discriminator: Any, *, protocol: int = 4) -> bytes:
    """The bytes of a file; networks are ours, or anything to be found in their place."""
    written = generator_module(generator) if isinstance(generator, Generator) else generator
    judged = discriminator_module(discriminator) if isinstance(discriminator, Discriminator) else discriminator
    with official_modules():
        return pickle.dumps({"G": None, "D": judged, "G_ema": written, "training_set_kwargs": EasyDict()}, protocol)
