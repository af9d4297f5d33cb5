"""Checks of first and second derivatives, for users' own operators and layers.

A gradient penalty differentiates a gradient. An operator whose forward and backward passes are correct can still be
silently wrong there: a backward that detaches, a bias missing from the second order, a Function that ``torch.func``
refuses. :func:`check_double_backward` tries all of them and reports what fails.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.autograd.gradcheck import GradcheckError
from torch.func import functional_call, grad, vmap

__all__ = ["DerivativeError", "check_double_backward"]

_Function = Callable[..., Tensor]
_HINT = " (once_differentiable, detach, or values kept on ctx that forward computed?)"


class DerivativeError(AssertionError):
    """Failures that :func:`check_double_backward` found.

    Args:
        name: of the function or module.
        failures: one sentence each.

    Attributes:
        failures: the sentences, as a tuple.

    Example:
        >>> from stylelayers.testing import DerivativeError
        >>> DerivativeError("MyLayer", ["wrong second order: ..."]).failures
        ('wrong second order: ...',)
    """

    def __init__(self, name: str, failures: Sequence[str]) -> None:
        self.failures = tuple(failures)
        super().__init__(f"{name} cannot be relied on under a gradient penalty:\n- " + "\n- ".join(failures))


def check_double_backward(
    fn_or_module: Callable[..., Tensor],
    *inputs: Any,
    autocast: bool = True,
    func: bool = True,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> None:
    """Check first and second derivatives of a function or module, also under autocast and ``torch.func``.

    Numbers are compared with finite differences in float64, on a copy; bfloat16 autocast with float32.
    Every floating-point input is differentiated, and every parameter of a module.

    Args:
        fn_or_module: deterministic map of `inputs` to one tensor; samples of a batch may depend on each other.
        inputs: small tensors away from kinks; other values are passed on unchanged.
        autocast: check under ``torch.autocast`` too.
        func: check ``torch.func.grad`` and ``vmap`` too.
        eps: step of the finite differences.
        atol, rtol: absolute and relative tolerance in float64.

    Raises:
        DerivativeError: with everything that fails.
        ValueError: there is nothing to differentiate, or the output is not one tensor.

    Example:
        >>> import torch
        >>> from stylelayers import Blur
        >>> from stylelayers.testing import check_double_backward
        >>> check_double_backward(Blur(), torch.randn(1, 2, 4, 4))
    """
    call, tensors, names = _prepare(fn_or_module, inputs)
    failures = list(_graph_failures(call, tensors, names, eps))
    if not failures:
        failures += _order_failures(call, tensors, names, {"eps": eps, "atol": atol, "rtol": rtol})
    if autocast and call(*tensors).requires_grad:
        failures += _autocast_failures(*_prepare(fn_or_module, inputs, torch.float32))
    if func and call(*tensors).requires_grad:
        failures += _func_failures(call, tensors)
    if failures:
        raise DerivativeError(_name(fn_or_module), failures)


def _prepare(
    fn_or_module: Callable[..., Tensor], inputs: tuple[Any, ...], dtype: torch.dtype = torch.float64
) -> tuple[_Function, list[Tensor], list[str]]:
    """The call as a function of the tensors to differentiate, these tensors in `dtype`, and their names."""
    places = [i for i, value in enumerate(inputs) if isinstance(value, Tensor) and value.is_floating_point()]
    tensors = [inputs[i].detach().to(dtype).clone().requires_grad_() for i in places]
    names = [f"input {i}" for i in places]
    fixed = list(inputs)
    keys: list[str] = []
    module = deepcopy(fn_or_module).to(dtype) if isinstance(fn_or_module, nn.Module) else None
    if module is not None:
        keys = [key for key, parameter in module.named_parameters() if parameter.requires_grad]
        parameters = dict(module.named_parameters())
        tensors += [parameters[key].detach().clone().requires_grad_() for key in keys]
        names += [f"parameter {key}" for key in keys]

    def call(*values: Tensor) -> Tensor:
        arguments = list(fixed)
        for place, value in zip(places, values, strict=False):
            arguments[place] = value
        if module is None:
            return fn_or_module(*arguments)
        output: Tensor = functional_call(module, dict(zip(keys, values[len(places) :], strict=True)), tuple(arguments))
        return output

    output = call(*tensors) if tensors else None
    if not isinstance(output, Tensor):
        raise ValueError(
            f"check_double_backward: needs a floating-point input or a parameter, and one tensor as output, "
            f"got {len(tensors)} tensors to differentiate and an output of {type(output).__name__}"
        )
    return call, tensors, names


def _graph_failures(call: _Function, tensors: list[Tensor], names: list[str], eps: float) -> Iterator[str]:
    """Gradients that are missing, or constants to autograd although they are not constant."""
    output = call(*tensors)
    if not output.requires_grad:
        yield "missing graph: the output does not require grad (detach, .data, numpy, or no_grad on the way?)"
        return
    weight = torch.randn_like(output)
    free_weight = weight.clone().requires_grad_()  # every gradient depends on it, so none may be constant
    for k, name in enumerate(names):
        gradient = _gradient(call, tensors, k, weight)
        if gradient is None:
            if _changes(lambda: call(*tensors).detach(), tensors[k], eps):
                yield f"None for {name}: the output depends on it, but its gradient is None (detached, not returned?)"
        elif not gradient.requires_grad and _depends(partial(_gradient, call, tensors, k, weight), tensors, eps):
            yield f"missing graph: the gradient of {name} depends on the inputs but is a constant to autograd{_HINT}"
        elif gradient.any() and not cast(Tensor, _gradient(call, tensors, k, free_weight)).requires_grad:
            yield f"missing graph: the gradient of {name} is a constant to autograd{_HINT}"


def _gradient(call: _Function, tensors: list[Tensor], k: int, weight: Tensor) -> Tensor | None:
    output = (call(*tensors) * weight).sum()
    return torch.autograd.grad(output, tensors[k], create_graph=True, allow_unused=True)[0]


def _depends(value: Callable[[], Tensor | None], tensors: list[Tensor], eps: float) -> bool:
    return any(_changes(lambda: cast(Tensor, value()).detach(), tensor, eps) for tensor in tensors)


def _changes(value: Callable[[], Tensor], tensor: Tensor, eps: float) -> bool:
    """Whether `value` changes with `tensor` by more than rounding."""
    before, step = value(), torch.randn_like(tensor) * 1e3 * eps
    with torch.no_grad():
        tensor.add_(step)
        with torch.enable_grad():
            after = value()
        tensor.sub_(step)
    return not torch.allclose(before, after, rtol=1e-9, atol=1e-9)


def _order_failures(
    call: _Function, tensors: list[Tensor], names: list[str], tolerances: dict[str, Any]
) -> Iterator[str]:
    checks: tuple[tuple[str, Callable[..., bool]], ...] = (("first", gradcheck), ("second", gradgradcheck))
    for order, check in checks:
        try:
            check(call, tensors, **tolerances)
        except GradcheckError as error:
            at = re.search(r"with respect to input (\d+)", str(error))
            name = names[int(at[1])] if at and int(at[1]) < len(names) else "the incoming gradient"
            yield f"wrong {order} order: the derivative by {name} differs from finite differences"
        except RuntimeError as error:
            yield f"no {order} order: {_first_line(error)}"


def _autocast_failures(call: _Function, tensors: list[Tensor], names: list[str]) -> Iterator[str]:
    """Errors and large deviations of bfloat16 autocast around forward and backward, or around forward alone."""
    lower = partial(torch.autocast, tensors[0].device.type, dtype=torch.bfloat16)
    exact = _penalty_and_gradients(call, tensors)
    for where, backward in (("", lower), ("with backward outside, ", nullcontext)):
        try:
            lowered = _penalty_and_gradients(call, tensors, lower, backward)
        except RuntimeError as error:
            yield f"dtype mismatch under autocast: {where}{_first_line(error)}"
            continue
        for what, ours, theirs in zip(["the penalty", *names], lowered, exact, strict=True):
            if ours is not None and theirs is not None and _differs(ours, theirs):
                yield f"wrong under autocast: {where}{what} differs from float32 by more than bfloat16 explains"


def _differs(ours: Tensor, theirs: Tensor) -> bool:
    scale = float(theirs.abs().max()) + 1e-3
    return not torch.isfinite(ours).all() or float((ours - theirs).abs().max()) > 0.25 * scale


def _penalty_and_gradients(
    call: _Function,
    tensors: list[Tensor],
    forward: Callable[[], AbstractContextManager[Any]] = nullcontext,
    backward: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> list[Tensor | None]:
    """The squared norm of the gradients of a fixed projection, as in a penalty, and its gradients."""
    with forward():
        output = call(*tensors)
    weight = torch.linspace(0.5, 1.5, output.numel(), device=output.device).reshape(output.shape)
    with backward():
        first = torch.autograd.grad((output.float() * weight).sum(), tensors, create_graph=True, allow_unused=True)
        penalty = sum((g.float().square().sum() for g in first if g is not None), start=output.new_zeros(()).float())
        if not penalty.requires_grad:
            return [penalty, *[None] * len(tensors)]
        return [penalty.detach(), *torch.autograd.grad(penalty, tensors, allow_unused=True)]


def _func_failures(call: _Function, tensors: list[Tensor]) -> Iterator[str]:
    """Errors of ``grad``, ``grad(grad)`` and ``vmap(grad)``, and differences from autograd."""
    values = [tensor.detach() for tensor in tensors]
    everything = tuple(range(len(values)))

    def total(*v: Tensor) -> Tensor:
        return call(*v).square().sum()

    def squared_norm(*v: Tensor) -> Tensor:
        return sum((g.square().sum() for g in grad(total, everything)(*v)), start=v[0].new_zeros(()))

    twice = [torch.stack([value, value]) for value in values]
    try:
        ours = grad(total, everything)(*values)
        grad(squared_norm, everything)(*values)
        mapped = vmap(grad(total, everything))(*twice)
    except RuntimeError as error:
        yield f"not torch.func-ready: {_first_line(error)}"
        return
    theirs = torch.autograd.grad(total(*tensors), tensors, allow_unused=True)
    for a, b, c in zip(ours, theirs, mapped, strict=True):
        if b is not None and not (torch.allclose(a, b) and torch.allclose(c[0], b) and torch.allclose(c[1], b)):
            yield "not torch.func-ready: gradients of torch.func.grad or vmap differ from autograd's"
            return


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return lines[0].rstrip(",:") if lines else type(error).__name__


def _name(function: Any) -> str:
    owner = getattr(function, "__self__", None)  # the Function behind `Function.apply`
    return str(getattr(owner if isinstance(owner, type) else function, "__name__", type(function).__name__))
