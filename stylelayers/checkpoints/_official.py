"""Official network pickles: their networks, and constructor arguments from tensors and attributes."""

import re
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..functional import fir_kernel
from ..models import Discriminator
from ._records import Record, read_records
from .other_files import describe_other_file

_LARGEST_RESOLUTION, _LISTED = 1 << 14, 8
_FILTER = (1, 3, 3, 1)
_Generator = TypeVar("_Generator")


def official_networks(
    caller: str,
    path: str | PathLike[str],
    generator: Callable[[Record], _Generator],
    discriminator: Callable[[Record], Discriminator],
) -> tuple[_Generator, Discriminator]:
    """The networks ``G_ema`` and ``D`` of a file, made of their records by the two functions.

    Raises:
        ValueError: not such a file, or not such networks; the message names the caller, the file and what it is.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{caller}: path must be a network pickle, got {str(path)!r}, which is no file")
    try:
        contents = read_records(path.read_bytes())
        records = network_record(contents, "G_ema"), network_record(contents, "D")
        return generator(records[0]), discriminator(records[1])
    except ValueError as error:
        hint = "" if (other := describe_other_file(path)) is None else f"; it is {other}"
        raise ValueError(f"{caller}: {str(path)!r}: {error}{hint}") from error


def network_record(contents: Mapping[object, object], key: str) -> Record:
    """The network under a key of a file.

    Raises:
        ValueError: there is none.
    """
    network = contents.get(key)
    if not isinstance(network, Record):
        raise ValueError(f"expected a network under the key {key!r}, got {type(network).__name__}")
    return network


def is_stylegan3(record: Record) -> bool:
    """Whether a generator has layers L0, L1 … behind an input of its own."""
    names = record.tree().keys()
    return "synthesis.input." in names and any(name.startswith("synthesis.L0_") for name in names)


class OfficialNetwork:
    """Tensors and options of one network.

    Args:
        record: the network in the file.

    Attributes:
        records: of its modules by name.
        tensors: by official name.
    """

    def __init__(self, record: Record) -> None:
        self.records, self.tensors = record.tree(), record.tensors()

    def shape(self, name: str, rank: int) -> tuple[int, ...]:
        """The shape of a required tensor."""
        found = tuple(self.tensors[name].shape) if name in self.tensors else "no such tensor"
        if isinstance(found, str) or len(found) != rank:
            raise ValueError(f"{name} must be a {rank}-D tensor, got {found}")
        return found

    def option(self, layers: str, name: str, default: Any, *kinds: type) -> Any:
        """The value of an attribute, which must be the same in all modules whose full names match `layers`."""
        values = [r.state.get(name, default) for full, r in self.records.items() if re.fullmatch(layers, full)]
        if any(type(value) not in kinds or value != values[0] for value in values):
            names = ", ".join(kind.__name__ for kind in kinds)
            raise ValueError(f"{name} must be one {names} in all layers {layers}, got several or other data")
        return values[0] if values else default

    def num_labels(self) -> int:
        return self.shape("mapping.embed.weight", 2)[1] if "mapping.embed.weight" in self.tensors else 0

    def mapping_options(self) -> dict[str, Any]:
        """The arguments of a generator that its mapping network tells."""
        w_dim, num_labels = self.shape("mapping.w_avg", 1)[0], self.num_labels()
        return {
            "z_dim": self.shape("mapping.fc0.weight", 2)[1] - (w_dim if num_labels else 0),
            "w_dim": w_dim,
            "num_labels": num_labels,
            "mapping_layers": self.mapping_layers(),
            "mapping_lr_multiplier": self.mapping_lr_multiplier(),
            "w_mean_decay": self.option(r"mapping\.", "w_avg_beta", 0.998, float),
        }

    def mapping_layers(self) -> int:
        """The number of layers ``fc0``, ``fc1`` … of the mapping network."""
        return sum(re.fullmatch(r"mapping\.fc\d+\.weight", name) is not None for name in self.tensors)

    def mapping_lr_multiplier(self) -> float:
        return float(self.option(r"mapping\.fc\d+\.", "bias_gain", 0.01, int, float))


class OfficialLevels(OfficialNetwork):
    """A network of StyleGAN2: levels ``b4``, ``b8`` …

    Args:
        record: the network in the file.
        trunk: prefix of the module with the levels.
        conv: pattern of the convolutions of all levels.

    Attributes:
        tensors: without the resampling filters, which must be StyleGAN2's.
        resolutions: of the levels, smallest first.
    """

    def __init__(self, record: Record, trunk: str, conv: str) -> None:
        super().__init__(record)
        self.trunk, self.conv = trunk, conv
        self.resolutions = self._resolutions()
        filters = {name: tensor for name, tensor in self.tensors.items() if name.endswith("resample_filter")}
        check_filters(filters)
        self.tensors = {name: tensor for name, tensor in self.tensors.items() if name not in filters}

    def options(self, channels: dict[int, int]) -> dict[str, Any]:
        """The arguments that both networks have, from the channels of each level."""
        return {
            "resolution": self.resolutions[-1],
            "num_labels": self.num_labels(),
            "channel_base": max(resolution * width for resolution, width in channels.items()),
            "channel_max": max(channels.values()),
            "architecture": self._architecture(),
            "activation": self.option(self.conv, "activation", "lrelu", str),
            "clamp": self.option(self.conv, "conv_clamp", None, int, float, type(None)),
        }

    def _architecture(self) -> str:
        if {f"{self.trunk}b4.torgb.weight", f"{self.trunk}b4.fromrgb.weight"} & self.tensors.keys():
            return "skip"
        return "resnet" if f"{self.trunk}b8.skip.weight" in self.tensors else "orig"

    def _resolutions(self) -> list[int]:
        pattern = re.compile(re.escape(self.trunk) + r"b([1-9][0-9]{0,5})\.")
        found = sorted(int(level[1]) for name in self.records if (level := pattern.fullmatch(name)))
        if len(found) < 2 or found[-1] > _LARGEST_RESOLUTION or found != [4 << level for level in range(len(found))]:
            raise ValueError(f"expected the levels {self.trunk}b4, b8 … of StyleGAN2, got {found[:_LISTED]}")
        return found


def check_filters(filters: dict[str, Tensor], gain: float = 1.0) -> None:
    """Raise a ValueError unless all are StyleGAN2's filter with taps that sum to `gain`."""
    taps = fir_kernel(_FILTER)
    expected = torch.outer(taps, taps) * gain
    for name, found in filters.items():
        if found.shape != expected.shape or not torch.allclose(found.to(expected), expected):
            raise ValueError(f"{name} must be the filter {_FILTER}, got another of shape {tuple(found.shape)}")
