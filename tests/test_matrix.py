"""Every cell of the matrix; that it is complete, that it notices faults, and that the docs show the table it makes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from tests import modes, transforms
from tests.conftest import channels_last, copies, round_trips, strided
from tests.matrix import MODES, NOT_OPERATORS, PACKAGES, ROWS, Row, table

CHECKS: dict[str, Callable[[Row], None]] = {
    "1st": partial(modes.by_differences, check=gradcheck),
    "2nd": partial(modes.by_differences, check=gradgradcheck),
    "3rd": modes.third_order,
    "fwd": modes.forward_mode,
    "batched": modes.batched_gradients,
    "grad": partial(transforms.func_grad, twice=False),
    "vjp": partial(transforms.func_vjp_or_jacrev, jacobian=False),
    "vmap": transforms.func_vmap,
    "sample": transforms.per_sample,
    "jacrev": partial(transforms.func_vjp_or_jacrev, jacobian=True),
    "grad²": partial(transforms.func_grad, twice=True),
    "ensembles": transforms.ensembles,
    "Hessian": transforms.hessian,
    "bf16": partial(modes.under_autocast, dtype=torch.bfloat16),
    "fp16": partial(modes.under_autocast, dtype=torch.float16),
    "strided": partial(modes.in_layout, layout=strided),
    "last": partial(modes.in_layout, layout=channels_last),
    "expand": modes.expanded,
    "empty": modes.no_samples,
    "compile": modes.compiled,
    "trace": modes.traced,
    "copy": lambda row: copies(modes.case_of(row)),
    "state": lambda row: round_trips(modes.case_of(row)),
    "meta": modes.on_meta,
}

CELLS = [pytest.param(row, mode, id=f"{mode}-{row}") for mode in MODES for row in ROWS if row.reason(mode) is None]


@pytest.mark.parametrize(("row", "mode"), CELLS)
def test_cell(row: Row, mode: str) -> None:
    CHECKS[mode](row)


def test_every_public_name_has_a_row() -> None:
    public = {f"{package}.{name}" for package, module in PACKAGES.items() for name in module.__all__}
    assert {row.name for row in ROWS} | set(NOT_OPERATORS) == public
    assert not {row.name for row in ROWS} & set(NOT_OPERATORS)
    assert len({str(row) for row in ROWS}) == len(ROWS)


def test_every_mode_is_checked_and_every_reason_belongs_to_one() -> None:
    assert list(CHECKS) == list(MODES)
    assert {mode for row in ROWS for mode in row.left_out} <= set(MODES)
    for mode in MODES:
        assert any(row.reason(mode) is None for row in ROWS)


def test_the_docs_show_the_table() -> None:
    page = (Path(__file__).parents[1] / "docs" / "derivatives.md").read_text(encoding="utf-8")
    _, _, shown = page.partition("<!-- python -m tests.matrix -->\n\n")
    assert shown.partition("\n\n<!-- end -->")[0] == table()


# That a fault is noticed -----------------------------------------------------------------------------------------


class Square(torch.autograd.Function):
    """x² in the old style, its derivative kept as a constant and changed by a number read from the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.twice = 2 * x.detach()
        return x.square()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0] * ctx.twice + 0 * float(grads[0].detach().sum())


class Mixed(torch.autograd.Function):
    """x times the identity, by a matrix of float32 in backward whatever the gradient's dtype."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0] @ torch.eye(2)


def alone_in_memory(x: Tensor) -> Tensor:
    return 3 * x.as_strided(x.shape, (2, 1))


FAULTS: dict[str, Callable[[Tensor], Tensor]] = {
    "1st": lambda x: x * x.detach(),
    "2nd": Square.apply,
    "3rd": lambda x: x.square() * x.detach(),
    "fwd": Square.apply,
    "batched": Square.apply,
    "grad": Square.apply,
    "vjp": Square.apply,
    "vmap": Square.apply,
    "sample": lambda x: x - x.mean(0),
    "jacrev": Square.apply,
    "grad²": Square.apply,
    "ensembles": Square.apply,
    "Hessian": Square.apply,
    "bf16": Mixed.apply,
    "fp16": lambda x: (1e-5 * x).square().sqrt(),
    "strided": alone_in_memory,
    "expand": alone_in_memory,
    "empty": lambda x: x / x.detach().max(),
    "compile": lambda x: x * x.detach() if torch.compiler.is_compiling() else x.square(),
    "trace": lambda x: x * x.detach().max().item(),
    "meta": lambda x: x * float(x.detach().sum()),
}


@pytest.mark.parametrize("mode", FAULTS)
def test_a_fault_is_noticed(mode: str) -> None:
    row = Row("functional.faulty", FAULTS[mode], [(2,)])
    with pytest.raises((AssertionError, RuntimeError)):
        CHECKS[mode](row)
