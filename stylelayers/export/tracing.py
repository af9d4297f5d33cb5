"""The traced graph of a generator, and the comparison of an exported file with the generator.

The graph has plain torch operators (no autograd Function, no grouped modulated convolution), a dynamic batch, and
truncation as an input. In half precision the synthesis network computes in float16; the mapping network, whose
equalized weights would lose precision, inputs and images stay in float32.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from ..models import StyleGenerator
from ..models.style_generator import check_noise_mode

OUTPUT = "images"
Inputs = dict[str, Tensor]
NOISE_MODES = ("const", "none")
_BATCHES, _PSIS = (1, 7), (1.0, 0.5)
_TOLERANCE = {False: 1e-4, True: 3e-2}  # by half precision, relative to the largest magnitude or 1


@dataclass(frozen=True)
class Exported:
    """Result of an export.

    Attributes:
        path: of the file.
        inputs: names of the inputs, in order.
        difference: largest difference between images of the file and of the float32 generator, over batches of 1 and 7
            and truncation psi of 1 and 0.5.

    Example:
        >>> from pathlib import Path
        >>> from stylelayers.export import Exported
        >>> Exported(Path("generator.onnx"), ("z", "truncation_psi"), 1e-6).inputs
        ('z', 'truncation_psi')
    """

    path: Path
    inputs: tuple[str, ...]
    difference: float


class _TracedGenerator(nn.Module):
    """A generator whose truncation is a tensor."""

    classes: Tensor

    def __init__(self, generator: StyleGenerator, noise: str, half: bool) -> None:
        super().__init__()
        generator = deepcopy(generator).cpu().float().eval().requires_grad_(False)
        self.mapping, self.synthesis = generator.mapping, generator.synthesis
        self.noise, self.dtype = noise, torch.float16 if half else torch.float32
        self.synthesis.to(self.dtype)
        self.register_buffer("classes", torch.arange(generator.num_labels))
        self.takes_vectors = generator.label_kind == "vectors"

    def forward(self, z: Tensor, truncation_psi: Tensor | None = None, labels: Tensor | None = None) -> Tensor:
        if labels is not None and not self.takes_vectors:
            labels = self._look_up(labels)
        ws = self.mapping(z, labels)
        if truncation_psi is not None:
            ws = self.mapping.w_mean.lerp(ws, truncation_psi)  # type: ignore[union-attr]
        images: Tensor = self.synthesis(ws.to(self.dtype), noise=self.noise)
        return images.float()

    def _look_up(self, labels: Tensor) -> Tensor:
        """Look labels up in a table: ONNX has no assertions, but refuses an index out of range.

        Negative indices, which would count from the end, are moved out of range.
        """
        return nn.functional.embedding(labels.where(labels >= 0, len(self.classes)), self.classes[:, None]).squeeze(1)


def checked_noise(caller: str, generator: StyleGenerator, noise: str | None) -> str:
    """The mode that a file keeps: the stored maps or none, the first if there are any and None is given."""
    if noise is None:
        return generator.synthesis.fixed_noise
    modes = [mode for mode in NOISE_MODES if mode in generator.synthesis.noise_modes]
    check_noise_mode(caller, modes, noise)
    return noise


def trace(generator: StyleGenerator, *, noise: str, half: bool) -> ExportedProgram:
    """Trace one graph for all batch sizes, with the inputs of :func:`example_inputs`."""
    inputs = example_inputs(generator, 2)
    batch = Dim("batch", min=1)
    sizes = {name: {0: batch} if tensor.ndim else None for name, tensor in inputs.items()}
    with torch.no_grad():
        program = torch.export.export(_TracedGenerator(generator, noise, half), (), inputs, dynamic_shapes=sizes)
    for node in program.graph.nodes:  # paths of this machine
        node.meta.pop("stack_trace", None)
    return program


def example_inputs(generator: StyleGenerator, batch: int, psi: float = 1.0) -> Inputs:
    """Seeded latents ``z``, and a scalar ``truncation_psi``, and ``labels``, if the generator has them.

    Labels are class numbers ``(N,)`` of int64, or vectors ``(N, num_labels)`` of float32.
    """
    source = torch.Generator().manual_seed(batch)
    inputs = {"z": torch.randn(batch, generator.z_dim, generator=source)}
    if generator.mapping.w_mean is not None:
        inputs["truncation_psi"] = torch.tensor(psi)
    if generator.label_kind == "vectors":
        inputs["labels"] = torch.rand(batch, generator.num_labels, generator=source)
    elif generator.num_labels:
        inputs["labels"] = torch.arange(batch) % generator.num_labels
    return inputs


def verified_difference(
    caller: str, generator: StyleGenerator, run: Callable[[Inputs], Tensor], *, noise: str, half: bool
) -> float:
    """The largest difference between images of `run`, which runs the file, and of the float32 generator.

    Raises:
        ValueError: a difference above the tolerance.
    """
    reference, worst, largest = _TracedGenerator(generator, noise, half=False), 0.0, 1.0
    for batch in _BATCHES:
        for psi in _PSIS:
            inputs: dict[str, Any] = example_inputs(generator, batch, psi)
            with torch.no_grad():
                expected = reference(**inputs)
            difference = float((run(inputs) - expected).abs().max().nan_to_num(nan=torch.inf))
            worst, largest = max(worst, difference), max(largest, float(expected.abs().max()))
    if worst > _TOLERANCE[half] * largest:
        hint = "; a generator with clamp=256 keeps float16 finite" if half and generator.clamp is None else ""
        raise ValueError(f"{caller}: the file's images differ from the generator's by {worst:.2g}; not written{hint}")
    return worst
