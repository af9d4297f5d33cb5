"""Networks from arguments and tensors that a file holds, and what StyleGAN2's projects store otherwise than we do."""

from __future__ import annotations

import inspect
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..models import Discriminator, Generator

__all__ = [
    "Layout",
    "arguments_of",
    "assembled",
    "fits",
    "from_stylegan2",
    "listed",
    "on_meta",
    "renamed",
    "to_stylegan2",
]

_LISTED = 8
_RENAMED = {"latent_dim": "z_dim", "style_dim": "w_dim"}  # arguments, as files before version 3 have them
_DEPTHS = ("mapping_layers", "label_layers")
_Network = TypeVar("_Network", bound=nn.Module)


@dataclass(frozen=True)
class Layout:
    """How tensors are stored: as they are, unless told otherwise.

    Attributes:
        name: our name of a tensor → its name in the file.
        write: our name, our tensor → the tensor in the file.
        read: our name, the tensor of the file → our tensor, but for dimensions of size 1.
    """

    name: Callable[[str], str] = lambda name: name
    write: Callable[[str, Tensor], Tensor] = lambda name, tensor: tensor
    read: Callable[[str, Tensor], Tensor] = lambda name, tensor: tensor


def arguments_of(network: Generator | Discriminator) -> dict[str, Any]:
    """The constructor's arguments, which are plain values, without device and dtype."""
    names = inspect.signature(Generator if isinstance(network, Generator) else Discriminator).parameters
    return {name: getattr(network, name) for name in names if name not in ("device", "dtype")}


def renamed(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A network's arguments with the names of today, from a file of any version."""
    return {_RENAMED.get(name, name): value for name, value in arguments.items()}


def on_meta(build: Callable[..., _Network], arguments: Mapping[str, Any], tensors: int) -> _Network:
    """The network without memory.

    Raises:
        ValueError: arguments that make no network, or one deeper than a file of so many `tensors` can be.
    """
    depth = next((name for name in _DEPTHS if isinstance(d := arguments.get(name), int) and d > max(8, tensors)), None)
    if depth is not None:
        raise ValueError(f"{depth} must be at most the number of tensors, {tensors}, got {arguments[depth]}")
    try:
        inspect.signature(build).bind(**arguments)
    except TypeError as error:
        raise ValueError(f"{build.__name__}: {error}") from None
    try:
        return build(**arguments, device="meta")
    except (TypeError, RuntimeError, OverflowError) as error:
        raise ValueError(f"{reprlib.repr(dict(arguments))} make no {build.__name__}: {error}") from None


def assembled(
    build: Callable[..., _Network],
    arguments: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    layout: Layout | None = None,
    *,
    dtype: torch.dtype | None = None,
) -> _Network:
    """The network with the tensors in it, in evaluation mode; it takes memory only once every shape is known to fit.

    Raises:
        ValueError: tensors that are missing, not understood, of other shapes or no floats.
    """
    layout = layout or Layout()
    ours = on_meta(build, arguments, len(tensors)).state_dict()
    names = {name: layout.name(name) for name in ours}
    if missing := [name for name in names.values() if name not in tensors]:
        raise ValueError(f"the network lacks {listed(missing)}")
    if unknown := tensors.keys() - set(names.values()):
        raise ValueError(f"the network has tensors that are not understood: {listed(unknown)}")
    for name, tensor in ours.items():
        found, shape = tensors[names[name]], layout.write(name, tensor).shape
        if not fits(found, shape) or not found.is_floating_point():
            raise ValueError(f"{names[name]} must be floats {tuple(shape)}, got {found.dtype} {tuple(found.shape)}")
    network = build(**arguments, dtype=dtype)
    network.load_state_dict(
        {name: layout.read(name, tensors[names[name]]).reshape(tensor.shape) for name, tensor in ours.items()}
    )
    return network.eval()


def fits(found: Tensor, shape: tuple[int, ...]) -> bool:
    """Whether a stored tensor has a shape; a scalar, which a noise strength was in earlier versions, is one number."""
    return found.shape == shape or (found.ndim == 0 and tuple(shape) == (1,))


def listed(names: Any) -> str:
    """Names for a message, but not too many."""
    return ", ".join(sorted(names)[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


def to_stylegan2(name: str, tensor: Tensor) -> Tensor:
    """Our tensor as StyleGAN2 has it: the 1 of the style in the affine bias, kernels of doubling layers flipped."""
    if name.endswith(".affine.bias"):
        return tensor + 1
    return tensor.flip(2, 3) if re.search(r"\.conv0\.conv\.weight$", name) else tensor


def from_stylegan2(name: str, tensor: Tensor) -> Tensor:
    """The inverse of :func:`to_stylegan2`; leading dimensions do not matter."""
    if name.endswith(".affine.bias"):
        return tensor - 1
    return tensor.flip(-2, -1) if re.search(r"\.conv0\.conv\.weight$", name) else tensor
