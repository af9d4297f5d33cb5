"""Where a convolution's norm and activation end, found in a symbolic trace of the module that owns it."""

import warnings
from collections import Counter

from torch import fx, nn

Place = tuple[nn.Module, str]
"""A module and the side of it, ``"input"`` or ``"output"``."""

_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.Identity, nn.Dropout, nn.Dropout2d)
_NO_ACTIVATIONS = ("GLU", "MultiheadAttention", "Softmax", "Softmax2d", "LogSoftmax", "Softmin", "Threshold")
_FUNCTIONS = {"relu", "relu_", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "hardswish"}
_FUNCTIONS |= {"hardtanh", "tanh", "sigmoid", "softplus", "prelu"}


class Activations:
    """Finds the activation behind a convolution: the paper's order is convolution, activation, blur."""

    def __init__(self, network: nn.Module) -> None:
        self._owners = Counter(id(child) for module in network.modules() for child in module._modules.values())
        self._graphs: dict[nn.Module, fx.Graph | None] = {}

    def places(self, owner: nn.Module, conv: nn.Module) -> list[Place]:
        """Where a blur is behind the convolution's activation on every path; empty if there is no such place.

        That is the output of the activation if it is a module that is called once, else the inputs of all that
        follows if these are modules that are called once.
        """
        calls = self._calls(owner, conv)
        activation = self._activation(owner, calls[0]) if len(calls) == 1 else None
        if activation is None:
            return []
        for nodes, side in (([activation], "output"), (list(activation.users), "input")):
            modules = [self._module_called_once(owner, node) for node in nodes]
            if modules and all(module is not None for module in modules):
                return [(module, side) for module in modules if module is not None]
        return []

    def _activation(self, owner: nn.Module, node: fx.Node) -> fx.Node | None:
        while len(node.users) == 1:
            node = next(iter(node.users))
            if node.op != "call_module":
                name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
                return node if name in _FUNCTIONS and node.op in ("call_function", "call_method") else None
            module = owner.get_submodule(str(node.target))
            if not isinstance(module, _NORMS):
                return node if _is_activation(module) else None
        return None

    def _module_called_once(self, owner: nn.Module, node: fx.Node) -> nn.Module | None:
        if node.op != "call_module" or len(node.args) != 1 or node.kwargs:
            return None
        module = owner.get_submodule(str(node.target))
        return module if len(self._calls(owner, module)) == 1 == self._owners[id(module)] else None

    def _calls(self, owner: nn.Module, module: nn.Module) -> list[fx.Node]:
        if owner not in self._graphs:
            self._graphs[owner] = _trace(owner)
        graph = self._graphs[owner]
        nodes = [node for node in graph.nodes if node.op == "call_module"] if graph else []
        return [node for node in nodes if owner.get_submodule(str(node.target)) is module]


def _is_activation(module: nn.Module) -> bool:
    cls = type(module)
    return cls.__module__ == "torch.nn.modules.activation" and cls.__name__ not in _NO_ACTIVATIONS


def _trace(module: nn.Module) -> fx.Graph | None:
    """The calls of a module's forward, or None if it cannot be traced."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return fx.Tracer().trace(module)
        except Exception:  # whatever code that is not ours raises for symbols
            return None
