"""Time operators (forward, forward + backward, double backward) against plain torch, official code and a copy.

    python -m benchmarks.operators [--peers FOLDER] [--device cuda]

Ours run channels-last, as in our networks, the others contiguous, as in theirs. Double backward differentiates the
squared norm of the gradient. Results are compared before they are timed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stylelayers import ModulatedConv2d
from stylelayers.functional import (
    bias_act,
    blur2d,
    downsample2d,
    filtered_lrelu,
    lowpass_filter,
    modulated_conv2d,
    upsample2d,
)

from .peers import Official, Rosinality
from .plain import (
    PlainModulatedConv2d,
    plain_bias_act,
    plain_blur,
    plain_downsample,
    plain_filtered_lrelu,
    plain_upsample,
)
from .timing import arguments, interleaved, print_table

SHAPE = (8, 64, 64, 64)
Operator = Callable[..., Tensor]


class Row(NamedTuple):
    """Versions of one operator, called with `inputs`; None if missing.

    For zero-padded modulated convolutions "plain" is the widely used port, if there is a checkout of it.
    """

    name: str
    ours: Operator
    plain: Operator | None
    official: Operator | None
    inputs: tuple[Tensor, ...]


def main() -> None:
    options = arguments(__doc__ or "")
    torch.manual_seed(0)
    with torch.device(options.device):
        rows = operator_rows(Official.found(options.peers), Rosinality.found(options.peers))
        table = [times(row, phase, options.rounds) for row in rows for phase in PHASES]
        peaks = peak_rows(options.rounds)
    header = (
        "operator",
        "pass",
        "ours ms",
        "plain ms",
        "official ms",
        "ours / plain",
        "ours / official",
        "ours / copy",
    )
    print_table(f"Operators on {SHAPE} float32", header, table, options.device)
    print_table("Peaks", ("operation", "GFLOP/s or GB/s"), peaks, options.device)


def operator_rows(official: Official | None, port: Rosinality | None) -> list[Row]:
    x, bias = torch.randn(SHAPE), torch.randn(SHAPE[1])
    rows = [
        Row("blur", partial(blur2d, kernel=(1, 2, 1)), plain_blur, _official_fir(official, "filter2d", 3), (x,)),
        Row("upsample", upsample2d, plain_upsample, _official_fir(official, "upsample2d", 4), (x,)),
        Row("downsample", downsample2d, plain_downsample, _official_fir(official, "downsample2d", 4), (x,)),
        Row(
            "bias_act lrelu", partial(bias_act, activation="lrelu"), plain_bias_act, _official_act(official), (x, bias)
        ),
    ]
    layer: dict[str, Any] = {"up": 2, "down": 2, "padding": (11, 10, 11, 10), "clamp": 256.0}
    taps = lowpass_filter(12, 1.0, 1.0, 4.0)
    filters: dict[str, Any] = {"up_filter": taps.to(x.device), "down_filter": taps.to(x.device)}
    numbers: dict[str, Any] = dict.fromkeys(filters, tuple(taps.tolist()))
    rows.append(
        Row(
            "filtered lrelu",
            partial(filtered_lrelu, **numbers, **layer),
            partial(plain_filtered_lrelu, **filters, **layer),
            _official_filtered(official, layer, taps.to(x.device)),
            (x, bias),
        )
    )
    weight, style = torch.randn(64, 64, 3, 3), torch.randn(8, 64)
    for resample, up, down in ((None, 1, 1), ("up", 2, 1), ("down", 1, 2)):
        zeros = partial(modulated_conv2d, up=up, down=down, padding=1, kernel=(1, 3, 3, 1))
        theirs = _official_convolution(official, up, down)
        name = f"modulated conv {resample or 'plain'}"
        rows.append(Row(name, zeros, _port_convolution(port, resample), theirs, (x, weight, style)))
        ours, plain = _reflect_pair(resample)
        rows.append(Row(f"{name}, reflect", ours, plain, None, (x, torch.randn(8, 32))))
    return rows


def times(row: Row, phase: str, rounds: int) -> list[object]:
    others = {"plain": row.plain, "official": row.official}
    expected = row.ours(*row.inputs)
    for other in filter(None, others.values()):
        torch.testing.assert_close(other(*row.inputs), expected, rtol=1e-3, atol=1e-3)
    run = PHASES[phase]
    variants: dict[str, Callable[[], object]] = {"ours": run(row.ours, _channels_last(row.inputs))}
    variants |= {name: run(other, row.inputs) for name, other in others.items() if other is not None}
    target = torch.empty_like(row.inputs[0])
    found = interleaved({**variants, "copy": partial(target.copy_, row.inputs[0])}, rounds=rounds, seconds=0.05)
    ratios = [found["ours"] / found[name] if name in found else "" for name in ("plain", "official", "copy")]
    return [row.name, phase, *(found.get(name, "") for name in ("ours", "plain", "official")), *ratios]


def forward(function: Operator, inputs: tuple[Tensor, ...]) -> Callable[[], object]:
    return torch.no_grad()(partial(function, *inputs))


def backward(function: Operator, inputs: tuple[Tensor, ...]) -> Callable[[], object]:
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    parameters: list[Tensor] = list(function.parameters()) if isinstance(function, nn.Module) else []
    direction = torch.randn_like(function(*leaves).detach())
    return lambda: torch.autograd.grad(function(*leaves), leaves + parameters, direction)


def double_backward(function: Operator, inputs: tuple[Tensor, ...]) -> Callable[[], object]:
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    direction = torch.randn_like(function(*leaves).detach()).requires_grad_()  # linear gradients depend on it only

    def run() -> object:
        gradients = torch.autograd.grad(function(*leaves), leaves, direction, create_graph=True)
        norm = sum((gradient.square().sum() for gradient in gradients), start=torch.zeros(()))
        return torch.autograd.grad(norm, [*leaves, direction], allow_unused=True)

    return run


PHASES = {"forward": forward, "forward + backward": backward, "double backward": double_backward}


def peak_rows(rounds: int) -> list[list[object]]:
    """Peak rates of the machine: matrix product, 3x3 convolution and copy of large tensors."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    x, weight = _channels_last((torch.randn(8, 128, 64, 64), torch.randn(128, 128, 3, 3)))
    copied, target = torch.randn(SHAPE), torch.empty(SHAPE)
    with torch.no_grad():
        found = interleaved(
            {
                "matmul": lambda: a @ b,
                "conv": lambda: torch.nn.functional.conv2d(x, weight, padding=1),
                "copy": lambda: target.copy_(copied),
            },
            rounds=rounds,
        )
    return [
        ["1024x1024 matrix product", 2 * 1024**3 / found["matmul"] / 1e6],
        ["3x3 convolution 128 -> 128, 8x64x64", 2 * 9 * 128**2 * 8 * 64**2 / found["conv"] / 1e6],
        [f"copy of {SHAPE}, read + written", 2 * copied.nbytes / found["copy"] / 1e6],
    ]


