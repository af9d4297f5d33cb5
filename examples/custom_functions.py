"""Two custom autograd Functions that can be differentiated twice, and their checks.

    python examples/custom_functions.py --output runs/examples

Prints and saves `custom_functions.txt`: every check passes, a frozen weight is not differentiated, and a tensor whose
output is unused gets None instead of zeros. Takes seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from stylelayers.testing import check_double_backward


class Linear(torch.autograd.Function):
    """``x @ weight.T + bias`` for ``x (N, I)``, ``weight (O, I)`` and ``bias (O,)`` or None."""

    generate_vmap_rule = True  # enables torch.func.vmap

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        y = x @ weight.T
        return y if bias is None else y + bias

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
        x, weight, _ = inputs  # the gradients do not depend on the bias
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """One gradient per argument of `forward`, None for those that need none."""
        x, weight = ctx.saved_tensors
        grad = grads[0].to(x.dtype)  # autocast may have lowered the output
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            grad @ weight if needs_x else None,
            grad.T @ x if needs_weight else None,
            grad.sum(0) if needs_bias else None,
        )


class MultiplyByConstant(torch.autograd.Function):
    """Every tensor times one number, one output per tensor."""

    generate_vmap_rule = True

    @staticmethod
    def forward(constant: float, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(constant * tensor for tensor in tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.constant = inputs[0]  # numbers may be attributes; tensors go through save_for_backward
        ctx.set_materialize_grads(False)  # an unused output gives None here, not a tensor of zeros

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        return None, *(None if grad is None else ctx.constant * grad for grad in grads)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The public function: `apply` has no default or keyword arguments."""
    y: Tensor = Linear.apply(x, weight, bias)
    return y


def multiply(constant: float, *tensors: Tensor) -> tuple[Tensor, ...]:
    products: tuple[Tensor, ...] = MultiplyByConstant.apply(constant, *tensors)
    return products


def triple(x: Tensor) -> Tensor:
    return multiply(3.0, x)[0]


def passes(check: Callable[..., Any], function: Callable[..., Any], inputs: tuple[Tensor, ...]) -> bool:
    return check(function, inputs) is not False  # raises on failure


def run_checks() -> dict[str, dict[str, bool]]:
    """The checks that each Function passes; finite differences need float64."""
    randn = partial(torch.randn, dtype=torch.float64, requires_grad=True)
    x, weight, bias = randn(4, 3), randn(2, 3), randn(2)
    rows: dict[str, tuple[Callable[..., Any], tuple[Tensor, ...]]] = {
        "linear, with bias": (linear, (x, weight, bias)),
        "linear, without": (linear, (x, weight)),
        "multiply, one tensor": (triple, (x,)),
        "multiply, two tensors": (partial(multiply, 3.0), (x, weight)),  # gradcheck leaves each output unused in turn
    }
    results: dict[str, dict[str, bool]] = {}
    for name, (function, inputs) in rows.items():
        results[name] = {check.__name__: passes(check, function, inputs) for check in (gradcheck, gradgradcheck)}
        if isinstance(function(*inputs), Tensor):
            check_double_backward(function, *inputs)  # raises DerivativeError, which lists the failures
            results[name]["check_double_backward"] = True
    return results


def frozen_weight() -> tuple[bool, ...]:
    """Whether `backward` computes gradients of input, weight and bias if the weight is frozen."""
    x, weight, bias = torch.randn(4, 3, requires_grad=True), torch.randn(2, 3), torch.zeros(2, requires_grad=True)
    y = linear(x, weight, bias)
    node: Any = y.grad_fn
    return tuple(gradient is not None for gradient in node.apply(torch.ones_like(y)))  # calls `backward`


def unused_output() -> tuple[bool, bool]:
    """Whether each of two tensors gets a gradient if only the first product is used."""
    used, unused = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    multiply(3.0, used, unused)[0].sum().backward()
    return used.grad is not None, unused.grad is not None


def main(folder: Path) -> dict[str, Any]:
    torch.manual_seed(0)
    results: dict[str, Any] = {"checks": run_checks(), "frozen": frozen_weight(), "unused": unused_output()}
    lines = [f"{name:22} passes {', '.join(done)}" for name, done in results["checks"].items()]
    lines.append(f"frozen weight: gradients of input, weight and bias: {results['frozen']}")
    lines.append(f"second output unused: gradients of the two tensors: {results['unused']}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "custom_functions.txt").write_text("\n".join(lines) + "\n")
    print(*lines, sep="\n")
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/examples"), help="folder for the results")
    main(parser.parse_args().output)
