"""Report of a surgery on the layers of a network."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass(frozen=True)
class LayerReport:
    """Layers that were changed and layers that were left, by their names in ``network.named_modules()``.

    A module with several names stands under the first. ``str()`` gives one line a layer.

    Attributes:
        replaced: name → the change.
        left: name → the reason.

    Example:
        >>> from stylelayers.compat import LayerReport
        >>> print(LayerReport(replaced={"blur": "Blur of the PyTorch port"}))
        1 replaced
        0 left
        replaced blur: Blur of the PyTorch port
    """

    replaced: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        groups = {"replaced": self.replaced, "left": self.left}
        lines = [f"{len(layers)} {verb}" for verb, layers in groups.items()]
        for verb, layers in groups.items():
            lines += [f"{verb} {name or 'the network itself'}: {text}" for name, text in layers.items()]
        return "\n".join(lines)


def check_network(caller: str, network: Any) -> None:
    if not isinstance(network, nn.Module):
        raise ValueError(f"{caller}: network must be a torch.nn.Module, got {type(network).__name__}")


def has_hooks(module: nn.Module) -> bool:
    """Whether calling a module does more than its forward."""
    return any((module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks))
