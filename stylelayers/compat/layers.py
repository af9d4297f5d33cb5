"""Exchange of a live network's layers for ones that compute the same by this package's operators."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from . import _lifespan_layers, _port_layers
from ._adopted import AdoptedLayer
from ._layer_report import LayerReport, check_network, has_hooks

_KINDS: dict[str, tuple[type[AdoptedLayer], ...]] = {
    "Blur": (_port_layers.Blur, _lifespan_layers.Blur),
    "Downsample": (_port_layers.Downsample,),
    "EqualLinear": (_port_layers.EqualLinear, _lifespan_layers.EqualLinear),
    "FusedLeakyReLU": (_port_layers.FusedLeakyReLU,),
    "ModulatedConv2d": (_port_layers.ModulatedConv2d, _lifespan_layers.ModulatedConv2d),
    "PixelNorm": (_port_layers.PixelNorm, _lifespan_layers.PixelNorm),
    "Upsample": (_port_layers.Upsample,),
}
_HARMLESS = {
    "forward",
    "extra_repr",
    "reset_parameters",
    "__init__",
    "__repr__",
    "__module__",
    "__doc__",
    "__qualname__",
}
_HARMLESS |= {"__annotations__", "__annotate_func__", "__annotations_cache__", "__dict__", "__weakref__"}
_HARMLESS |= {"__firstlineno__", "__static_attributes__"}
_TOLERANCE = 1e-9


def replace_layers(network: nn.Module) -> LayerReport:
    """Exchange a network's StyleGAN layers, in place, for ones with the same state and this package's operators.

    Layers of two projects and their copies are recognized, by class name, attributes and shapes, never by import:

    - the PyTorch port (github.com/rosinality/stylegan2-pytorch): ``Blur``, ``Upsample``, ``Downsample``,
      ``EqualLinear``, ``PixelNorm``, ``ModulatedConv2d``, ``FusedLeakyReLU``;
    - Lifespan-Age (github.com/royorel/Lifespan_Age_Transformation_Synthesis): ``Blur``, ``EqualLinear``,
      ``PixelNorm``, ``ModulatedConv2d``.

    A layer is exchanged only if both forwards agree on an example within 1e-9 of its largest value, in float64, with
    random parameters. Each module object stays and its class changes. So parameters are the same objects (an
    optimizer goes on), and state-dict keys, shared modules, tied weights, devices, dtypes, modes, hooks of the
    layer and forward's arguments stay. Only ``isinstance`` with the former class is no longer true.

    Left, with the reason: a subclass with methods of its own, other attributes, other values, a forward set on the
    object, hooks on a child that ours would not call, parameters on the meta device. Layers of torch and of this
    package are not reported.

    Args:
        network: any module, also a single layer.

    Returns:
        What was changed and what was left, to print.

    Raises:
        ValueError: `network` is no module.

    Example:
        >>> from torch import nn
        >>> from stylelayers.compat import replace_layers
        >>> print(replace_layers(nn.Sequential(nn.Linear(4, 4))))
        0 replaced
        0 left
    """
    check_network("replace_layers", network)
    texts: dict[str, tuple[bool, str]] = {}
    for name, layer in reversed(list(network.named_modules())):  # a layer's children before the layer
        kind = _kind(layer)
        if kind is not None:
            texts[name] = _replace(layer, kind)
    named = list(reversed(texts.items()))
    return LayerReport(
        replaced={name: text for name, (done, text) in named if done},
        left={name: text for name, (done, text) in named if not done},
    )


def _kind(layer: nn.Module) -> str | None:
    """The first class name of a layer that this knows, not counting torch's and our own layers."""
    classes = [cls for cls in type(layer).__mro__ if cls.__name__ in _KINDS]
    if not classes or classes[0].__module__.partition(".")[0] in ("torch", "stylelayers"):
        return None
    return classes[0].__name__


