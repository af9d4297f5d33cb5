"""Building networks from the arguments and tensors of a file, and conversion of StyleGAN2's tensors."""

import inspect
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..models import AliasFreeGenerator, Discriminator, Generator, StyleGenerator

_SHOWN = 8
_CURRENT_NAMES = {"latent_dim": "z_dim", "style_dim": "w_dim"}  # of arguments in files before version 3
_DEPTHS = ("mapping_layers", "label_layers", "num_layers")
_GENERATORS: dict[str, type[Generator] | type[AliasFreeGenerator]] = {
    kind.__name__: kind for kind in (Generator, AliasFreeGenerator)
}
_Network = TypeVar("_Network", bound=nn.Module)


@dataclass(frozen=True)
class Layout:
    """Names and form of the tensors in a file; by default those of our networks.

    Attributes:
        name: our name of a tensor → its name in the file.
        write: our name, our tensor → the tensor in the file.
        read: our name, the tensor in the file → our tensor, up to dimensions of size 1.
    """

    name: Callable[[str], str] = lambda name: name
    write: Callable[[str, Tensor], Tensor] = lambda name, tensor: tensor
    read: Callable[[str, Tensor], Tensor] = lambda name, tensor: tensor


def arguments_of(network: StyleGenerator | Discriminator) -> dict[str, Any]:
    """The arguments of the constructor, from which a network of the same kind can be built.

    Args:
        network: a generator or discriminator of this package, or of a subclass that keeps its parent's arguments.

    Returns:
        Argument → its value, a plain one; without `device` and `dtype`.

    Raises:
        ValueError: a network of another class.

    Example:
        >>> from stylelayers import Generator
        >>> from stylelayers.checkpoints import arguments_of
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16)
        >>> arguments_of(generator)["z_dim"]
        4
        >>> other = Generator(**arguments_of(generator))
    """
    names = inspect.signature(_class_of(network)).parameters
    return {name: getattr(network, name) for name in names if name not in ("device", "dtype")}


def network_name(network: StyleGenerator | Discriminator) -> str:
    """The name by which files tell the class whose arguments they hold; a subclass has that of its parent here."""
    return _class_of(network).__name__


def generator_class(name: object) -> type[Generator] | type[AliasFreeGenerator]:
    """The class of a generator that a file names; early files, of StyleGAN2's alone, name none.

    Raises:
        ValueError: another name, as a newer version may write.
    """
    if name is None:
        return Generator
    if not isinstance(name, str) or name not in _GENERATORS:
        raise ValueError(f"its network must be one of {', '.join(_GENERATORS)}, got {name!r}")
    return _GENERATORS[name]


def _class_of(network: StyleGenerator | Discriminator) -> type[StyleGenerator] | type[Discriminator]:
    kinds: tuple[type[StyleGenerator] | type[Discriminator], ...] = (*_GENERATORS.values(), Discriminator)
    found = next((kind for kind in kinds if isinstance(network, kind)), None)
    if found is None:
        names = ", ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"files hold networks of {names} and their subclasses, got a {type(network).__name__}")
    return found


def with_current_names(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor arguments from a file of any version, under their current names."""
    return {_CURRENT_NAMES.get(name, name): value for name, value in arguments.items()}


def build_on_meta(build: Callable[..., _Network], arguments: Mapping[str, Any], tensors: int) -> _Network:
    """Build the network on the meta device, without memory.

    Raises:
        ValueError: invalid arguments, or a network deeper than a file with that number of `tensors` can hold.
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


def build_network(
    build: Callable[..., _Network],
    arguments: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    layout: Layout | None = None,
    *,
    dtype: torch.dtype | None = None,
) -> _Network:
    """Build the network with these tensors, in evaluation mode; memory is allocated only after all shapes are checked.

    Raises:
        ValueError: tensors that are missing, unknown, of other shapes or not floating-point.
    """
    layout = layout or Layout()
    ours = build_on_meta(build, arguments, len(tensors)).state_dict()
    names = {name: layout.name(name) for name in ours}
    if missing := [name for name in names.values() if name not in tensors]:
        raise ValueError(f"the network lacks {join_names(missing)}")
    if unknown := tensors.keys() - set(names.values()):
        raise ValueError(f"the network has tensors that are not understood: {join_names(unknown)}")
    for name, tensor in ours.items():
        found, shape = tensors[names[name]], layout.write(name, tensor).shape
        if not has_shape(found, shape) or not found.is_floating_point():
            raise ValueError(f"{names[name]} must be floats {tuple(shape)}, got {found.dtype} {tuple(found.shape)}")
    network = build(**arguments, dtype=dtype)
    network.load_state_dict(
        {name: layout.read(name, tensors[names[name]]).reshape(tensor.shape) for name, tensor in ours.items()}
    )
    return network.eval()


def has_shape(found: Tensor, shape: tuple[int, ...]) -> bool:
    """Whether a stored tensor has a shape; scalars (noise strengths of earlier versions) count as ``(1,)``."""
    return found.shape == shape or (found.ndim == 0 and tuple(shape) == (1,))


def join_names(names: Any) -> str:
    """Join the first names for a message."""
    return ", ".join(sorted(names)[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def to_stylegan2(name: str, tensor: Tensor) -> Tensor:
    """Convert our tensor: StyleGAN2 adds 1 to affine biases and flips the weights of up-sampling convolutions."""
    if name.endswith(".affine.bias"):
        return tensor + 1
    return tensor.flip(2, 3) if re.search(r"\.conv0\.conv\.weight$", name) else tensor


def from_stylegan2(name: str, tensor: Tensor) -> Tensor:
    """The inverse of :func:`to_stylegan2`, for any leading dimensions."""
    if name.endswith(".affine.bias"):
        return tensor - 1
    return tensor.flip(-2, -1) if re.search(r"\.conv0\.conv\.weight$", name) else tensor
