"""A blur with a stride, attached to a live module by a hook, so that no name in the state dict changes."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ..functional import upfirdn2d
from ..functional.fir_kernel import CheckedTaps, Numbers, is_separable, size_of
from ..functional.resample import pad2d
from ..layers._resampling import fir_taps, format_taps


class StrideBlur(nn.Module):
    """Low-pass filter, then every `stride`-th pixel from the first: ``H`` → ``ceil(H / stride)``.

    A 1-D filter works along the axes whose stride is above 1 alone.

    Args:
        taps: FIR taps, normalized here.
        stride: ``(vertical, horizontal)``.
        padding_mode: ``"zeros"``, ``"reflect"`` or ``"replicate"``.

    Shape:
        ``(N, C, H, W)`` → ``(N, C, ceil(H / stride), ceil(W / stride))``.
    """

    def __init__(self, taps: Numbers, stride: tuple[int, int], padding_mode: str) -> None:
        super().__init__()
        self.taps, self.stride, self.padding_mode = taps, stride, padding_mode
        if is_separable(taps) and 1 in stride:
            self.taps = CheckedTaps((taps,) if stride[0] == 1 else tuple((tap,) for tap in taps))

    def forward(self, x: Tensor) -> Tensor:
        height, width = size_of(self.taps)
        sides = ((width - 1) // 2, width // 2, (height - 1) // 2, height // 2)
        return upfirdn2d(pad2d(x, sides, self.padding_mode), self.taps, down=self.stride[::-1])

    def extra_repr(self) -> str:
        return f"{format_taps(self.taps)}, stride={self.stride}, padding_mode={self.padding_mode!r}"


def checked_taps(taps: Sequence[Any] | Tensor) -> Numbers:
    return fir_taps("blur_strides", taps)


def attach(module: nn.Module, side: str, blur: StrideBlur) -> None:
    """Blur the ``"input"`` or the ``"output"`` of each call of a module; the blur becomes its child."""
    module.add_module(f"{side}_blur", blur)
    if side == "input":
        module.register_forward_pre_hook(_blur_input)
    else:
        module.register_forward_hook(_blur_output)


def is_free(module: nn.Module, side: str) -> bool:
    return not hasattr(module, f"{side}_blur")


def _blur_input(module: Any, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (module.input_blur(args[0]), *args[1:])


def _blur_output(module: Any, args: tuple[Tensor, ...], output: Tensor) -> Any:
    return module.output_blur(output)
