"""The matrix: a row per public operator, layer, network and loss, a column per way to differentiate or store it.

`tests/modes.py` says how a cell is checked, `tests/test_matrix.py` checks them all and fails where a public name has no
row. ``python -m tests.matrix`` prints the table of `docs/derivatives.md`. A cell is left out only for a stated reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from stylelayers import functional, layers, losses, models
from stylelayers.compat import port
from stylelayers.compat.official import conv2d_resample, filtered_lrelu, fma, grid_sample_gradfix, upfirdn2d
from stylelayers.layers import Sampling

OFFICIAL: dict[str, Callable[..., Tensor]] = {  # those that are not made of other rows alone
    "conv2d_resample": conv2d_resample.conv2d_resample,
    "filtered_lrelu": filtered_lrelu.filtered_lrelu,
    "fma": fma.fma,
    "grid_sample": grid_sample_gradfix.grid_sample,
    "upfirdn2d": upfirdn2d.upfirdn2d,
}
PACKAGES: dict[str, Any] = {
    "functional": functional,
    "layers": layers,
    "models": models,
    "losses": losses,
    "port": port,
    "official": SimpleNamespace(__all__=[*OFFICIAL], **OFFICIAL),
}
NOT_OPERATORS = {
    "functional.activation_names": "lists names",
    "functional.lowpass_filter": "makes a constant of numbers",
    "functional.fir_kernel": "makes a constant and refuses taps that require grad",
    "functional.register_activation": "adds a name; tests/test_testing.py checks what it adds",
    "layers.Sampling": "describes how a feature map samples a signal",
    "layers.motion": "makes a constant",
    "models.Summary": "holds a table",
    "models.summarize": "counts layers, computes nothing",
    "losses.interpolates": "makes images without a graph",
    "models.AliasFreePlan": "plans layers",
    "models.StyleGenerator": "what `models.Generator` and `models.AliasFreeGenerator` share",
    "models.StyleSynthesis": "what `models.SynthesisNetwork` and `models.AliasFreeSynthesis` share",
    "port.FusedLeakyReLU": "a module of `port.fused_leaky_relu` and its bias",
    "port.conv2d_gradfix": "a module, whose convolutions `official.conv2d_resample` has too",
    "port.upfirdn2d_native": "another signature of `port.upfirdn2d`",
}

MODES = {
    "1st": "first order against finite differences, float64",
    "2nd": "second order against finite differences, float64",
    "3rd": "third order against finite differences, float64, through a nonlinear function",
    "fwd": "forward mode, and forward over reverse, in eager mode",
    "batched": "gradients for many output gradients at once (`is_grads_batched`), both orders",
    "grad": "`torch.func.grad`",
    "vjp": "`torch.func.vjp`",
    "vmap": "`torch.vmap` of the value and of the gradients, over inputs and parameters",
    "sample": "per-sample gradients: `vmap` of `grad` with shared parameters",
    "jacrev": "`torch.func.jacrev`",
    "grad²": "`torch.func.grad` of the squared norm of `torch.func.grad`",
    "ensembles": "`vmap` of `functional_call` over `torch.func.stack_module_state`, the skeleton on the meta device "
    "(of a function: over its weights): value, first and second order",
    "Hessian": "`torch.func.hessian`; along a direction also the other nestings of `jacfwd` and `jacrev`",
    "bf16": "forward, backward and double backward under bfloat16 autocast, close to float32",
    "fp16": "the same under float16 autocast",
    "strided": "non-contiguous inputs and parameters: value, first and second order",
    "last": "channels-last inputs and parameters: value, first and second order",
    "expand": "inputs expanded from one sample: value, first and second order",
    "empty": "an empty batch: shape, finite first and second order",
    "compile": "`torch.compile(fullgraph=True)`: value and all gradients, including those of parameters",
    "trace": "`torch.jit.trace`, under `no_grad` and without, called with another batch size too: value, both orders",
    "copy": "`deepcopy` and `pickle`",
    "state": "`state_dict` round trip",
    "meta": "shape on the meta device; `to_empty` + `reset_parameters` restore the state of a new module",
}

STATELESS = "a function has no state"
ONE_NUMBER = "one number per batch, not per sample"
NO_MEAN = "the mean over an empty batch is NaN"
NO_IMAGE = "no input of four dimensions"
NO_INPUT = "takes a number, not a tensor"
GROUPED = "the samples of a group depend on each other"
LIVE_GRAPH = "differentiates an existing graph; use the `_vjp` form"

NO_TRANSFORMS = "`torch.jit.trace` does not support `torch.func`"

Shapes = Sequence[tuple[int, ...]]


@dataclass(frozen=True)
class Row:
    """One thing to check.

    Attributes:
        name: where it is public, ``"layers.Blur"``.
        make: the function, called with inputs, then weights; or the module's constructor.
        inputs: shapes of the inputs, without the batch.
        weights: shapes of a function's other tensors.
        options: constants of the call.
        variant: tells rows of one name apart.
        batch: number of samples.
        left_out: mode → why there is nothing to check.
    """

    name: str
    make: Callable[..., Any]
    inputs: Shapes = ()
    weights: Shapes = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""
    batch: int = 2
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name} {self.variant}".strip()

    @property
    def is_module(self) -> bool:
        return self.name.rpartition(".")[2][0].isupper()

    def reason(self, mode: str) -> str | None:
        """Why `mode` is left out; None where it is checked."""
        if mode in self.left_out:
            return self.left_out[mode]
        if mode in ("copy", "state") and not self.is_module:
            return STATELESS
        if mode == "ensembles" and not (self.is_module or self.weights):
            return STATELESS
        if mode in ("strided", "last", "expand", "empty", "sample", "trace") and not self.inputs:
            return NO_INPUT
        return NO_IMAGE if mode == "last" and max(map(len, self.inputs)) < 3 else None


def _row(name: str, *shapes: Any, **fields: Any) -> Row:
    """A function as it is exported, under the constants `options`."""
    package, _, attribute = name.partition(".")
    return Row(name, getattr(PACKAGES[package], attribute), *shapes, **fields)


def _module(name: str, inputs: Shapes, *arguments: Any, **keywords: Any) -> Row:
    """A module as its constructor makes it; the fields of `Row` are told from the constructor's by their names."""
    package, _, attribute = name.partition(".")
    fields = {key: keywords.pop(key) for key in ("options", "variant", "batch", "left_out") if key in keywords}
    return Row(name, partial(getattr(PACKAGES[package], attribute), *arguments, **keywords), inputs, **fields)


