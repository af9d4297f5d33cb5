"""A generator as a `torch.export` program: one ``.pt2`` file that needs torch alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from .._whole_files import whole_file
from ..models import Generator
from .tracing import Exported, Inputs, check, example_inputs, trace, verified_difference

__all__ = ["export_program"]


def export_program(
    generator: Generator, path: str | os.PathLike[str], *, noise: str = "const", half: bool = False
) -> Exported:
    """Write `generator` as a program, once the file is known to give the same images.

    ``torch.export.load(path).module()(z=z, truncation_psi=torch.tensor(0.7))`` runs it, with ``labels=labels`` for a
    generator with labels and without ``truncation_psi`` for one without a mean of w.

    Args:
        generator: of any architecture; it is left as it is.
        path: the file, usually ``.pt2``.
        noise: ``"const"`` for the stored maps, ``"none"``.
        half: compute the synthesis network in float16.

    Raises:
        ValueError: another noise mode, or a file whose images differ.
    """
    check("export_program", noise)
    path, program = Path(path), trace(generator, noise=noise, half=half)
    with whole_file(path) as unfinished:
        with unfinished.open("wb") as written:
            torch.export.save(program, written)
        with unfinished.open("rb") as file:
            network = torch.export.load(file).module()

        def run(inputs: Inputs) -> Tensor:
            with torch.no_grad():
                return cast(Tensor, network(**inputs))

        difference = verified_difference("export_program", generator, run, noise=noise, half=half)
    return Exported(path, tuple(example_inputs(generator, 1)), difference)
