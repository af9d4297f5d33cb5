"""Tests of a CUDA device: ``pytest -m gpu``. ``STYLELAYERS_GPU=cpu`` rehearses them without one.

Numbers are compared with those of the CPU, so TF32 is off, which torch has on for convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch


@pytest.fixture(autouse=True)
def _without_tf32() -> Iterator[None]:
    parts: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [part.allow_tf32 for part in parts]
    for part in parts:
        part.allow_tf32 = False
    yield
    for part, allowed in zip(parts, before, strict=True):
        part.allow_tf32 = allowed
