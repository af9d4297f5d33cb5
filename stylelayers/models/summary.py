"""Tables of a network's layers: shapes, parameters, multiply-adds, memory.

The network runs once on the meta device, without memory and without arithmetic, as a copy that shares nothing with it.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from .._tables import Table

if TYPE_CHECKING:
    from torch.utils.flop_counter import FlopCounterMode

_LAYERS = "stylelayers.layers."
_REST = "(the rest)"


@dataclass(frozen=True)
class LayerSummary:
    """One call of a layer.

    Attributes:
        name: of the module in the network.
        kind: its class.
        shape: of its output, with the batch; None if that is no tensor.
        parameters: that no row above has counted.
        multiply_adds: of its convolutions, FIR filters and matrix products.
        bytes: of its output.
    """

    name: str
    kind: str
    shape: tuple[int, ...] | None
    parameters: int
    multiply_adds: int
    bytes: int


@dataclass(frozen=True)
class Summary:
    """Result of :func:`summarize`: printed, and shown in a notebook, as a table.

    Attributes:
        network: its class.
        layers: in the order of their calls; a layer that is called twice has two rows. What the network itself holds
            or computes is the last.

    Example:
        >>> from stylelayers import Generator
        >>> Generator(8, channel_base=16).summary().parameters
        2109807
    """

    network: str
    layers: tuple[LayerSummary, ...]

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def bytes(self) -> int:
        """Of all outputs together."""
        return sum(layer.bytes for layer in self.layers)

    def table(self) -> Table:
        rows = [_cells(layer) for layer in self.layers]
        total = LayerSummary("total", self.network, None, self.parameters, self.multiply_adds, self.bytes)
        return Table(("layer", "class", "output", "parameters", "multiply-adds", "memory"), rows, [_cells(total)], 2)

    def __str__(self) -> str:
        return str(self.table())

    def __rich__(self) -> Any:
        return self.table().__rich__()

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


class Summarized(nn.Module):
    """A network that knows the shapes of its inputs."""

    def example_inputs(self) -> tuple[Tensor, ...]:
        """Inputs for one image, on the meta device."""
        raise NotImplementedError

    def summary(self) -> Summary:
        """A table of the layers for one image, see :func:`summarize`."""
        return summarize(self, *self.example_inputs())


def summarize(network: nn.Module, *inputs: Any) -> Summary:
    """A table of a network's layers: of ours, of torch's, and modules of your own that contain no others.

    Nothing is computed and nothing of the network changes: neither parameters, buffers, statistics nor modes, nor
    torch's random numbers. FlopCounterMode counts multiply-adds where torch dispatches its operators, so that those of
    our autograd Functions and FIR filters are among them; it does not count pointwise operators, such as
    activations. The layers are those of evaluation mode.

    Args:
        network: any, on any device.
        inputs: of its forward pass; only shapes and dtypes matter.

    Returns:
        The table.

    Raises:
        ValueError: lazy parameters, whose shapes are not known yet.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from stylelayers import EqualLinear
        >>> from stylelayers.models import summarize
        >>> print(summarize(nn.Sequential(EqualLinear(64, 32), nn.Linear(32, 1)), torch.empty(4, 64)))
        layer  class        output  parameters  multiply-adds   memory
        0      EqualLinear    4x32       2,080          8,192  0.5 KiB
        1      Linear          4x1          33            128  0.0 KiB
        --------------------------------------------------------------
        total  Sequential                2,113          8,320  0.5 KiB
    """
    from torch.utils.flop_counter import FlopCounterMode  # as slow to import as all of this package

    if any(isinstance(parameter, UninitializedParameter) for parameter in network.parameters()):
        raise ValueError("summarize: network must have no lazy parameters; call it once before")
    copy = _copy_on_meta(network).eval()
    on_meta = [value.to("meta") if isinstance(value, Tensor) else value for value in inputs]
    with FlopCounterMode(display=False) as counter:
        recorder = _Recorder(counter)
        for name, module in _layers(copy):
            recorder.watch(name, module)
        with torch.no_grad():
            copy(*on_meta)
    own = {id(parameter): parameter.numel() for parameter in copy.parameters()}
    rest = LayerSummary(
        _REST,
        "",
        None,
        sum(own.values()) - sum(row.parameters for row in recorder.rows),
        counter.get_total_flops() // 2 - sum(row.multiply_adds for row in recorder.rows),
        0,
    )
    is_empty = rest.parameters == rest.multiply_adds == 0
    return Summary(type(network).__name__, (*recorder.rows, *(() if is_empty else (rest,))))


def _copy_on_meta(network: nn.Module) -> nn.Module:
    """A copy whose parameters and buffers have no memory, and which calls no forward hooks."""
    memo: dict[int, Any] = {id(buffer): buffer.to("meta") for buffer in network.buffers()}
    for parameter in network.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)
    copy = deepcopy(network, memo)
    for module in copy.modules():
        module._forward_hooks.clear()
    return copy


def _layers(module: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The outermost layers of ours, and other modules without children."""
    children = list(module.named_children())
    if not children or any(kind.__module__.startswith(_LAYERS) for kind in type(module).__mro__):
        yield name, module
        return
    for child_name, child in children:
        yield from _layers(child, f"{name}.{child_name}".lstrip("."))


@dataclass
class _Recorder:
    """Writes down a row for each call of a layer."""

    counter: "FlopCounterMode"
    rows: list[LayerSummary] = field(default_factory=list)
    counted: set[int] = field(default_factory=set)

    def watch(self, name: str, module: nn.Module) -> None:
        before = 0

        def start(*_: Any) -> None:
            nonlocal before
            before = self.counter.get_total_flops()

        def end(module: nn.Module, _: Any, output: Any) -> None:
            flops = self.counter.get_total_flops() - before
            is_tensor = isinstance(output, Tensor)
            shape, size = (tuple(output.shape), output.nbytes) if is_tensor else (None, 0)
            kind = type(module).__name__
            self.rows.append(LayerSummary(name, kind, shape, self._new_parameters(module), flops // 2, size))

        module.register_forward_pre_hook(start)
        module.register_forward_hook(end)

    def _new_parameters(self, module: nn.Module) -> int:
        new = [parameter for parameter in module.parameters() if id(parameter) not in self.counted]
        self.counted |= {id(parameter) for parameter in new}
        return sum(parameter.numel() for parameter in new)


def _cells(layer: LayerSummary) -> tuple[str, ...]:
    shape = "" if layer.shape is None else "x".join(map(str, layer.shape))
    memory = f"{layer.bytes / 2**20:,.1f} MiB" if layer.bytes >= 2**20 else f"{layer.bytes / 2**10:,.1f} KiB"
    return layer.name, layer.kind, shape, f"{layer.parameters:,}", f"{layer.multiply_adds:,}", memory
