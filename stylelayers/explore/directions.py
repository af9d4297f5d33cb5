"""Directions of w that change a picture most: closed-form factorisation (SeFa, arXiv:2007.06600)."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .._whole_files import save_tensors
from ..layers import EqualLinear
from ..models import Generator
from ..models.synthesis import SynthesisBlock
from .mixing import check_layers

__all__ = ["Directions", "factorize", "load_directions", "save_directions", "strips"]

_FORMAT = "stylelayers.directions"


@dataclass(frozen=True)
class Directions:
    """Directions of w, strongest first.

    Attributes:
        vectors: ``(K, w_dim)``, of unit length, at right angles to each other.
        strengths: ``(K,)``, eigenvalues: how much the styles change along each, squared.
        layers: indices into the styles of a picture that they were found for, and are to be added to.
    """

    vectors: Tensor
    strengths: Tensor
    layers: list[int]


def factorize(generator: Generator, *, layers: Sequence[int] | None = None, count: int | None = None) -> Directions:
    """Eigenvectors of :math:`A^T A`, A the stacked affine maps from w to the styles of `layers` (equation 5).

    No data and no samples are needed. A vector's sign means nothing; its largest component is made positive, so that
    the same generator gives the same directions.

    Args:
        generator: of any training.
        layers: indices into the styles of a picture, 0 the coarsest; None for all.
        count: how many of the `w_dim` directions are kept, strongest first; None for all.

    Raises:
        ValueError: layers or a count that there are not.
    """
    layers = list(range(generator.num_ws) if layers is None else layers)
    check_layers(layers, generator.num_ws)
    count = generator.w_dim if count is None else count
    if not 1 <= count <= generator.w_dim:
        raise ValueError(f"count must be in [1, {generator.w_dim}], got {count}")
    maps = affine_maps(generator)
    stacked = torch.cat([affine.weight.detach() * affine.scale for layer in layers for affine in maps[layer]])
    stacked = stacked.double().cpu()
    values, vectors = torch.linalg.eigh(stacked.mT @ stacked)
    vectors = vectors.mT.flip(0)[:count]
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    return Directions((vectors * largest.sign()).float(), values.flip(0)[:count].clamp_min(0).float(), layers)


def affine_maps(generator: Generator) -> list[list[EqualLinear]]:
    """For each style of a picture the maps that read it: of a convolution, or of an image and the next convolution."""
    readers: list[list[EqualLinear]] = [[] for _ in range(generator.num_ws)]
    first = 0
    for block in generator.synthesis.blocks:
        assert isinstance(block, SynthesisBlock)
        layers = [layer for layer in (block.conv0, block.conv1, block.to_rgb) if layer is not None]
        for index, layer in enumerate(layers, first):
            readers[index].append(layer.conv.affine)
        first += block.num_convs
    return readers


def strips(ws: Tensor, directions: Directions, amounts: Tensor) -> Tensor:
    """One picture's styles moved along each direction by each amount, in its layers only.

    Shape:
        `ws` ``(num_ws, w_dim)``, K directions, `amounts` ``(M,)`` → ``(K, M, num_ws, w_dim)``.
    """
    chosen = torch.zeros(len(ws), 1, dtype=ws.dtype, device=ws.device)
    chosen[directions.layers] = 1
    steps = directions.vectors.to(ws)[:, None] * amounts.to(ws)[None, :, None]
    return ws + steps[:, :, None] * chosen


def save_directions(directions: Directions, path: str | os.PathLike[str]) -> Path:
    """Write ``vectors`` and ``strengths``, and ``layers`` in the metadata, as one safetensors file."""
    tensors = {"vectors": directions.vectors, "strengths": directions.strengths}
    metadata = {"format": _FORMAT, "version": "1", "layers": json.dumps(directions.layers)}
    return save_tensors(tensors, path, metadata=metadata)


def load_directions(path: str | os.PathLike[str]) -> Directions:
    """Read what :func:`save_directions` wrote.

    Raises:
        ValueError: another kind of file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != _FORMAT or metadata.get("version") != "1":
                raise ValueError(f"{os.fspath(path)!r} must be of format {_FORMAT}, version 1")
            layers = json.loads(metadata["layers"])
            return Directions(file.get_tensor("vectors"), file.get_tensor("strengths"), layers)
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"{os.fspath(path)!r} is not a readable file of directions: {error}") from None
