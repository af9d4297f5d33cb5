"""What all tests share: a seed, small helpers, and the laws that every module obeys (see `Case`)."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck

torch.set_num_threads(1)  # the tensors are tiny
os.environ.setdefault("OMP_NUM_THREADS", "1")  # in the processes that tests start, too

GPU = torch.device(os.environ.get("STYLELAYERS_GPU", "cuda"))  # of tests marked gpu; cpu for a rehearsal without one


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    absent = {
        "slow": None if os.environ.get("STYLELAYERS_SLOW") == "1" else "takes minutes; run with STYLELAYERS_SLOW=1",
        "gpu": None if GPU.type == "cpu" or torch.cuda.is_available() else "needs a CUDA device",
    }
    for item in items:
        for name, reason in absent.items():
            if reason is not None and item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Indices and features of the tests' images stay out of the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STYLELAYERS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def interruptible() -> Iterator[None]:
    """In a shell's background job SIGINT is ignored, by what the job starts too, unless there is a handler to undo."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def assert_same(actual: Tensor, expected: Tensor, tolerance: float = 1e-10) -> None:
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def check_derivatives(
    function: Callable[..., Any], *inputs: Tensor, forward: bool = True, batched: bool = True
) -> None:
    """Compare first and second derivatives with finite differences; forward mode and `vmap` unless refused."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    assert gradcheck(function, leaves, fast_mode=True, check_forward_ad=forward, check_batched_grad=batched)
    assert gradgradcheck(function, leaves, fast_mode=True, check_fwd_over_rev=forward)


def saved_for_backward(function: Callable[[], Tensor]) -> list[Tensor]:
    """The tensors that autograd keeps until the backward pass of `function()`, one a piece of memory."""
    saved: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        return saved.setdefault(tensor.untyped_storage().data_ptr(), tensor)

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = function()
    del result
    return list(saved.values())


def strided(x: Tensor) -> Tensor:
    """The same numbers, every other one in memory."""
    return torch.stack([x, -x], -1)[..., 0]


def channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def tensors_of(module: nn.Module) -> list[Tensor]:
    return list(chain(module.parameters(), module.buffers()))


# The laws of modules ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A module, what it is called with, and what depends on neither.

    Attributes:
        make: constructor; takes `device` and `dtype`.
        shapes: shape of every input tensor, without the batch.
        keys: of the state dict, in order.
        shows: what `repr` must say.
        options: keyword arguments of the call.
        independent: the output of a sample does not depend on the other samples.
    """

    make: Callable[..., nn.Module]
    shapes: Sequence[tuple[int, ...]]
    keys: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    independent: bool = True

    def build(self) -> nn.Module:
        """The module in float64, in evaluation mode, with parameters that are nowhere zero."""
        module = self.make(dtype=torch.float64).eval()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter))
        return module

    def inputs(self, batch: int) -> list[Tensor]:
        return [randn(batch, *shape) for shape in self.shapes]

    def run(self, module: nn.Module, inputs: Sequence[Tensor]) -> Tensor:
        result: Tensor = module(*inputs, **self.options)
        return result


Law = Callable[[Case], None]


def every_law(cases: dict[str, Case]) -> pytest.MarkDecorator:
    """Parametrise a test by `law` and `case`."""
    pairs = [pytest.param(law, cases[name], id=f"{law.__name__}-{name}") for law in _LAWS for name in cases]
    return pytest.mark.parametrize(("law", "case"), pairs)


def resets_after_meta(case: Case) -> None:
    with torch.device("meta"):
        in_context = case.make(dtype=torch.float64)
    fresh, inputs = case.make(dtype=torch.float64).eval(), case.inputs(2)
    for module in (case.make(device="meta", dtype=torch.float64), in_context):
        assert all(tensor.is_meta for tensor in tensors_of(module))
        module.to_empty(device="cpu").eval()
        for restored in (module, fresh):
            for tensor in tensors_of(restored):
                nn.init.constant_(tensor, torch.nan)
            torch.manual_seed(1)
            restored.reset_parameters()  # type: ignore[operator]
        assert_same(case.run(module, inputs), case.run(fresh, inputs), 0.0)


def copies(case: Case) -> None:
    module, inputs = case.build(), case.inputs(2)
    for copy in (deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert_same(case.run(copy, inputs), case.run(module, inputs), 0.0)


def round_trips(case: Case) -> None:
    module, other, inputs = case.build(), case.build(), case.inputs(2)
    assert tuple(module.state_dict()) == case.keys
    other.load_state_dict(module.state_dict())
    assert_same(case.run(other, inputs), case.run(module, inputs), 0.0)


def follows_dtype(case: Case) -> None:
    for module, dtype in (
        (case.make(), torch.float32),
        (case.make().double(), torch.float64),
        (case.make(dtype=torch.float64), torch.float64),
    ):
        assert {tensor.dtype for tensor in tensors_of(module)} <= {dtype}
        y = case.run(module, [tensor.to(dtype) for tensor in case.inputs(2)])
        assert y.dtype == dtype
        assert y.isfinite().all()


def takes_any_layout(case: Case) -> None:
    module, inputs = case.build(), case.inputs(2)
    expected = case.run(module, inputs)
    for layout in (strided, channels_last):
        assert_same(case.run(module, [layout(tensor) for tensor in inputs]), expected)


def takes_any_batch(case: Case) -> None:
    module, inputs = case.build(), case.inputs(3)
    y = case.run(module, inputs)
    empty = case.run(module, [tensor[:0].clone().requires_grad_() for tensor in inputs])
    assert empty.shape == (0, *y.shape[1:])
    empty.sum().backward()
    one = case.run(module, [tensor[1:2] for tensor in inputs])
    assert one.shape == (1, *y.shape[1:])
    assert not case.independent or torch.allclose(one, y[1:2], rtol=1e-9)


def has_derivatives(case: Case) -> None:
    """Along one random direction of all inputs and parameters together."""
    module, inputs = case.build(), case.inputs(2)
    names = [name for name, _ in module.named_parameters()]
    start = [tensor.detach() for tensor in (*inputs, *module.parameters())]
    direction = [torch.randn_like(tensor) for tensor in start]

    def function(step: Tensor) -> Tensor:
        tensors = [tensor + step * change for tensor, change in zip(start, direction, strict=True)]
        parameters = dict(zip(names, tensors[len(inputs) :], strict=True))
        result: Tensor = torch.func.functional_call(module, parameters, tuple(tensors[: len(inputs)]), case.options)
        return result

    check_derivatives(function, torch.zeros((), dtype=torch.float64), batched=False)


def shows_its_options(case: Case) -> None:
    text = repr(case.make())
    assert [option for option in case.shows if option not in text] == [], text


_LAWS: tuple[Law, ...] = (
    resets_after_meta,
    copies,
    round_trips,
    follows_dtype,
    takes_any_layout,
    takes_any_batch,
    has_derivatives,
    shows_its_options,
)
