"""Export a generator to ONNX."""

import contextlib
import importlib.util
import io
import os
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .._whole_files import whole_file
from ..models import StyleGenerator
from .tracing import OUTPUT, Exported, Inputs, checked_noise, example_inputs, trace, verified_difference

_REQUIRED = ("onnx", "onnxscript", "onnxruntime")


def export_onnx(
    generator: StyleGenerator, path: str | os.PathLike[str], *, noise: str | None = None, half: bool = False
) -> Exported:
    """Write an ONNX file, unless its images in onnxruntime differ from the generator's.

    Inputs: ``z`` ``(N, z_dim)``; ``truncation_psi``, a scalar, if the generator tracks the mean of w; ``labels``,
    if it is conditional: class numbers ``(N,)`` of int64 or vectors ``(N, num_labels)`` of float32. Output: ``images``.
    The batch is dynamic.

    Args:
        generator: of any architecture; it is not changed.
        path: of the file, usually ``.onnx``, which includes the weights.
        noise: ``"const"`` for the stored maps, or ``"none"``; None for ``"const"`` if the generator has noise inputs.
        half: compute the synthesis network in float16.

    Returns:
        The path, the names of the inputs and the largest difference from the generator's images.

    Raises:
        ValueError: another noise mode, different images, or missing packages.

    Example:
        >>> from stylelayers.checkpoints import load_generator
        >>> from stylelayers.export import export_onnx
        >>> exported = export_onnx(load_generator("runs/RUN"), "generator.onnx")  # doctest: +SKIP
    """
    noise = checked_noise("export_onnx", generator, noise)
    if missing := [name for name in _REQUIRED if importlib.util.find_spec(name) is None]:
        raise ValueError(f"export_onnx: {', '.join(missing)} must be installed: pip install 'stylelayers[export]'")
    path, inputs = Path(path), tuple(example_inputs(generator, 1))
    model = _build_model(generator, inputs, noise=noise, half=half)
    with whole_file(path) as unfinished:
        unfinished.write_bytes(model)
        session = _open_session(unfinished)

        def run(values: Inputs) -> Tensor:
            (images,) = session.run([OUTPUT], {name: value.numpy() for name, value in values.items()})
            return torch.from_numpy(images)

        difference = verified_difference("export_onnx", generator, run, noise=noise, half=half)
    return Exported(path, inputs, difference)


def _build_model(generator: StyleGenerator, inputs: tuple[str, ...], *, noise: str, half: bool) -> bytes:
    program = trace(generator, noise=noise, half=half)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # of the exporter about itself
        exported = torch.onnx.export(
            program, dynamo=True, input_names=list(inputs), output_names=[OUTPUT], external_data=False, verbose=False
        )
    assert exported is not None  # dynamo=True returns a program
    proto = exported.model_proto
    for part in (proto, proto.graph, *proto.graph.node, *proto.graph.value_info):
        del part.metadata_props[:]  # notes of the exporter, with paths of this machine
    data: bytes = proto.SerializeToString(deterministic=True)
    return data


def _open_session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
