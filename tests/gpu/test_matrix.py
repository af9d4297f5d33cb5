"""Every row of the matrix on a CUDA device: the CPU's numbers, both orders, layouts, low precision, compiled."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from tests import modes
from tests.conftest import GPU, channels_last, strided
from tests.matrix import ROWS, Row
from tests.modes import TOLERANCES, all_near, orders, subject

pytestmark = pytest.mark.gpu
SINGLE, DOUBLE = 1e-4, 1e-9  # of a tensor's norm: sums are taken in another order than on a CPU
BACKEND = "inductor" if GPU.type == "cuda" else "aot_eager"


def as_on_the_cpu(
    row: Row, dtype: torch.dtype, tolerance: float, layout: Callable[[Tensor], Tensor] = lambda x: x
) -> None:
    """Value, first and second order, and that none of them has left the device."""
    here, there = subject(row, dtype), subject(row, dtype, device=GPU)
    found = orders(lambda *tensors: there.call(*map(layout, tensors)), there.leaves)
    assert {tensor.device.type for order in found for tensor in order} == {GPU.type}
    all_near([[tensor.cpu() for tensor in order] for order in found], orders(here.call, here.leaves), tolerance)


def cast(row: Row, dtype: torch.dtype) -> None:
    """Inputs, weights and parameters in low precision, without autocast."""
    it, exact = (subject(row, held, device=GPU) for held in (dtype, torch.float32))
    all_near(orders(it.call, it.leaves), orders(exact.call, exact.leaves), 4 * TOLERANCES[dtype])


CHECKS: dict[str, tuple[str, Callable[[Row], None]]] = {  # name → column of the matrix that says where it applies
    "float32": ("1st", partial(as_on_the_cpu, dtype=torch.float32, tolerance=SINGLE)),
    "float32-last": ("last", partial(as_on_the_cpu, dtype=torch.float32, tolerance=SINGLE, layout=channels_last)),
    "float64": ("1st", partial(as_on_the_cpu, dtype=torch.float64, tolerance=DOUBLE)),
    "1st": ("1st", partial(modes.by_differences, check=gradcheck, device=GPU, nondet_tol=1e-9)),
    "2nd": ("2nd", partial(modes.by_differences, check=gradgradcheck, device=GPU, nondet_tol=1e-9)),
    "autocast-bf16": ("bf16", partial(modes.under_autocast, dtype=torch.bfloat16, device=GPU)),
    "autocast-fp16": ("fp16", partial(modes.under_autocast, dtype=torch.float16, device=GPU)),
    "bf16": ("bf16", partial(cast, dtype=torch.bfloat16)),
    "fp16": ("fp16", partial(cast, dtype=torch.float16)),
    "strided": ("strided", partial(modes.in_layout, layout=strided, device=GPU)),
    "empty": ("empty", partial(modes.no_samples, device=GPU)),
    "compile": ("compile", partial(modes.compiled, backend=BACKEND, device=GPU)),
}
CELLS = [
    pytest.param(row, check, id=f"{name}-{row}")
    for name, (column, check) in CHECKS.items()
    for row in ROWS
    if row.reason(column) is None
]


@pytest.mark.parametrize(("row", "check"), CELLS)
def test_cell(row: Row, check: Callable[[Row], None]) -> None:
    check(row)
