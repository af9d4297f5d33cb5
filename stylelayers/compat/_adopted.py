"""Base of the layers that take over the state of a live layer: attributes, parameters, buffers, children, hooks."""

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..functional.fir_kernel import CheckedTaps, Numbers, numbers_of


class AdoptedLayer(nn.Module):
    """A forward for the state of another package's layer, whose class is exchanged for this one.

    Attributes:
        origin: the project whose layer this is.
        uncalled: children that are read but not called, so that their hooks would not run.
    """

    origin: ClassVar[str]
    uncalled: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def fits(cls, layer: Any) -> bool:
        """Whether the attributes, children and shapes of a layer are those that `forward` needs."""
        raise NotImplementedError

    def adopt(self) -> None:
        """Prepare what `forward` needs beside the layer's own state."""

    def examples(self) -> list[tuple[Tensor, ...]]:
        """Inputs on which two forwards of the layer differ if they differ at all."""
        raise NotImplementedError


class FIRLayer(AdoptedLayer):
    """Reads its taps from a buffer once, and again when a file is loaded: numbers are faster than a tensor."""

    taps: Numbers

    def read_taps(self) -> Tensor:
        raise NotImplementedError

    def adopt(self) -> None:
        taps = self.read_taps()
        if not taps.is_meta:
            self.taps = CheckedTaps(numbers_of(taps))

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self.adopt()


def example(*shape: int) -> Tensor:
    """Normal numbers in float64, without the global random state."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def shape_of(layer: nn.Module, name: str) -> tuple[int, ...]:
    """Shape of an attribute that is a tensor, else ``()``."""
    value = getattr(layer, name, None)
    return tuple(value.shape) if isinstance(value, Tensor) else ()


def has(layer: nn.Module, names: Iterable[str]) -> bool:
    return all(hasattr(layer, name) for name in names)
