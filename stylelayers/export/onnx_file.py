"""A generator as an ONNX file, for onnxruntime and whatever else reads the format."""

from __future__ import annotations

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
from ..models import Generator
from .tracing import OUTPUT, Exported, Inputs, check, example_inputs, trace, verified_difference

__all__ = ["export_onnx"]

_NEEDED = ("onnx", "onnxscript", "onnxruntime")


def export_onnx(
    generator: Generator, path: str | os.PathLike[str], *, noise: str = "const", half: bool = False
) -> Exported:
    """Write `generator` as ONNX, once onnxruntime is known to give the same images.

    Inputs: ``z`` ``(N, z_dim)``; ``truncation_psi``, a scalar, unless the generator has no mean of w; ``labels``
    ``(N,)`` of int64 for a generator with labels. Output: ``images``. The batch is dynamic.

    Args:
        generator: of any architecture; it is left as it is.
        path: the file, usually ``.onnx``; weights are inside.
        noise: ``"const"`` for the stored maps, ``"none"``.
        half: compute the synthesis network in float16.

    Raises:
        ValueError: another noise mode, a file whose images differ, or packages that are missing.
    """
    check("export_onnx", noise)
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise ValueError(f"export_onnx: {', '.join(missing)} must be installed: pip install 'stylelayers[export]'")
    path, inputs = Path(path), tuple(example_inputs(generator, 1))
    model = _model(generator, inputs, noise=noise, half=half)
    with whole_file(path) as unfinished:
        unfinished.write_bytes(model)
        session = _session(unfinished)

        def run(values: Inputs) -> Tensor:
            (images,) = session.run([OUTPUT], {name: value.numpy() for name, value in values.items()})
            return torch.from_numpy(images)

        difference = verified_difference("export_onnx", generator, run, noise=noise, half=half)
    return Exported(path, inputs, difference)


def _model(generator: Generator, inputs: tuple[str, ...], *, noise: str, half: bool) -> bytes:
    program = trace(generator, noise=noise, half=half)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # of the exporter about its own parts
        exported = torch.onnx.export(
            program, dynamo=True, input_names=list(inputs), output_names=[OUTPUT], external_data=False, verbose=False
        )
    assert exported is not None  # dynamo=True returns a program
    proto = exported.model_proto
    for part in (proto, proto.graph, *proto.graph.node, *proto.graph.value_info):
        del part.metadata_props[:]  # the exporter's notes, paths of this machine among them
    data: bytes = proto.SerializeToString(deterministic=True)
    return data


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
