"""Time the filtered leaky ReLU of StyleGAN3 against compositions of filters, and count what they save for backward.

    python -m benchmarks.filtered_lrelu [--peers FOLDER] [--device cuda] [--thread-time]

"Operators" composes `upfirdn2d` and `bias_act` of this package; "plain" is plain torch: zeros inserted, one depthwise
convolution an axis; "official" is its own path in plain torch on CPUs. All get the same tensors, contiguous or
channels-last, and their results are compared before they are timed. ``--thread-time`` times one thread of the
processor, for a machine that does other work too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import thread_time
from typing import Any

import torch
from torch import Tensor

from stylelayers.functional import bias_act, filtered_lrelu, lowpass_filter, upfirdn2d

from .operators import PHASES, Operator
from .peers import Official
from .plain import plain_filtered_lrelu
from .timing import arguments, interleaved, print_table

SHAPE = (4, 64, 48, 48)
LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
FORMS = ("operators", "plain", "official")
LAYERS: dict[str, dict[str, Any]] = {  # of configurations T and R, and one that grows
    "T, up 2, down 2": {"up": 2, "down": 2, "padding": (11, 10, 11, 10)},
    "R, up 2, down 2": {"up": 2, "down": 2, "padding": (11, 10, 11, 10), "radial": True},
    "T, up 4, down 2": {"up": 4, "down": 2, "padding": (18, 15, 18, 15)},
}


def main() -> None:
    options = arguments(__doc__ or "", thread_time=False)
    if options.thread_time:
        torch.set_num_threads(1)
    clock = thread_time if options.thread_time else None
    torch.manual_seed(0)
    official = Official.found(options.peers)
    table, memory = [], []
    for name, layer in LAYERS.items():
        forms = forms_of(**layer, official=official, device=options.device)
        x, bias = torch.randn(SHAPE, device=options.device), torch.randn(SHAPE[1], device=options.device)
        memory.append([name, *(saved(forms[form], x, bias) if form in forms else "" for form in ("ours", *FORMS))])
        for layout, memory_format in LAYOUTS.items():
            inputs = (x.contiguous(memory_format=memory_format), bias)
            for form in forms.values():
                torch.testing.assert_close(form(*inputs), forms["ours"](*inputs), rtol=1e-4, atol=1e-4)
            table += [[name, layout, phase, *times(forms, inputs, phase, options.rounds, clock)] for phase in PHASES]
    columns = [f"ours / {form}" for form in FORMS]
    header = ("layer", "layout", "pass", "ours ms", *(f"{form} ms" for form in FORMS), *columns)
    print_table(f"filtered_lrelu on {SHAPE}, float32", header, table, options.device)
    header = ("layer", "ours MiB", *(f"{form} MiB" for form in FORMS))
    print_table(f"Saved for the backward pass of {SHAPE}", header, memory, options.device)


def forms_of(
    *,
    up: int,
    down: int,
    padding: tuple[int, ...],
    radial: bool = False,
    official: Official | None = None,
    device: str = "cpu",
) -> dict[str, Operator]:
    """Ours and the compositions, by name: functions of images and bias."""
    up_taps = lowpass_filter(6 * up, 1.0, 1.0, 2.0 * up)
    down_taps = lowpass_filter(6 * down, 1.0, 1.0, 2.0 * down, radial=radial)
    numbers: dict[str, Any] = {"up_filter": _numbers(up_taps), "down_filter": _numbers(down_taps)}
    factors: dict[str, Any] = {"up": up, "down": down, "padding": padding, "clamp": 256.0}
    taps: dict[str, Any] = {"up_filter": up_taps.to(device), "down_filter": down_taps.to(device)}
    found: dict[str, Operator] = {
        "ours": partial(filtered_lrelu, **numbers, **factors),
        "operators": partial(composed, **numbers, **factors),
        "plain": partial(plain_filtered_lrelu, **taps, **factors),
    }
    if official is not None:
        fu, fd = taps.values()
        theirs = official.filtered_lrelu.filtered_lrelu
        found["official"] = lambda x, bias: theirs(x, fu, fd, bias, **{**factors, "padding": list(padding)})
    return found


def composed(
    x: Tensor, bias: Tensor, *, up_filter: Any, down_filter: Any, up: int, down: int, padding: Any, clamp: float
) -> Tensor:
    x = upfirdn2d(bias_act(x, bias), up_filter, up=up, padding=padding, gain=up**2)
    return upfirdn2d(bias_act(x, activation="lrelu", clamp=clamp), down_filter, down=down)


def times(
    forms: dict[str, Operator], inputs: tuple[Tensor, ...], phase: str, rounds: int, clock: Callable[[], float] | None
) -> list[object]:
    runs = {name: PHASES[phase](form, inputs) for name, form in forms.items()}
    found = interleaved(runs, rounds=rounds, seconds=0.02, clock=clock)
    ratios = [found["ours"] / found[form] if form in found else "" for form in FORMS]
    return [found["ours"], *(found.get(form, "") for form in FORMS), *ratios]


def saved(form: Operator, x: Tensor, bias: Tensor) -> float:
    """MiB that autograd keeps until the backward pass."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = form(x.clone().requires_grad_(), bias.clone().requires_grad_())
    del result
    return sum(kept.values()) / 2**20


def _numbers(taps: Tensor) -> Any:
    """Plain numbers in tuples, which ours prepares once."""
    return tuple(taps.tolist()) if taps.ndim == 1 else tuple(map(tuple, taps.tolist()))


if __name__ == "__main__":
    main()
