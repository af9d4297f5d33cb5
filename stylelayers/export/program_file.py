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

    ``torch.export.load(path).module()(z=z, truncation_psi=torch.tensor(0.7))`` runs it; the inputs and the output are
    those of :func:`export_onnx`.

    Args:
        generator: of any architecture; it is not changed.
        path: of the file, usually ``.pt2``, which includes the weights.
        noise, half: as in :func:`export_onnx`.

    Returns:
        The path, the names of the inputs and the largest difference from the generator's images.

    Raises:
        ValueError: another noise mode, or different images.

    Example:
        >>> from stylelayers.checkpoints import load_generator
        >>> from stylelayers.export import export_program
        >>> exported = export_program(load_generator("runs/RUN"), "generator.pt2")  # doctest: +SKIP
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