def _replace(layer: nn.Module, kind: str) -> tuple[bool, str]:
    """Exchange the class of a layer; whether that was done, and the text for the report."""
    if any(tensor.is_meta for tensor in (*layer.parameters(), *layer.buffers())):
        return False, "its tensors are on the meta device"
    candidates = [candidate for candidate in _KINDS[kind] if candidate.fits(layer)]
    if not candidates:
        return False, f"its attributes, or a child that was left, are those of no {kind} that is known here"
    reason = _addition(layer, kind)
    for candidate in candidates if reason is None else ():
        reason = _exchange(layer, candidate)
        if reason is None:
            return True, f"{kind} of {candidate.origin}"
    return False, str(reason)


def _addition(layer: nn.Module, kind: str) -> str | None:
    """How a layer differs from the class of its name, if it does."""
    for cls in type(layer).__mro__[: type(layer).__mro__.index(nn.Module)]:
        own = sorted(set(vars(cls)) - _HARMLESS)
        if own:
            return f"its class {cls.__name__} has {', '.join(own)} of its own"
        if cls.__name__ != kind and "forward" in vars(cls):
            return f"its class {cls.__name__} overrides forward"
    return "its forward was set on the object" if "forward" in vars(layer) else None


def _exchange(layer: Any, candidate: type[AdoptedLayer]) -> str | None:
    """Exchange the class if that changes no value; the reason if it would."""
    hooked = [name for name in candidate.uncalled if has_hooks(layer._modules.get(name) or nn.Identity())]
    if hooked:
        return f"its {hooked[0]} has hooks, which would not be called"
    former, state = type(layer), dict(vars(layer))
    try:
        examples = candidate.examples(layer)
        expected = _outputs(layer, examples)
        layer.__class__ = candidate
        layer.adopt()
        agree = all(map(_close, _outputs(layer, examples), expected))
        reason = None if agree else f"its values are not those of {candidate.__name__} of {candidate.origin}"
    except Exception as error:  # of code that is not ours
        reason = f"trying it failed: {type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
    if reason is not None:
        layer.__class__ = former
        _restore(layer, state)
    return reason


def _close(actual: Tensor, expected: Tensor) -> bool:
    tolerance = (_TOLERANCE if expected.dtype == torch.float64 else 1e-5) * float(expected.abs().max())
    return actual.shape == expected.shape and torch.allclose(actual, expected, rtol=0.0, atol=tolerance)


def _outputs(layer: nn.Module, examples: list[tuple[Tensor, ...]]) -> list[Tensor]:
    device = next((tensor.device for tensor in (*layer.parameters(), *layer.buffers())), torch.device("cpu"))
    dtype = torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
    with torch.no_grad(), torch.autocast(device.type, enabled=False), _rehearsal(layer, dtype):
        return [layer.forward(*(x.to(device, dtype) for x in inputs)) for inputs in examples]


@contextmanager
def _rehearsal(layer: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """Random parameters, one dtype, and no hooks but those that compute weights; all is restored behind."""
    states = [(module, dict(vars(module))) for module in layer.modules()]
    try:
        for module, state in states:
            vars(module)["_parameters"] = {
                name: value if value is None else _random_like(value, dtype)
                for name, value in state["_parameters"].items()
            }
            vars(module)["_buffers"] = {
                name: value if value is None else _in_dtype(value, dtype) for name, value in state["_buffers"].items()
            }
            computed = {name: value for name, value in state.items() if isinstance(value, Tensor)}
            vars(module).update({name: _in_dtype(value, dtype) for name, value in computed.items()})
            vars(module)["_forward_hooks"] = {}
            vars(module)["_forward_pre_hooks"] = {
                key: hook for key, hook in state["_forward_pre_hooks"].items() if type(hook).__name__ == "EqualLR"
            }
        yield
    finally:
        for module, state in states:
            _restore(module, state)


def _in_dtype(value: Tensor, dtype: torch.dtype) -> Tensor:
    return value.to(dtype) if value.is_floating_point() else value


def _random_like(value: Tensor, dtype: torch.dtype) -> nn.Parameter:
    generator = torch.Generator().manual_seed(value.numel())
    noise = torch.randn(value.shape, generator=generator, dtype=dtype)
    return nn.Parameter(noise.to(value.device), requires_grad=False)


def _restore(module: nn.Module, state: dict[str, Any]) -> None:
    vars(module).clear()
    vars(module).update(state)
