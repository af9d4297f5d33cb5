"""How the columns of `torch.func` in the matrix are checked, beside tests/modes.py, which has the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import product
from typing import Any, cast

import torch
from torch import Tensor
from torch.func import functional_call, grad, jacfwd, jacrev, stack_module_state

from tests.matrix import Row
from tests.modes import START, Subject, along_a_direction, energy, near, orders, squared_norm, subject


def func_grad(row: Row, twice: bool) -> None:
    it = subject(row)
    _, first, second = orders(it.call, it.leaves)
    if twice:
        norm = torch.func.grad(lambda *tensors: squared_norm(it.gradient(*tensors)), argnums=it.places)
        near(cast(Any, norm(*it.tensors)), second)
    else:
        near(it.gradient(*it.tensors), first)


def func_vjp_or_jacrev(row: Row, jacobian: bool) -> None:
    it = subject(row)
    leaves = it.leaves
    y = it.call(*leaves)
    direction = torch.randn_like(y)
    if jacobian:
        rows = cast(Any, torch.func.jacrev(it.call, argnums=it.places)(*it.tensors))
        pulled = [torch.tensordot(direction, row, y.ndim) for row in rows]
    else:
        pulled = cast(Any, torch.func.vjp(it.call, *it.tensors))[1](direction)
    near(pulled, torch.autograd.grad(y, leaves, direction, materialize_grads=True))


def func_vmap(row: Row) -> None:
    one, other = subject(row), subject(row, seed=2)
    stacked = [torch.stack(pair) for pair in zip(one.tensors, other.tensors, strict=True)]
    near([torch.vmap(one.call)(*stacked)], [torch.stack([one.call(*it.tensors) for it in (one, other)])])
    rows = [one.gradient(*it.tensors) for it in (one, other)]
    near(torch.vmap(one.gradient)(*stacked), [torch.stack(column) for column in zip(*rows, strict=True)])


def per_sample(row: Row) -> None:
    it = subject(row)
    alone = it.on_inputs(lambda x: x.unsqueeze(0))
    gradient = torch.func.grad(lambda *tensors: energy(alone(*tensors)), argnums=it.places)
    n = len(it.inputs)
    dims = (0,) * n + (None,) * len(it.shared)
    gradients = cast(Any, torch.vmap(gradient, in_dims=dims)(*it.tensors))
    near([*gradients[:n], *(g.sum(0) for g in gradients[n:])], orders(it.call, it.leaves)[1])


# Ensembles and Hessians ------------------------------------------------------------------------------------------


def ensembles(row: Row) -> None:
    """Two sets of state under one call, with inputs in common, then with inputs of their own."""
    members = [subject(row), subject(row, seed=2)]
    call, *state = _stacked(row, members)
    for in_common in [True] * any(state) + [False] * bool(row.inputs):
        sets = [members[0].inputs if in_common else member.inputs for member in members]
        inputs = sets[0] if in_common else [torch.stack(pair) for pair in zip(*sets, strict=True)]
        dims = (0, 0, *[None if in_common else 0] * len(inputs))
        alone = [_alone(*pair) for pair in zip(members, sets, strict=True)]
        for order, theirs in zip(_orders(call, len(inputs)), zip(*alone, strict=True), strict=True):
            ours = torch.vmap(order, in_dims=dims)(*state, *inputs)
            near(ours, [torch.stack(pair) for pair in zip(*theirs, strict=True)])


def _alone(member: Subject, inputs: Sequence[Tensor]) -> list[list[Tensor]]:
    return orders(member.call, [tensor.clone().requires_grad_() for tensor in (*inputs, *member.shared)])


def _stacked(row: Row, members: Sequence[Subject]) -> tuple[Callable[..., Tensor], Any, Any]:
    """A function of parameters, buffers and inputs, and the stacked parameters and buffers of the members."""
    first, modules = members[0], [member.module for member in members]
    if first.module is None:
        weights = [torch.stack(pair) for pair in zip(*(member.shared for member in members), strict=True)]
        return lambda parameters, _, *inputs: first.call(*inputs, *parameters.values()), dict(enumerate(weights)), {}
    skeleton = deepcopy(first.module).to("meta")
    parameters, buffers = stack_module_state(cast(Any, modules))

    def call(parameters: Any, buffers: Any, *inputs: Tensor) -> Tensor:
        result: Tensor = functional_call(skeleton, (parameters, buffers), inputs, dict(row.options))
        return result

    return call, parameters, buffers


def _orders(call: Callable[..., Tensor], inputs: int) -> list[Callable[..., list[Tensor]]]:
    """As `orders`, by transforms: the value, the gradients by inputs and parameters, those of their squared norm."""
    places = (*range(2, 2 + inputs), 0)

    def gradients(function: Callable[..., Tensor]) -> Callable[..., list[Tensor]]:
        def flat(*arguments: Any) -> list[Tensor]:
            *by_inputs, by_parameters = grad(function, argnums=places)(*arguments)
            return [*by_inputs, *by_parameters.values()]

        return flat

    first = gradients(lambda *arguments: energy(call(*arguments)))
    return [lambda *arguments: [call(*arguments)], first, gradients(lambda *arguments: squared_norm(first(*arguments)))]


def hessian(row: Row) -> None:
    """`torch.func.hessian` times a direction; along it, also every other nesting of forward and reverse mode."""
    it = subject(row)
    direction = [torch.randn_like(tensor) for tensor in it.tensors]
    leaves = it.leaves
    first = torch.autograd.grad(it.energy(*leaves), leaves, create_graph=True, materialize_grads=True)
    slope = torch.stack([(a * b).sum() for a, b in zip(first, direction, strict=True)]).sum()
    expected = torch.autograd.grad(slope, leaves, materialize_grads=True)
    blocks: Any = torch.func.hessian(it.energy, argnums=it.places)(*it.tensors)
    near([sum(torch.tensordot(b, v, v.ndim) for b, v in zip(of, direction, strict=True)) for of in blocks], expected)
    if row.reason("fwd") is None:
        along = along_a_direction(it, direction)
        curvature = torch.stack([(a * b).sum() for a, b in zip(expected, direction, strict=True)]).sum()
        modes: tuple[Any, Any] = (jacfwd, jacrev)
        for outer, inner in product(modes, repeat=2):
            near([outer(inner(lambda step: energy(along(step))))(START.detach())], [curvature])