# What the rows are made of: asymmetric filters, smooth activations, and networks of two layers for the penalties ----

TAPS, KERNEL = (1.0, 2.0, 4.0, -0.5), [[1.0, 2.0], [3.0, -1.0], [5.0, 4.0]]
SMOOTH: dict[str, Any] = {"activation": "swish"}
TINY: dict[str, Any] = {"image_channels": 1, "channel_base": 24, **SMOOTH}
BEFORE, AFTER = Sampling((6, 7), 4, cutoff=1.5, half_width=1.0), Sampling((9, 8), 8, cutoff=2.5, half_width=2.0)
RADIAL: dict[str, Any] = {"radial": True, "slope": 0.1, "variant": "radial"}
ALIAS_FREE: dict[str, Any] = {"image_channels": 1, "channel_base": 8, "num_layers": 2, "num_critical": 1, "margin": 1}
CONST, STDDEV = {"noise": "const"}, {"batch": 3, "left_out": {"sample": GROUPED}}
FACTORS = {"up": (2, 3), "down": (3, 1), "padding": (2, -1, 0, 3), "gain": -0.5}
UP_TAPS, DOWN_TAPS = (0.2, 0.3, 0.6, -0.1), (0.2, 0.9, -0.3)
SEPARABLE = {"up_filter": UP_TAPS, "down_filter": DOWN_TAPS, "up": 2, "down": 2, "padding": (3, 2, 4, 3)}
ROUND = {"up_filter": UP_TAPS, "down_filter": [[0.1, 0.2], [0.2, -0.1], [0.4, 0.3]], "up": (2, 3), "down": 2}
ROUND["padding"] = (3, 2, -1, 3)
OF_SIGNALS = {"up_filter": UP_TAPS, "down_filter": DOWN_TAPS, "up": 3, "down": 2, "padding": (3, -1)}
NEAREST = {"down": 2, "resample_method": "nearest", "padding_mode": "reflect"}
OF_A_BATCH = {"sample": ONE_NUMBER, "empty": NO_MEAN}
BY_TRANSFORMS = {"trace": NO_TRANSFORMS, **OF_A_BATCH}
OF_A_GRAPH = dict.fromkeys(("fwd", "vmap", "sample", "ensembles", "compile", "trace"), LIVE_GRAPH)
OF_LIVE_IMAGES = {**OF_A_GRAPH, **OF_A_BATCH}
MODULATED = [(2, 3, 4), (2,), (1, 6, 8)], [(3, 2, 3, 3)]
CRITIC, PAINTER = [(4, 3), (3,), (3, 1)], [(4, 4), (4,)]
ONE_LOGIT = ("hinge_generator_loss", "nonsaturating_loss", "wasserstein_generator_loss")
TWO_LOGITS = (
    "hinge_discriminator_loss",
    "logistic_loss",
    "relativistic_discriminator_loss",
    "relativistic_generator_loss",
    "wasserstein_discriminator_loss",
)


