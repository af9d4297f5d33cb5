"""Time FIR filters of every size and layout against the fastest form in plain torch and the official operators.

    python -m benchmarks.filters [--peers FOLDER] [--device cuda]

All variants of a row get the same tensors, contiguous or channels-last. "Plain" is the fastest of several ways to write
the filter as a user would: a depthwise convolution whose weight was made before, or slices (zeros inserted) and added.
The second table compares one call of :class:`stylelayers.Blur` on a tiny image with one of ``conv2d``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from stylelayers import Blur, Downsample2d, Upsample2d

from .operators import PHASES, Operator
from .peers import Official
from .plain import plain_upsample, sliced_blur
from .timing import arguments, interleaved, print_table

SHAPES = ((8, 64, 64, 64), (8, 32, 32, 32), (16, 64, 8, 8))
LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
HEADER = ("filter", "shape", "layout", "pass", "ours ms", "plain ms", "official ms", "ours / plain", "ours / official")


def main() -> None:
    options = arguments(__doc__ or "")
    torch.manual_seed(0)
    official, device = Official.found(options.peers), options.device
    table = [  # not inside `with torch.device`, which makes every call of torch slower
        times(variants, name, torch.randn(shape, device=device), layout, phase, options.rounds)
        for name in ("blur", "up", "down")
        for shape in SHAPES
        for variants in [filters(name, shape[1], official, device)]
        for layout in LAYOUTS
        for phase in PHASES
    ]
    calls = call_rows(options.rounds, device)
    print_table("FIR filters, float32", HEADER, table, options.device)
    print_table("One call on (1, 1, 4, 4)", ("call", "µs", "times conv2d"), calls, options.device)


def filters(name: str, channels: int, official: Official | None, device: str) -> dict[str, Operator]:
    """Ours, the plain forms (their names begin with "plain") and the official operator, if there is one."""
    taps = torch.tensor([1.0, 2.0, 1.0] if name == "blur" else [1.0, 3.0, 3.0, 1.0], device=device)
    taps = torch.outer(taps, taps) / taps.sum() ** 2
    weight = taps.expand(channels, 1, *taps.shape).contiguous()
    conv, spread = partial(F.conv2d, groups=channels), partial(F.conv_transpose2d, groups=channels)
    found: dict[str, dict[str, Operator]] = {
        "blur": {"ours": Blur(), "plain conv2d": partial(conv, weight=weight, padding=1), "plain slices": sliced_blur},
        "up": {
            "ours": Upsample2d(),
            "plain conv_transpose2d": partial(spread, weight=4 * weight, stride=2, padding=1),
            "plain zeros": plain_upsample,
        },
        "down": {"ours": Downsample2d(), "plain conv2d": partial(conv, weight=weight, stride=2, padding=1)},
    }
    theirs = {} if official is None else {"official": _official(official, name, device)}
    return found[name] | theirs


def times(variants: dict[str, Operator], name: str, x: Tensor, layout: str, phase: str, rounds: int) -> list[object]:
    x = x.contiguous(memory_format=LAYOUTS[layout])
    for other in variants.values():
        torch.testing.assert_close(other(x), variants["ours"](x), rtol=1e-4, atol=1e-4)
    run = PHASES[phase]
    found = interleaved({key: run(one, (x,)) for key, one in variants.items()}, rounds=rounds, seconds=0.05)
    plain = min(found[key] for key in found if key.startswith("plain"))
    theirs: float | str = found.get("official", "")
    ratio = found["ours"] / theirs if isinstance(theirs, float) else ""
    return [name, tuple(x.shape), layout, phase, found["ours"], plain, theirs, found["ours"] / plain, ratio]


def call_rows(rounds: int, device: str) -> list[list[object]]:
    x, weight, blur = torch.randn(1, 1, 4, 4, device=device), torch.randn(1, 1, 3, 3, device=device), Blur()
    calls: dict[str, Callable[[], object]] = {
        "conv2d": lambda: F.conv2d(x, weight, padding=1),
        "Blur": lambda: blur(x),
    }
    with torch.no_grad():
        found = interleaved(calls, rounds=rounds, seconds=0.05)
    return [[name, 1000 * time, time / found["conv2d"]] for name, time in found.items()]


def _official(official: Official, name: str, device: str) -> Operator:
    kernel = official.upfirdn2d.setup_filter([1, 2, 1] if name == "blur" else [1, 3, 3, 1])
    function = {"blur": "filter2d", "up": "upsample2d", "down": "downsample2d"}[name]
    return partial(getattr(official.upfirdn2d, function), f=kernel.to(device))


if __name__ == "__main__":
    main()
