"""ReLU, leaky ReLU, softplus and tanh by hand against torch's: the same numbers, the same training.

    python examples/handwritten_activations.py --output runs/examples

Prints the largest differences of value, first and second derivative over [-100, 100] in units of the last digit, also
for the textbook formulas. Trains a two-layer network on scikit-learn's diabetes data set with each softplus, and saves
both loss curves, which coincide, in `handwritten_activations.png`. Takes seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_diabetes
from torch import Tensor, nn


class _FromOutput(torch.autograd.Function):
    """Saves only the output, which determines the derivative, and which the next layer keeps anyway."""

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(output)


class ReLU(_FromOutput):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, 0.0)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return torch.where(y > 0, grads[0], 0.0)


class LeakyReLU(_FromOutput):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, 0.2 * x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return torch.where(y > 0, grads[0], 0.2 * grads[0])


class Softplus(_FromOutput):
    """``log(1 + exp(x))``; applies exp to negative numbers only, so nothing overflows."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clamp(min=0) + torch.log1p(torch.exp(-x.abs()))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return grads[0] * -torch.expm1(-y)  # 1 - exp(-y) without cancellation at small y


class Tanh(_FromOutput):
    """``(1 - t) / (1 + t)`` with ``t = exp(-2|x|)``, times the sign of x."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        t_minus_1 = torch.expm1(-2 * x.abs())
        return -x.sign() * t_minus_1 / (2 + t_minus_1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return grads[0] * (1 - y) * (1 + y)


Activation = Callable[[Tensor], Tensor]
PAIRS: dict[str, tuple[Activation, Activation]] = {  # by hand, and torch's, whose softplus is x above a threshold
    "relu": (ReLU.apply, torch.relu),
    "leaky relu": (LeakyReLU.apply, lambda x: nn.functional.leaky_relu(x, 0.2)),
    "softplus": (Softplus.apply, lambda x: nn.functional.softplus(x, threshold=40.0)),
    "tanh": (Tanh.apply, torch.tanh),
    "softplus, textbook": (lambda x: torch.log(1 + torch.exp(x)), lambda x: nn.functional.softplus(x, threshold=40.0)),
    "tanh, textbook": (lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()), torch.tanh),
}


def derivatives(function: Activation, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Value, first and second derivative of an elementwise function."""
    x = x.detach().requires_grad_()
    y = function(x)
    (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    if not first.requires_grad:  # piecewise linear
        return y.detach(), first, torch.zeros_like(x)
    (second,) = torch.autograd.grad(first.sum(), x, materialize_grads=True)
    return y.detach(), first.detach(), second


def last_digits(name: str, dtype: torch.dtype) -> tuple[float, ...]:
    """Largest differences in units of the last digit of ``max(1, |torch's|)``; nan if either is."""
    x, unit = torch.linspace(-100, 100, 20001, dtype=dtype), torch.finfo(dtype).eps
    ours, theirs = (derivatives(function, x) for function in PAIRS[name])
    return tuple(float(((a - b) / b.abs().clamp(min=1)).abs().max()) / unit for a, b in zip(ours, theirs, strict=True))


def train(activation: Activation, steps: int = 300) -> list[float]:
    """Losses of a two-layer network that learns to predict the progression of diabetes."""
    table = (torch.from_numpy(array) for array in load_diabetes(return_X_y=True, scaled=False))
    features, target = ((t - t.mean(0)) / t.std(0) for t in table)
    torch.manual_seed(0)
    hidden, out = nn.Linear(10, 32, dtype=torch.float64), nn.Linear(32, 1, dtype=torch.float64)
    optimizer = torch.optim.Adam([*hidden.parameters(), *out.parameters()], lr=3e-3)
    losses = []
    for _ in range(steps):
        loss = nn.functional.mse_loss(out(activation(hidden(features))).squeeze(1), target)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def main(folder: Path) -> dict[str, Any]:
    table = {(name, dtype): last_digits(name, dtype) for name in PAIRS for dtype in (torch.float32, torch.float64)}
    print(f"{'last digits, over [-100, 100]':30}{'value':>10}{'first':>10}{'second':>10}")
    for (name, dtype), errors in table.items():
        print(f"{name + ', ' + str(dtype)[6:]:30}" + "".join(f"{error:10.2g}" for error in errors))
    curves = {"by hand": train(Softplus.apply), "torch's": train(nn.functional.softplus)}
    difference = max(abs(a - b) for a, b in zip(*curves.values(), strict=True))
    print(f"diabetes: loss {curves['by hand'][0]:.3f} → {curves['by hand'][-1]:.3f}; curves differ by {difference:.1g}")
    axes = (figure := Figure(figsize=(6, 3.6), layout="constrained")).subplots()
    axes.plot(curves["torch's"], color="tab:orange", linewidth=5, alpha=0.5, label="torch's softplus")
    axes.plot(curves["by hand"], color="tab:blue", linewidth=1.5, label="softplus by hand")
    axes.set(xlabel="step", ylabel="mean squared error", title=f"diabetes: largest difference {difference:.0e}")
    axes.legend()
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "handwritten_activations.png", dpi=110)
    return {"last digits": table, "curves": curves}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/examples"), help="folder for the results")
    main(parser.parse_args().output)