def critic(x: Tensor, weight: Tensor, bias: Tensor, last: Tensor) -> Tensor:
    return functional.bias_act(x.flatten(1) @ weight, bias, activation="softplus") @ last


def painter(w: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    y = functional.bias_act(w.flatten(1) @ weight, bias, activation="tanh")
    return functional.upsample2d(y.unflatten(1, (1, 2, 2)), (1.0, 3.0))


def convolved(x: Tensor, weight: Tensor, **options: Any) -> Tensor:
    return functional.resample_conv2d(x, weight, padding=(1, 0, 0, 2), kernel=TAPS, **options)


def modulated(x: Tensor, style: Tensor, noise: Tensor, weight: Tensor, **options: Any) -> Tensor:
    return functional.modulated_conv2d(x, weight, style, noise=noise, up=2, padding=1, kernel=TAPS, **options)


def of_live_images(penalty: Callable[[Tensor, Tensor], Tensor], x: Tensor, *weights: Tensor) -> Tensor:
    return penalty(critic(x, *weights), x)


def by_vjp(penalty: Callable[[Callable[..., Tensor], Tensor], Tensor], x: Tensor, *weights: Tensor) -> Tensor:
    return penalty(lambda images: critic(images, *weights), x)


def difference(x: Tensor, noise: Tensor, *weights: Tensor) -> Tensor:
    return losses.finite_difference_penalty(lambda images: critic(images, *weights), x, sigma=0.1, noise=noise)


def lengths(w: Tensor, noise: Tensor, *weights: Tensor) -> Tensor:
    return losses.path_lengths(painter(w, *weights), w, noise)


def lengths_vjp(w: Tensor, noise: Tensor, *weights: Tensor) -> Tensor:
    return losses.path_lengths_vjp(lambda latents: painter(latents, *weights), w, noise)


def convolved_officially(x: Tensor, weight: Tensor, **options: Any) -> Tensor:
    taps = x.new_tensor(KERNEL) / 14
    return OFFICIAL["conv2d_resample"](x, weight, taps, padding=[1, 0, 0, 2], flip_weight=False, **options)


def filtered(x: Tensor, bias: Tensor, **options: Any) -> Tensor:
    fu, fd = x.new_tensor(TAPS) / 6.5, x.new_tensor(KERNEL) / 14
    return OFFICIAL["filtered_lrelu"](x, fu, fd, bias, up=2, down=2, **options)


def sampled(x: Tensor, grid: Tensor) -> Tensor:
    return OFFICIAL["grid_sample"](x, grid.tanh())


def separably(x: Tensor, **options: Any) -> Tensor:
    return OFFICIAL["upfirdn2d"](x, torch.arange(1.0, 11.0, dtype=x.dtype, device=x.device) / 55, **options)


def resampled(x: Tensor, **options: Any) -> Tensor:
    return port.upfirdn2d(x, x.new_tensor(KERNEL), **options)


def length_penalty(device: Any = None, dtype: Any = None) -> nn.Module:
    with torch.device(device or torch.get_default_device()):
        return losses.PathLengthPenalty(0.5).to(dtype)


ROWS = (
    _row("functional.bias_act", [(3, 2, 2)], [(3,)], {"activation": "lrelu", "clamp": 1.5}, "lrelu"),
    _row("functional.bias_act", [(3, 2, 2)], [(3,)], {"activation": "softplus"}, "softplus"),
    _row("functional.bias_act", [(3, 2, 2)], [(3,)], {**SMOOTH, "clamp": 1.5}, "swish"),
    _row("functional.blur2d", [(2, 5, 4)], options={"kernel": TAPS, "padding_mode": "reflect"}),
    _row("functional.downsample2d", [(2, 6, 4)], options={"kernel": KERNEL}),
    _row("functional.filtered_act", [(2, 4, 5)], [(2,)], {"activation": "snake", **ROUND}, "snake"),
    _row("functional.filtered_act", [(2, 6)], [(2,)], {"activation": "snake", **OF_SIGNALS}, "signals"),
    _row("functional.filtered_lrelu", [(2, 4, 5)], [(2,)], {**SEPARABLE, "clamp": 2.5}, "separable"),
    _row("functional.filtered_lrelu", [(2, 4, 5)], [(2,)], ROUND, "2-D"),
    _row("functional.minibatch_stddev", [(4, 2, 3)], options={"group_size": 2, "num_channels": 2}, **STDDEV),
    Row("functional.modulated_conv2d", modulated, *MODULATED, {"fused": False}, "shared"),
    Row("functional.modulated_conv2d", modulated, *MODULATED, {"fused": True}, "fused"),
    _row("functional.pixel_norm", [(4, 2, 3)]),
    Row("functional.resample_conv2d", convolved, [(2, 4, 5)], [(3, 2, 2, 3)], {"up": 2}, "up"),
    Row("functional.resample_conv2d", convolved, [(2, 4, 6)], [(3, 2, 2, 3)], NEAREST, "down"),
    _row("functional.upfirdn2d", [(2, 4, 5)], options={"kernel": KERNEL, **FACTORS}),
    _row("functional.upsample2d", [(2, 3, 4)], options={"kernel": TAPS, "factor": 3}),
    _module("layers.AliasFreeConv", [(2, 6, 7), (4,)], 2, 3, 3, 4, before=BEFORE, after=AFTER),
    _module("layers.AliasFreeConv", [(2, 6, 7), (4,)], 2, 3, 1, 4, before=BEFORE, after=AFTER, **RADIAL),
    _module("layers.BiasAct", [(3, 2, 2)], 3, "tanh", gain=1.5, clamp=1.2),
    _module("layers.Blur", [(2, 5, 4)], TAPS),
    _module("layers.ConstantInput", [], 2, (2, 3), options={"batch_size": 2}),
    _module("layers.Downsample2d", [(2, 6, 4)], KERNEL),
    _module("layers.EqualConv2d", [(2, 3, 4)], 2, 3, 2, resample="up", **SMOOTH, variant="up"),
    _module("layers.EqualConv2d", [(2, 4, 6)], 2, 3, 3, resample="down", activation="lrelu", variant="down"),
    _module("layers.EqualLinear", [(4,)], 4, 3, lr_multiplier=0.1, activation="softplus"),
    _module("layers.FourierInput", [(6,)], 3, 6, Sampling((3, 4), 4, cutoff=1.5, half_width=1.0)),
    _module("layers.MinibatchStdDev", [(4, 2, 3)], 2, 2, **STDDEV),
    _module("layers.ModulatedConv2d", [(2, 3, 2), (4,)], 2, 3, 3, 4, resample="up"),
    _module("layers.NoiseInjection", [(2, 3, 2)], (3, 2), options=CONST),
    _module("layers.PixelNorm", [(4, 2, 3)]),
    _module("layers.StyledConv", [(2, 3, 2), (4,)], 2, 3, 3, 4, resample="up", noise_resolution=(6, 4), options=CONST),
    _module("layers.ToRGB", [(3, 2, 3), (4,)], 3, 2, 4),
    _module("layers.Upsample2d", [(2, 3, 4)], TAPS),
    _module("models.AliasFreeGenerator", [(3,)], 8, **ALIAS_FREE, z_dim=3, w_dim=3, mapping_layers=1),
    _module("models.AliasFreeSynthesis", [(4, 3)], 3, (4, 6), **ALIAS_FREE, configuration="R"),
    _module("models.Discriminator", [(1, 8, 8), (2,)], 8, **TINY, num_labels=2, label_layers=1, **STDDEV),
    _module("models.Generator", [(3,)], 8, **TINY, z_dim=3, w_dim=3, mapping_layers=1, options=CONST),
    _module(
        "models.MappingNetwork", [(3,), (2,)], 3, 4, 2, num_layers=2, num_labels=2, options={"truncation_psi": 0.7}
    ),
    _module("models.SynthesisNetwork", [(4, 3)], 3, 8, **TINY, architecture="resnet", options=CONST),
    Row("losses.PathLengthPenalty", length_penalty, [()], left_out=OF_A_BATCH),
    *(_row(f"losses.{name}", [(1,)], left_out=OF_A_BATCH) for name in ONE_LOGIT),
    *(_row(f"losses.{name}", [(1,), (1,)], left_out=OF_A_BATCH) for name in TWO_LOGITS),
    Row("losses.finite_difference_penalty", difference, [(1, 2, 2), (1, 2, 2)], CRITIC, left_out=OF_A_BATCH),
    Row("losses.path_lengths", lengths, [(2, 2), (1, 4, 4)], PAINTER, left_out=OF_A_GRAPH),
    Row("losses.path_lengths_vjp", lengths_vjp, [(2, 2), (1, 4, 4)], PAINTER, left_out={"trace": NO_TRANSFORMS}),
    Row("losses.r1_penalty", partial(of_live_images, losses.r1_penalty), [(1, 2, 2)], CRITIC, left_out=OF_LIVE_IMAGES),
    Row("losses.r2_penalty", partial(of_live_images, losses.r2_penalty), [(1, 2, 2)], CRITIC, left_out=OF_LIVE_IMAGES),
    Row("losses.r1_penalty_vjp", partial(by_vjp, losses.r1_penalty_vjp), [(1, 2, 2)], CRITIC, left_out=BY_TRANSFORMS),
    Row(
        "losses.gradient_penalty",
        partial(of_live_images, losses.gradient_penalty),
        [(1, 2, 2)],
        CRITIC,
        left_out=OF_LIVE_IMAGES,
    ),
    Row(
        "losses.gradient_penalty_vjp",
        partial(by_vjp, losses.gradient_penalty_vjp),
        [(1, 2, 2)],
        CRITIC,
        left_out=BY_TRANSFORMS,
    ),
    Row("official.conv2d_resample", convolved_officially, [(2, 4, 5)], [(3, 2, 2, 3)], {"up": 2}),
    Row("official.filtered_lrelu", filtered, [(2, 4, 5)], [(2,)], {"padding": [3, 2, 4, 3], "clamp": 2.5}),
    _row("official.fma", [(2, 3), (1, 3)], [(2, 1)]),
    Row("official.grid_sample", sampled, [(2, 3, 4), (2, 3, 2)]),
    Row("official.upfirdn2d", separably, [(2, 5, 4)], options={"up": 2, "down": [1, 3], "padding": [5, 4, 6, -1]}),
    _row("port.fused_leaky_relu", [(3, 2, 2)], [(3,)], {"negative_slope": 0.3}),
    Row("port.upfirdn2d", resampled, [(2, 4, 5)], options={"up": 2, "down": (1, 3), "pad": (2, 1)}),
)


def table() -> str:
    """Markdown: operator × mode, what the modes are, and why a cell is left out."""
    reasons: dict[str, str] = {}
    lines = ["| | " + " | ".join(MODES) + " |", "|---" * (len(MODES) + 1) + "|"]
    for row in ROWS:
        found = [row.reason(mode) for mode in MODES]
        cells = ["✓" if why is None else reasons.setdefault(why, chr(ord("a") + len(reasons))) for why in found]
        lines.append(" | ".join([f"| `{row.name}` {row.variant}".rstrip(), *cells]) + " |")
    columns = [f"- **{mode}**: {what}" for mode, what in MODES.items()]
    letters = [f"- {letter}: {reason}" for reason, letter in reasons.items()]
    return "\n".join([*lines, "", "The columns:", "", *columns, "", "Left out, because:", "", *letters])


if __name__ == "__main__":
    print(table())
