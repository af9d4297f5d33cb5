"""Directions of w that change images most, by closed-form factorisation (SeFa, arXiv:2007.06600)."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .._whole_files import save_tensors
from ..models import StyleGenerator
from .mixing import check_layers

_FORMAT = "stylelayers.directions"


@dataclass(frozen=True)
class Directions:
    """Directions of w, strongest first.

    Attributes:
        vectors: ``(K, w_dim)``, orthonormal.
        strengths: ``(K,)``, eigenvalues: the squared change of the styles along each.
        layers: indices of the layers that they were computed for, and are to be added to.

    Example:
        >>> import torch
        >>> from stylelayers.explore import Directions
        >>> Directions(torch.eye(2, 4), torch.tensor([2.0, 1.0]), layers=[0, 1]).vectors.shape
        torch.Size([2, 4])
    """

    vectors: Tensor
    strengths: Tensor
    layers: list[int]


def factorize(
    generator: StyleGenerator, *, layers: Sequence[int] | None = None, count: int | None = None
) -> Directions:
    """Eigenvectors of :math:`A^T A`, A the stacked affine maps from w to the styles of `layers`.

    From arXiv:2007.06600, equation 5. Neither data nor samples are needed. The sign of an eigenvector is arbitrary: its
    largest component is made positive.

    Args:
        generator: of any architecture.
        layers: indices of layers, 0 the coarsest; None for all.
        count: number of directions, strongest first, in [1, w_dim]; None for all.

    Returns:
        The directions, float32 on the CPU.

    Raises:
        ValueError: layers or count out of range.

    Example:
        >>> from stylelayers import Generator
        >>> from stylelayers.explore import factorize
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16)
        >>> factorize(generator, layers=[0, 1], count=2).vectors.shape
        torch.Size([2, 4])
    """
    layers = list(range(generator.num_ws) if layers is None else layers)
    check_layers("factorize", layers, generator.num_ws)
    count = generator.w_dim if count is None else count
    if not 1 <= count <= generator.w_dim:
        raise ValueError(f"factorize: count must be in [1, {generator.w_dim}], got {count}")
    maps = generator.synthesis.affine_maps()
    stacked = torch.cat([affine.weight.detach() * affine.scale for layer in layers for affine in maps[layer]])
    stacked = stacked.double().cpu()
    values, vectors = torch.linalg.eigh(stacked.mT @ stacked)
    vectors = vectors.mT.flip(0)[:count]
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    return Directions((vectors * largest.sign()).float(), values.flip(0)[:count].clamp_min(0).float(), layers)


def strips(ws: Tensor, directions: Directions, amounts: Tensor) -> Tensor:
    """The styles of one image, moved along each direction by each amount in the directions' layers.

    Args:
        ws: styles of the image.
        directions: of :func:`factorize`.
        amounts: factors of the directions, which are of unit length.

    Shape:
        `ws` ``(num_ws, w_dim)``, K directions, `amounts` ``(M,)`` → ``(K, M, num_ws, w_dim)``.

    Example:
        >>> import torch
        >>> from stylelayers.explore import Directions, strips
        >>> directions = Directions(torch.eye(2, 4), torch.ones(2), layers=[0])
        >>> strips(torch.zeros(3, 4), directions, torch.tensor([-1.0, 1.0]))[0, 1]
        tensor([[1., 0., 0., 0.],
                [0., 0., 0., 0.],
                [0., 0., 0., 0.]])
    """
    mask = torch.zeros(len(ws), 1, dtype=ws.dtype, device=ws.device)
    mask[directions.layers] = 1
    moves = directions.vectors.to(ws)[:, None] * amounts.to(ws)[None, :, None]
    return ws + moves[:, :, None] * mask


def save_directions(directions: Directions, path: str | os.PathLike[str]) -> Path:
    """Write a safetensors file of ``vectors`` and ``strengths``, with ``layers`` in the metadata.

    Args:
        directions: of :func:`factorize`.
        path: of the file; missing folders are created.

    Returns:
        The path.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from stylelayers.explore import Directions, load_directions, save_directions
        >>> directions = Directions(torch.eye(2, 4), torch.ones(2), layers=[0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save_directions(directions, f"{folder}/directions.safetensors")
        >>> path.name
        'directions.safetensors'
    """
    tensors = {"vectors": directions.vectors, "strengths": directions.strengths}
    metadata = {"format": _FORMAT, "version": "1", "layers": json.dumps(directions.layers)}
    return save_tensors(tensors, path, metadata=metadata)


def load_directions(path: str | os.PathLike[str]) -> Directions:
    """Read a file of :func:`save_directions`.

    Args:
        path: of the file.

    Returns:
        The directions, on the CPU.

    Raises:
        ValueError: a file of another kind.
        OSError: the file cannot be opened.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from stylelayers.explore import Directions, load_directions, save_directions
        >>> directions = Directions(torch.eye(2, 4), torch.ones(2), layers=[0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save_directions(directions, f"{folder}/directions.safetensors")
        ...     load_directions(path).layers
        [0]
    """
    file = os.fspath(path)
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
            if metadata.get("format") != _FORMAT or metadata.get("version") != "1":
                raise ValueError(f"load_directions: {file!r} must be of format {_FORMAT}, version 1")
            layers = json.loads(metadata["layers"])
            return Directions(opened.get_tensor("vectors"), opened.get_tensor("strengths"), layers)
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"load_directions: {file!r} is not a readable file of directions: {error}") from None
