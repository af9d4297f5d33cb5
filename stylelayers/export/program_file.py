"""Export a generator to a `torch.export` program, a ``.pt2`` file that needs torch alone."""

import os
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from .._whole_files import whole_file
from ..models import StyleGenerator
from .tracing import Exported, Inputs, checked_noise, example_inputs, trace, verified_difference


def export_program(
    generator: StyleGenerator, path: str | os.PathLike[str], *, noise: str | None = None, half: bool = False
) -> Exported:
    """Write a program, unless its images differ from the generator's.

    ``torch.export.load(path).module()(z=z, truncation_psi=torch.tensor(0.7))`` runs it; inputs and arguments are those
    of :func:`export_onnx`.

    Raises:
        ValueError: another noise mode, or different images.
    """
    noise = checked_noise("export_program", generator, noise)
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
