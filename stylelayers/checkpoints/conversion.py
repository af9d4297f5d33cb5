"""Conversion between file formats of trained networks."""

import os
from dataclasses import dataclass
from pathlib import Path

from .generator_file import save_generator
from .loading import load_networks
from .pytorch_port import save_pytorch_port

_OURS, _PORT = (".safetensors",), (".pt", ".pth")


@dataclass(frozen=True)
class Conversion:
    """Result of :func:`convert`.

    Attributes:
        target: the file that was written.
        kind: of `source`, in words.
        networks: names of the networks that were written.
        notes: what was not understood or not kept, in sentences.

    Example:
        >>> from pathlib import Path
        >>> from stylelayers.checkpoints import Conversion
        >>> Conversion(Path("ours.safetensors"), "official pickle", ("generator",), ()).networks
        ('generator',)
    """

    target: Path
    kind: str
    networks: tuple[str, ...]
    notes: tuple[str, ...]


def convert(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> Conversion:
    """Write the networks of `source` to `target`, in the format of the suffix of `target`.

    Args:
        source: anything that :func:`load_generator` reads.
        target: ``.safetensors`` for a generator file; ``.pt`` or ``.pth`` for a checkpoint of the PyTorch port.

    Returns:
        What was written, and what was not kept.

    Raises:
        ValueError: an unreadable source, networks that the format cannot hold, or another suffix.

    Example:
        >>> import tempfile
        >>> from stylelayers import Generator
        >>> from stylelayers.checkpoints import convert, save_generator
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ours = save_generator(generator, f"{folder}/ours.safetensors")
        ...     convert(ours, f"{folder}/theirs.pt").networks
        ('generator',)
    """
    target = Path(target)
    check_target(Path(source), target)
    found = load_networks(source, caller="convert")
    if target.suffix in _PORT:
        try:
            save_pytorch_port(target, found.generator, found.discriminator)
        except ValueError as error:
            raise ValueError(f"convert: {error}") from None
        networks = ("generator",) if found.discriminator is None else ("generator", "discriminator")
        return Conversion(target, found.kind, networks, found.notes)
    save_generator(found.generator, target, summary=found.summary)
    dropped = () if found.discriminator is None else ("not kept: the discriminator, which generator files do not hold",)
    return Conversion(target, found.kind, ("generator",), found.notes + dropped)


def check_target(source: Path, target: Path) -> None:
    """Raise a ValueError unless the suffix of `target` names a format and it is another file than `source`."""
    if target.suffix not in _OURS + _PORT:
        raise ValueError(f"convert: target must end in one of {', '.join(_OURS + _PORT)}, got {str(target)!r}")
    if source.resolve() == target.resolve():
        raise ValueError(f"convert: target must be another file than source, got {str(target)!r} for both")