def _channels_last(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(t.to(memory_format=torch.channels_last) if t.ndim == 4 else t for t in tensors)


def _reflect_pair(resample: str | None) -> tuple[nn.Module, nn.Module]:
    """Our layer and the plain one, with equal parameters."""
    plain = PlainModulatedConv2d(64, 32, resample)
    ours = ModulatedConv2d(64, 64, 3, 32, resample=resample, padding_mode="reflect", bias=False)
    with torch.no_grad():
        ours.weight.copy_(plain.weight)
        ours.affine.weight.copy_(plain.affine.weight / ours.affine.scale)
        ours.affine.get_parameter("bias").copy_(plain.affine.bias)
    return ours, plain


def _official_fir(official: Official | None, name: str, taps: int) -> Operator | None:
    if official is None:
        return None
    kernel = official.upfirdn2d.setup_filter([1, 2, 1] if taps == 3 else [1, 3, 3, 1]).to(torch.get_default_device())
    return partial(getattr(official.upfirdn2d, name), f=kernel)


def _official_filtered(official: Official | None, layer: dict[str, Any], taps: Tensor) -> Operator | None:
    if official is None:
        return None
    options = {**layer, "padding": list(layer["padding"])}
    return lambda x, bias: official.filtered_lrelu.filtered_lrelu(x, taps, taps, bias, **options)


def _official_act(official: Official | None) -> Operator | None:
    return None if official is None else partial(official.bias_act.bias_act, act="lrelu")


def _official_convolution(official: Official | None, up: int, down: int) -> Operator | None:
    if official is None:
        return None
    kernel: Any = official.upfirdn2d.setup_filter([1, 3, 3, 1]).to(torch.get_default_device())

    def call(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
        weight = weight.flip(2, 3) if up > 1 else weight  # the official code flips the kernels of upsampling layers
        result: Tensor = official.networks.modulated_conv2d(
            x,
            weight,
            style,
            up=up,
            down=down,
            padding=1,
            resample_filter=kernel,
            flip_weight=up == 1,
            fused_modconv=False,
        )
        return result

    return call


def _port_convolution(port: Rosinality | None, resample: str | None) -> Operator | None:
    if port is None:
        return None
    layer = port.model.ModulatedConv2d(64, 64, 3, 64, upsample=resample == "up", downsample=resample == "down")
    layer.modulation = nn.Identity()

    def call(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
        weight = weight.flip(2, 3) if resample == "up" else weight
        result: Tensor = torch.func.functional_call(layer, {"weight": weight[None] / layer.scale}, (x, style))
        return result

    return call


if __name__ == "__main__":
    main()
