"""One official StyleGAN2 network: constructor arguments from its tensors and attributes."""

import re
from typing import Any

import torch
from torch import Tensor

from ..functional import fir_kernel
from ._records import Record

_LARGEST_RESOLUTION, _LISTED = 1 << 14, 8
_FILTER = (1, 3, 3, 1)


class OfficialNetwork:
    """Tensors and options of one network.

    Args:
        record: the network in the file.
        trunk: prefix of the module with the levels ``b4``, ``b8`` …
        conv: pattern of the convolutions of all levels.

    Attributes:
        tensors: by official name, without the resampling filters, which must be StyleGAN2's.
        resolutions: of the levels, smallest first.
    """

    def __init__(self, record: Record, trunk: str, conv: str) -> None:
        self.records, tensors = record.tree(), record.tensors()
        self.trunk, self.conv = trunk, conv
        self.resolutions = self._resolutions()
        check_filters({name: tensor for name, tensor in tensors.items() if name.endswith("resample_filter")})
        self.tensors = {name: tensor for name, tensor in tensors.items() if not name.endswith("resample_filter")}

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

    def options(self, channels: dict[int, int]) -> dict[str, Any]:
        """The arguments that both networks have, from the channels of each level."""
        return {
            "resolution": self.resolutions[-1],
            "num_labels": self.shape("mapping.embed.weight", 2)[1] if "mapping.embed.weight" in self.tensors else 0,
            "channel_base": max(resolution * width for resolution, width in channels.items()),
            "channel_max": max(channels.values()),
            "architecture": self._architecture(),
            "activation": self.option(self.conv, "activation", "lrelu", str),
            "clamp": self.option(self.conv, "conv_clamp", None, int, float, type(None)),
        }

    def mapping_layers(self) -> int:
        """The number of layers ``fc0``, ``fc1`` … of the mapping network."""
        return sum(re.fullmatch(r"mapping\.fc\d+\.weight", name) is not None for name in self.tensors)

    def mapping_lr_multiplier(self) -> float:
        return float(self.option(r"mapping\.fc\d+\.", "bias_gain", 0.01, int, float))

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
