"""How the cells of the matrix are checked: functions of a `Row`, which tests/test_matrix.py puts under column names.

tests/transforms.py has those of `torch.func`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call

from tests.conftest import Case, randn, resets_after_meta
from tests.matrix import Row

TOLERANCES = {torch.bfloat16: 0.12, torch.float16: 0.02, torch.float64: 1e-9}  # of a tensor's norm
EXACT = TOLERANCES[torch.float64]
START = torch.zeros((), dtype=torch.float64, requires_grad=True)


@dataclass
class Subject:
    """A row with numbers in it: a function of tensors alone, first the inputs, then weights or parameters."""

    call: Callable[..., Tensor]
    inputs: list[Tensor]
    shared: list[Tensor]
    module: nn.Module | None = None

    @property
    def tensors(self) -> list[Tensor]:
        return [*self.inputs, *self.shared]

    @property
    def leaves(self) -> list[Tensor]:
        return [tensor.detach().clone().requires_grad_() for tensor in self.tensors]

    @property
    def places(self) -> tuple[int, ...]:
        return tuple(range(len(self.tensors)))

    def on_inputs(self, change: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
        """The call with every input changed first."""
        n = len(self.inputs)
        return lambda *tensors: self.call(*map(change, tensors[:n]), *tensors[n:])

    def energy(self, *tensors: Tensor) -> Tensor:
        return energy(self.call(*tensors))

    def gradient(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return cast(Any, torch.func.grad(self.energy, argnums=self.places)(*tensors))


def subject(
    row: Row,
    dtype: torch.dtype = torch.float64,
    *,
    batch: int | None = None,
    seed: int = 1,
    device: torch.device | str = "cpu",
) -> Subject:
    """The same numbers for a seed, whatever the dtype and the device."""
    torch.manual_seed(seed)
    shapes = [(row.batch if batch is None else batch, *shape) for shape in row.inputs]
    inputs = [randn(*shape).to(device, dtype) for shape in shapes]
    if not row.is_module:
        weights = [randn(*shape).to(device, dtype) for shape in row.weights]
        return Subject(partial(row.make, **row.options), inputs, weights)
    module = case_of(row).build().to(device, dtype)
    keys = [key for key, _ in module.named_parameters()]

    def call(*tensors: Tensor) -> Tensor:
        values = dict(zip(keys, tensors[len(inputs) :], strict=True))
        result: Tensor = functional_call(module, values, tensors[: len(inputs)], dict(row.options))
        return result

    return Subject(call, inputs, [p.detach().clone() for p in module.parameters()], module)


def energy(y: Tensor) -> Tensor:
    """A nonlinear sum, alike for all samples, under which no order of derivative of a linear function is trivial."""
    y = y.to(torch.promote_types(y.dtype, torch.float32))
    weight = torch.linspace(-1, 1.5, y.shape[1:].numel(), dtype=y.dtype, device=y.device)
    return (torch.nn.functional.softplus(y) * weight.reshape(y.shape[1:])).sum()


def orders(call: Callable[..., Tensor], leaves: Sequence[Tensor]) -> list[list[Tensor]]:
    """The value, the gradients of its energy, and the gradients of their squared norm."""
    y = call(*leaves)
    first = torch.autograd.grad(energy(y), leaves, create_graph=True, materialize_grads=True)
    second = torch.autograd.grad(squared_norm(first), leaves, materialize_grads=True)
    return [[y], list(first), list(second)]


def squared_norm(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([tensor.square().sum() for tensor in tensors]).sum()


def near(actual: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float = EXACT) -> None:
    """Equal but for a fraction of the norm of each tensor, or a tenth of their average norm where that is larger."""
    norms = [tensor.detach().double().norm().item() for tensor in expected]
    floor = 1e-3 + 0.1 * (sum(norm**2 for norm in norms) / max(1, len(norms))) ** 0.5
    for i, (ours, theirs, norm) in enumerate(zip(actual, expected, norms, strict=True)):
        assert (ours.shape, bool(ours.isfinite().all())) == (theirs.shape, True), f"tensor {i}"
        error = (ours - theirs).detach().double().norm().item()
        assert error <= tolerance * (norm + floor), f"tensor {i}: error {error:.2g} of {norm:.2g}"


def all_near(actual: list[list[Tensor]], expected: list[list[Tensor]], tolerance: float = EXACT) -> None:
    for ours, theirs in zip(actual, expected, strict=True):
        near(ours, theirs, tolerance)


def case_of(row: Row) -> Case:
    return Case(row.make, row.inputs, tuple(row.make().state_dict()), options=dict(row.options))


# Orders ----------------------------------------------------------------------------------------------------------


def by_differences(row: Row, check: Callable[..., bool], device: torch.device | str = "cpu", **options: Any) -> None:
    it = subject(row, device=device)
    assert check(it.call, it.leaves, fast_mode=True, **options)


def along_a_direction(it: Subject, direction: Sequence[Tensor] = ()) -> Callable[[Tensor], Tensor]:
    """The call as a function of one number, the step along a direction of all tensors together, drawn if not given."""
    direction = direction or [torch.randn_like(tensor) for tensor in it.tensors]
    return lambda step: it.call(*(x + step * change for x, change in zip(it.tensors, direction, strict=True)))


def third_order(row: Row) -> None:
    function = along_a_direction(subject(row))

    def slope(step: Tensor) -> Tensor:
        (first,) = torch.autograd.grad(energy(function(step)), step, create_graph=True)
        return first

    assert gradgradcheck(slope, START)


def forward_mode(row: Row) -> None:
    by_differences(row, gradcheck, check_forward_ad=True, check_backward_ad=False)
    over_reverse: Any = {"check_fwd_over_rev": True, "check_rev_over_rev": False, "check_undefined_grad": False}
    assert gradgradcheck(along_a_direction(subject(row)), START, fast_mode=True, **over_reverse)


def batched_gradients(row: Row) -> None:
    it = subject(row)
    leaves = it.leaves
    y = it.call(*leaves)
    first = torch.autograd.grad(energy(y), leaves, create_graph=True, materialize_grads=True)
    for output in (y, torch.stack([gradient.square().sum() for gradient in first])):
        pull = partial(torch.autograd.grad, output, leaves, retain_graph=True, materialize_grads=True)
        directions = torch.randn(3, *output.shape, dtype=torch.float64)
        rows = [pull(direction) for direction in directions]
        near(pull(directions, is_grads_batched=True), [torch.stack(column) for column in zip(*rows, strict=True)])


# Dtypes, layouts, batches, compiling, carrying -------------------------------------------------------------------


def under_autocast(row: Row, dtype: torch.dtype, device: torch.device | str = "cpu") -> None:
    """Inputs arrive in low precision; differentiated outside, as losses are, and inside, as penalties may be."""
    lowered = partial(torch.autocast, torch.device(device).type, dtype=dtype)
    it = subject(row, torch.float32, device=device)
    call = it.on_inputs(lambda x: x @ torch.eye(x.shape[-1], device=device))
    expected = orders(call, it.leaves)
    all_near(orders(lowered()(call), it.leaves), expected, TOLERANCES[dtype])
    with lowered():
        all_near(orders(call, it.leaves), expected, TOLERANCES[dtype])


def in_layout(row: Row, layout: Callable[[Tensor], Tensor], device: torch.device | str = "cpu") -> None:
    it = subject(row, device=device)
    all_near(orders(lambda *tensors: it.call(*map(layout, tensors)), it.leaves), orders(it.call, it.leaves))


def expanded(row: Row) -> None:
    it = subject(row, batch=1)
    viewed = it.on_inputs(lambda x: x.expand(row.batch, *x.shape[1:]))
    copied = it.on_inputs(lambda x: torch.cat([x] * row.batch))
    all_near(orders(viewed, it.leaves), orders(copied, it.leaves))


def no_samples(row: Row, device: torch.device | str = "cpu") -> None:
    it, whole = subject(row, batch=0, device=device), subject(row, device=device)
    (y,), first, second = orders(it.call, it.leaves)
    assert y.shape == (0, *whole.call(*whole.leaves).shape[1:])
    assert all(gradient.isfinite().all() for gradient in (*first, *second))


def compiled(row: Row, backend: str = "aot_eager", device: torch.device | str = "cpu") -> None:
    """Traced and differentiated by `torch.compile`, without its code generator; tests/test_compile.py has that."""
    it = subject(row, device=device)
    torch._dynamo.reset()
    function: Any = it.call if it.module is None else partial(it.module, **row.options)
    others = it.leaves[len(it.inputs) :] if it.module is None else list(it.module.parameters())
    results = []
    for call in (torch.compile(function, fullgraph=True, backend=backend), function):
        inputs = it.leaves[: len(it.inputs)]
        y = call(*inputs, *([] if it.module else others))
        results.append([[y], list(torch.autograd.grad(energy(y), [*inputs, *others], materialize_grads=True))])
    all_near(results[0], results[1])


class _Called(nn.Module):
    """A row as a module that is called with inputs alone, which is what `torch.jit.trace` takes."""

    def __init__(self, row: Row, it: Subject) -> None:
        super().__init__()
        self.function, self.module, self.options = it.call, it.module, row.options
        self.weights = nn.ParameterList([] if it.module else it.shared)

    def forward(self, *inputs: Tensor) -> Tensor:
        made = self.module(*inputs, **self.options) if self.module else self.function(*inputs, *self.weights)
        return cast(Tensor, made)


def traced(row: Row) -> None:
    """Value and both orders, of the batch that was traced and of a larger one, which per-sample weights cannot have."""
    it, larger = subject(row), subject(row, batch=2 * row.batch + 1, seed=2)
    module = _Called(row, it)
    batches = [it.inputs] if row.options.get("fused") else [it.inputs, larger.inputs]
    for recorded in (False, True):
        with torch.set_grad_enabled(recorded), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # checks of shapes are not part of a trace
            trace = torch.jit.trace(module, tuple(it.inputs))
        for inputs in batches:
            all_near(_orders_of(trace, inputs, module), _orders_of(module, inputs, module))


def _orders_of(call: Callable[..., Tensor], inputs: Sequence[Tensor], module: nn.Module) -> list[list[Tensor]]:
    """By inputs and by the parameters, which `call` has itself."""
    leaves = [*(tensor.clone().requires_grad_() for tensor in inputs), *module.parameters()]
    return orders(lambda *tensors: call(*tensors[: len(inputs)]), leaves)


def on_meta(row: Row) -> None:
    it = subject(row)
    if it.module is not None:
        resets_after_meta(case_of(row))
    else:
        y = it.call(*(tensor.to("meta") for tensor in it.leaves))
        assert (y.is_meta, y.shape) == (True, it.call(*it.leaves).shape)
