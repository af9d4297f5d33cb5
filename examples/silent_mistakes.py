"""Four custom Functions that pass gradcheck but are wrong under a gradient penalty.

    python examples/silent_mistakes.py --output runs/examples

None raises in training; each spoils the gradient of a penalty or keeps memory. Prints and saves `silent_mistakes.txt`:
the report of check_double_backward for each, and the error of the penalty's gradient. Takes seconds.
"""

from __future__ import annotations

import argparse
import gc
import weakref
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd import gradcheck

from stylelayers.testing import DerivativeError, check_double_backward


class Right(torch.autograd.Function):
    """``tanh(x + bias)``, whose derivative is ``1 - y**2``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, bias: Tensor) -> Tensor:
        return torch.tanh(x + bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        (y,) = ctx.saved_tensors
        grad = grads[0] * (1 - y.square())
        return grad, grad.sum(0)


class SavedIntermediate(Right):
    """Saves an intermediate value. It has no graph, so autograd treats it as a constant and loses a term."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(output, 1 - output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        y, one_minus_y = ctx.saved_tensors
        grad = grads[0] * one_minus_y * (1 + y)
        return grad, grad.sum(0)


class BackwardWithoutGraph(Right):
    """Uses no_grad (or detach, .data, NumPy) in backward; once_differentiable would at least raise."""

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        (y,) = ctx.saved_tensors
        with torch.no_grad():
            grad = grads[0] * (1 - y.square())
        return grad, grad.sum(0)


class DetachedBias(Right):
    """The gradient of the input is right in every order, that of the bias only in the first."""

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        (y,) = ctx.saved_tensors
        grad = grads[0] * (1 - y.square())
        return grad, grad.detach().sum(0)


class OutputOnContext(Right):
    """Right numbers, but output → graph → ctx → output is a cycle, freed only by the garbage collector."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.y = output  # in-place changes of it go unnoticed too

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        grad = grads[0] * (1 - ctx.y.square())
        return grad, grad.sum(0)


MISTAKES = (SavedIntermediate, BackwardWithoutGraph, DetachedBias, OutputOnContext)


def penalty_gradient(function: type[Right], x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The training gradient of a tiny network's logits plus its squared gradient."""
    x, weight, bias = (tensor.detach().requires_grad_() for tensor in (x, weight, bias))
    logits = function.apply(x @ weight.T, bias).square().sum(1)
    first = torch.autograd.grad(logits.sum(), (x, bias), create_graph=True)
    loss = logits.mean() + sum(gradient.square().sum() for gradient in first)  # the mean hides the missing graph
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, (weight, bias))])


def verdict(function: type[Right], *inputs: Tensor) -> str:
    """The first failure that check_double_backward reports."""
    try:
        check_double_backward(function.apply, *inputs)
    except DerivativeError as error:
        return error.failures[0].partition(", numerical")[0]  # without the matrices
    return "nothing wrong"


def relative(value: Tensor, expected: Tensor) -> float:
    return round(float((value - expected).norm() / expected.norm()), 3)


def keeps_memory(function: type[Right], *inputs: Tensor) -> bool:
    """Whether the output stays in memory after its last reference."""
    gc.disable()  # the collector of cycles, which may run at any time
    watched = weakref.ref(function.apply(*inputs))
    alive = watched() is not None
    gc.enable()
    return alive


def main(folder: Path) -> dict[str, dict[str, Any]]:
    torch.manual_seed(0)
    x, weight, bias = (torch.randn(*shape, dtype=torch.float64) for shape in ((4, 3), (2, 3), (2,)))
    inputs = torch.randn(3, 2, dtype=torch.float64, requires_grad=True), bias.clone().requires_grad_()
    expected = penalty_gradient(Right, x, weight, bias)
    results: dict[str, dict[str, Any]] = {}
    for function in (Right, *MISTAKES):
        results[function.__name__] = {
            "gradcheck": gradcheck(function.apply, inputs),
            "error of the penalty's gradient": relative(penalty_gradient(function, x, weight, bias), expected),
            "keeps its memory": keeps_memory(function, *inputs),
            "check_double_backward": verdict(function, *inputs),
        }
    lines = [f"{name}\n" + "\n".join(f"    {k}: {v}" for k, v in row.items()) for name, row in results.items()]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "silent_mistakes.txt").write_text("\n".join(lines) + "\n")
    print(*lines, sep="\n")
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/examples"), help="folder for the results")
    main(parser.parse_args().output)
