"""Anti-aliased strides in any network (Zhang 2019, Making Convolutional Networks Shift-Invariant Again).

Differences from what others offer: timm and antialiased-cnns build such networks, kornia has the layers; Composer
exchanges the layers of a network, and by default blurs before the convolution. Here the order is the paper's,
parameters, names in the state dict and sizes stay, and the blur is found behind the activation.
"""

from collections.abc import Collection, Sequence
from typing import Any

from torch import Tensor, nn

from .._checks import check_choice
from ..functional.fir_kernel import Numbers, size_of
from ..functional.resample import PADDING_MODES
from ._after_activation import Activations, Place
from ._layer_report import LayerReport, check_network
from ._stride_blur import StrideBlur, attach, checked_taps, is_free

_STRIDED = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


def blur_strides(
    network: nn.Module,
    filter: Sequence[Any] | Tensor = (1, 2, 1),
    *,
    padding_mode: str = "reflect",
    skip: Collection[str] = (),
) -> LayerReport:
    """Blur before each stride of a network, in place, so that shifted images give more similar outputs.

    arXiv:1904.11486, section 3.2, for strides above 1:

    - max pool: the pool with stride 1, then the blur with the stride;
    - convolution and activation: the convolution with stride 1, the activation, then the blur with the stride. The
      activation, also behind a norm, is found if ``torch.fx`` can trace the module that owns the convolution and
      nothing else uses what lies between; otherwise the blur follows the convolution. A 1x1 convolution without
      padding and activation comes after the blur, which is the same and four times less work;
    - average pool: the pool with stride 1, then the blur. The paper has the blur alone, which would change the size
      of odd images and move the result by half a pixel.

    Parameters, names in the state dict and output sizes stay. The blur is a child ``output_blur`` or ``input_blur``
    of the module that it follows or precedes, and runs as a hook of that module. A strided convolution takes about
    four times as long, for stride 2.

    Left, with the reason: layers in `skip`, subclasses that override forward, pools that return indices or round
    sizes up, and strides larger than the filter. Pooling by functions and by other modules is not seen.

    Args:
        network: any module, for example a classifier, trained or not.
        filter: FIR taps, 1-D or 2-D, normalized here; longer ones blur more.
        padding_mode: of the blur, ``"zeros"``, ``"reflect"`` or ``"replicate"``. To reflect, feature maps must be
            larger than half the filter.
        skip: names from ``network.named_modules()`` to leave, with all that is below them.

    Returns:
        What was changed and what was left, to print.

    Raises:
        ValueError: no module, wrong taps, an unknown mode, or an unknown name to skip.

    Example:
        >>> from torch import nn
        >>> from stylelayers.compat import blur_strides
        >>> print(blur_strides(nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU())))
        1 replaced
        0 left
        replaced 0: Conv2d with stride (2, 2), blurred at the output of 1
    """
    check_network("blur_strides", network)
    taps = checked_taps(filter)
    check_choice("blur_strides", "padding_mode", padding_mode, PADDING_MODES)
    names = {module: name for name, module in network.named_modules()}
    _check_skip(skip, dict(network.named_modules(remove_duplicate=False)))
    activations, owners = Activations(network), _owners(network)
    report = LayerReport()
    for module, name in names.items():
        stride = _stride(module)
        if stride is None:
            continue
        reason = "it is skipped" if _is_below(name, skip) else _obstacle(module, stride, taps)
        if reason is not None:
            report.left[name] = reason
            continue
        places = _places(module, owners.get(module), activations)
        for place, side in places:
            attach(place, side, StrideBlur(taps, stride, padding_mode))
        module.stride = (1, 1)
        at = ", ".join(f"the {side} of {names[place] or 'the network'}" for place, side in places)
        report.replaced[name] = f"{type(module).__name__} with stride {stride}, blurred at {at}"
    return report


def _stride(module: Any) -> tuple[int, int] | None:
    """``(vertical, horizontal)`` of a layer with a stride above 1."""
    if not isinstance(module, _STRIDED):
        return None
    stride: Any = module.stride
    vertical, horizontal = stride if isinstance(stride, (tuple, list)) else (stride, stride)
    return (vertical, horizontal) if max(vertical, horizontal) > 1 else None


def _obstacle(module: Any, stride: tuple[int, int], taps: Numbers) -> str | None:
    base: Any = next(cls for cls in _STRIDED if isinstance(module, cls))
    methods = ("forward", "_conv_forward") if base is nn.Conv2d else ("forward",)
    if any(getattr(type(module), name) is not getattr(base, name) or name in vars(module) for name in methods):
        return f"its class {type(module).__name__} overrides forward"
    if getattr(module, "return_indices", False):
        return "it returns indices, which would not fit"
    if getattr(module, "ceil_mode", False):
        return "it rounds its size up (ceil_mode)"
    if any(step > size for step, size in zip(stride, size_of(taps), strict=True)):
        return f"its stride {stride} is larger than the filter {size_of(taps)}"
    return None if is_free(module, "output") else "it has an output_blur already"


def _places(module: nn.Module, owner: nn.Module | None, activations: Activations) -> list[Place]:
    """Where the blur of a stride belongs."""
    if isinstance(module, nn.Conv2d):
        places = activations.places(owner, module) if owner is not None else []
        if places and all(is_free(*place) for place in places):
            return places
        pointwise = module.kernel_size == (1, 1) and module.padding in ((0, 0), "valid", "same")
        if pointwise and not places and is_free(module, "input"):
            return [(module, "input")]
    return [(module, "output")]


def _owners(network: nn.Module) -> dict[nn.Module, nn.Module]:
    """A module → one that has it as a child; the first of several."""
    owners: dict[nn.Module, nn.Module] = {}
    for module in network.modules():
        for child in module.children():
            owners.setdefault(child, module)
    return owners


def _is_below(name: str, tops: Collection[str]) -> bool:
    return any(name == top or name.startswith(f"{top}.") for top in tops)


def _check_skip(skip: Any, known: Collection[str]) -> None:
    if isinstance(skip, str):
        raise ValueError(f"blur_strides: skip must be a collection of names, got {skip!r}")
    unknown = [name for name in skip if name not in known]
    if unknown:
        raise ValueError(f"blur_strides: skip must hold names of modules of the network, got {unknown[0]!r}")
