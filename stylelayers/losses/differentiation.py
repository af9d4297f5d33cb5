"""Gradients that can be differentiated again, for the penalties, with errors that name the penalty."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

_COMPILED_FORM = {
    "r1_penalty": "r1_penalty_vjp",
    "r2_penalty": "r1_penalty_vjp on generated images",
    "gradient_penalty": "gradient_penalty_vjp",
    "path_lengths": "path_lengths_vjp",
}


def gradient_of(caller: str, output: Tensor, source: Tensor, source_name: str, output_name: str) -> Tensor:
    """The gradient of a scalar by `source`, with a graph; errors name the penalty `caller` and both tensors."""
    if torch.compiler.is_compiling():
        raise ValueError(_compiled_message(caller, output_name))
    if not source.requires_grad:
        raise ValueError(
            f"{caller}: {source_name} must require grad before the network is called, got a tensor that does not; "
            f"use {source_name}.requires_grad_()"
        )
    if not output.requires_grad:
        raise ValueError(f"{caller}: {output_name} have no graph; they were computed under no_grad or detached")
    try:
        (gradient,) = torch.autograd.grad(output, source, create_graph=True, allow_unused=True)
    except RuntimeError as error:
        if _has_compiled_node(output):
            raise ValueError(_compiled_message(caller, output_name)) from error
        raise
    if gradient is None:
        raise ValueError(f"{caller}: {output_name} were not computed from these {source_name}")
    if gradient.dtype == torch.float16 and not gradient.isfinite().all():
        raise ValueError(
            f"{caller}: the gradient overflows float16; compute {output_name} for the penalty in float32 or bfloat16"
        )
    if _has_compiled_node(gradient, "CompiledFunctionBackwardBackward"):
        raise ValueError(_compiled_message(caller, output_name))
    return gradient


def _compiled_message(caller: str, output_name: str) -> str:
    return (
        f"{caller}: {output_name} come from a network under torch.compile, whose gradients cannot be differentiated "
        f"again; use {_COMPILED_FORM[caller]} inside one torch.compile(fullgraph=True), or the network uncompiled"
    )


def _has_compiled_node(result: Tensor, node_name: str = "CompiledFunctionBackward") -> bool:
    """Whether the graph of `result` has a node of compiled code, which torch reports only when it runs it."""
    seen, stack = set(), [result.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        if node_name in node.name():
            return True
        seen.add(node)
        stack += [parent for parent, _ in node.next_functions]
    return False


def vjp(
    caller: str, network: Callable[..., Tensor], x: Tensor, *others: Tensor
) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor]]]:
    """:func:`torch.func.vjp` of ``network(x, *others)``, with respect to `x`.

    Raises:
        ValueError: the network is under FSDP2, whose hooks do not run under `torch.func`: its parameters would get no
            gradient.
    """
    if not torch.compiler.is_compiling() and _is_sharded(network):
        raise ValueError(
            f"{caller}: the network must not be sharded by fully_shard, got one that is; use {caller[:-4]}"
        )
    return cast(Any, torch.func.vjp(lambda x: network(x, *others), x))


def _is_sharded(network: Callable[..., Tensor]) -> bool:
    modules = network.modules() if isinstance(network, nn.Module) else ()
    return any(base.__name__ == "FSDPModule" for module in modules for base in type(module).__mro__)


def at_least_float32(gradient: Tensor) -> Tensor:
    return gradient.to(torch.promote_types(gradient.dtype, torch.float32))  # squares overflow float16 from 256 on


def gradient_norms(gradient: Tensor) -> Tensor:
    """The Euclidean norm of each sample, ``(N, ...)`` → ``(N,)``, with finite derivatives of every order.

    Samples are scaled by their largest element first, since squares underflow float32 below 1e-23 and overflow it above
    1e19. A sample whose elements are all below four times the smallest normal number has norm 0 and derivatives 0.
    """
    rows = at_least_float32(gradient).flatten(1)
    if rows.shape[1] == 0:
        return rows.sum(1)
    largest = rows.detach().abs().amax(1, keepdim=True)
    vanishes = largest < 4 * torch.finfo(rows.dtype).tiny  # curvature is 1 / norm, which must not overflow
    scale = torch.where(largest.isfinite() & ~vanishes, largest, 1.0)
    squares = (rows / scale).square().sum(1, keepdim=True)
    norms = torch.where(vanishes, 1.0, squares).sqrt() * scale
    return torch.where(vanishes, 0.0, norms).squeeze(1)
