"""A module computes the same in whatever way torch made its memory, once the state dict of another is loaded.

What the constructor knows and no file holds (the taps of filters) must survive all of them.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.nn.utils import skip_init

from stylelayers import Discriminator, Generator
from tests.conftest import assert_same
from tests.matrix import ROWS, TINY, Row
from tests.modes import case_of

State = dict[str, Any]
Way = Callable[[Row, State], Callable[..., Any]]

REFLECT: dict[str, Any] = {"padding_mode": "reflect", "resample_filter": (1, 2, 1)}
SKIP = partial(Discriminator, 16, **TINY, architecture="skip")
MODULES = [
    *(row for row in ROWS if row.is_module),
    Row("models.Discriminator", SKIP, [(1, 16, 16)], variant="skip"),
    Row("models.Discriminator", partial(SKIP, **REFLECT), [(1, 16, 16)], variant="reflect"),
]


def on_meta(row: Row) -> nn.Module:
    with torch.device("meta"):
        return row.make(dtype=torch.float64)


def loaded(module: nn.Module, state: State, **options: bool) -> nn.Module:
    assert str(module.load_state_dict(state, **options)) == "<All keys matched successfully>"
    return module.eval()


def by_argument(row: Row, state: State) -> nn.Module:
    return loaded(row.make(device="meta", dtype=torch.float64).to_empty(device="cpu"), state)


def by_context(row: Row, state: State) -> nn.Module:
    return loaded(on_meta(row).to_empty(device="cpu"), state)


def assigned(row: Row, state: State) -> nn.Module:
    return loaded(on_meta(row), state, assign=True)


def swapped(row: Row, state: State) -> nn.Module:
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        return loaded(on_meta(row).to_empty(device="cpu"), state)
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)


def skipped(row: Row, state: State) -> nn.Module:
    make = row.make
    if not isinstance(make, partial):
        pytest.skip("made by a function, not by a class")
    return loaded(skip_init(make.func, *make.args, **make.keywords, dtype=torch.float64), state)  # type: ignore[arg-type]


def emptied(row: Row, state: State) -> nn.Module:
    module = row.make(dtype=torch.float64).to_empty(device="cpu")
    for tensor in (*module.parameters(), *module.buffers()):
        nn.init.constant_(tensor, torch.nan)
    return loaded(module, state)


def copied(row: Row, state: State) -> nn.Module:
    return loaded(deepcopy(on_meta(row)).to_empty(device="cpu"), state)


def pickled(row: Row, state: State) -> nn.Module:
    return loaded(pickle.loads(pickle.dumps(on_meta(row))), state, assign=True)


def saved_whole(row: Row, state: State) -> nn.Module:
    file = io.BytesIO()
    torch.save(row.make(dtype=torch.float64), file)
    file.seek(0)
    return loaded(torch.load(file, map_location="meta", weights_only=False), state, assign=True)


def cast_and_back(row: Row, state: State) -> nn.Module:
    return loaded(row.make().half().to(torch.float64), state)


def to_meta_and_back(row: Row, state: State) -> nn.Module:
    return loaded(row.make(dtype=torch.float64).to("meta"), state, assign=True)


def fake(row: Row, state: State) -> nn.Module:
    with FakeTensorMode():
        module = row.make(dtype=torch.float64)
    return loaded(module, state, assign=True)


def under_inference_mode(row: Row, state: State) -> nn.Module:
    with torch.inference_mode():
        module = row.make(dtype=torch.float64)
    return loaded(module, state, assign=True)


def called_with_state(row: Row, state: State) -> Callable[..., Any]:
    module = on_meta(row).eval()
    return lambda *inputs, **options: functional_call(module, state, inputs, options)


WAYS: tuple[Way, ...] = (
    by_argument,
    by_context,
    assigned,
    swapped,
    skipped,
    emptied,
    copied,
    pickled,
    saved_whole,
    cast_and_back,
    to_meta_and_back,
    fake,
    under_inference_mode,
    called_with_state,
)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("row", MODULES, ids=str)
def test_what_the_constructor_knows_survives(row: Row, way: Way) -> None:
    case = case_of(row)
    module, inputs = case.build(), [tensor.requires_grad_() for tensor in case.inputs(3)]
    expected = case.run(module, inputs)
    y = way(row, module.state_dict())(*inputs, **row.options)
    assert_same(y, expected, 1e-14)  # sums of parts of a batch depend on where it lies in memory
    if inputs:
        gradients = torch.autograd.grad([y.sum()], inputs), torch.autograd.grad([expected.sum()], inputs)
        for ours, theirs in zip(*gradients, strict=True):
            assert_same(ours, theirs, 1e-14)


def test_a_network_can_be_cast_before_its_first_call() -> None:
    """Straight from the meta device: nothing but parameters and saved buffers is moved."""
    for network in (Generator(8, channel_base=16), Discriminator(8, channel_base=16)):
        with torch.device("meta"):
            other = type(network)(8, channel_base=16)
        other.load_state_dict(network.state_dict(), assign=True)
        assert {tensor.dtype for tensor in other.to("cpu", torch.float64).state_dict().values()} == {torch.float64}
