"""Reading networks from any kind of file, which is recognised by its content rather than its name."""

import argparse
import os
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..models import StyleGenerator
from .generator_file import GENERATOR_FILE, read_generator_file
from .networks import Networks
from .official_pickle import read_official
from .other_files import describe_other_contents, describe_other_file
from .pytorch_port import read_pytorch_port
from .training_checkpoint import read_training_checkpoint

KINDS = (
    "a generator file, a run's folder, a training checkpoint, an official StyleGAN2 or StyleGAN3 pickle or a "
    "checkpoint of the PyTorch port"
)
_CHECKPOINTS = ("new.ckpt", "last.ckpt", "last-1.ckpt")
_ZIP, _OLD_TORCH = b"PK\x03\x04", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."


def load_generator(path: str | os.PathLike[str], *, device: torch.device | str = "cpu") -> StyleGenerator:
    """Read a generator, in evaluation mode, from any supported file; nothing in the file is executed.

    A warning names anything that images depend on and that the file lacks.

    Args:
        path: a file of :func:`save_generator`, a run's folder (its averaged generator, or during the run that of its
            last checkpoint), a checkpoint of ``train.py``, an official StyleGAN2 or StyleGAN3 pickle, or a checkpoint
            of the PyTorch port.
        device: where its tensors go.

    Returns:
        A :class:`stylelayers.Generator` or :class:`stylelayers.AliasFreeGenerator`.

    Raises:
        ValueError: no such file, an unsupported kind, a newer format, or tensors that do not fit.

    Example:
        >>> import tempfile
        >>> from stylelayers import Generator
        >>> from stylelayers.checkpoints import load_generator, save_generator
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     same = load_generator(save_generator(generator, f"{folder}/generator.safetensors"))
        >>> same.resolution
        (8, 8)
    """
    found = load_networks(path, caller="load_generator")
    for sentence in found.substitutes:
        warnings.warn(f"{os.fspath(path)}: {sentence}", stacklevel=2)
    return found.generator.to(device)


def load_networks(path: str | os.PathLike[str], *, caller: str = "load_networks") -> Networks:
    """Read the generator, the discriminator if there is one, and notes on the rest; nothing in the file is executed.

    Args:
        path: as for :func:`load_generator`.
        caller: named in errors.

    Returns:
        The networks, on the CPU and in evaluation mode.

    Raises:
        ValueError: as :func:`load_generator`.

    Example:
        >>> import tempfile
        >>> from stylelayers import Generator
        >>> from stylelayers.checkpoints import load_networks, save_generator
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     load_networks(save_generator(generator, f"{folder}/generator.safetensors")).kind
        'generator file'
    """
    file = network_file(path, caller)
    try:
        kind = kind_of(file)
        if kind == "generator file":
            return read_generator_file(file)
        if kind == "official pickle":
            return read_official(file.read_bytes())
        contents = read_torch_file(file)
        if "state_dict" in contents:
            return read_training_checkpoint(contents, file)
        return read_pytorch_port(contents)
    except ValueError as error:
        raise ValueError(f"{caller}: {with_file_name(file, str(error))}") from error


def network_file(path: str | os.PathLike[str], caller: str) -> Path:
    """The file itself, or in a folder the generator file or else the newest checkpoint.

    Raises:
        ValueError: there is none, or it is another kind of file; the message says which and what to do.
    """
    path = Path(path)
    candidates = [path]
    if path.is_dir():
        candidates = [path / GENERATOR_FILE, *(path / "checkpoints" / name for name in _CHECKPOINTS)]
    found = next((file for file in candidates if file.is_file()), None)
    if found is None:
        what = f"a folder without {GENERATOR_FILE} or checkpoints" if path.is_dir() else "which is no file"
        raise ValueError(f"{caller}: path must be {KINDS}, got {str(path)!r}, {what}")
    if (other := describe_other_file(found)) is not None:
        raise ValueError(
            f"{caller}: {str(found)!r} is not a readable safetensors file, checkpoint or pickle but {other}"
        )
    return found


def kind_of(path: Path) -> str:
    """``"generator file"``, ``"official pickle"`` or ``"torch file"``, from the first bytes."""
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith((_ZIP, _OLD_TORCH)):
        return "torch file"
    is_safetensors = head[8:9] == b"{"  # after the length of the header
    return "official pickle" if head.startswith(b"\x80") and not is_safetensors else "generator file"


def read_torch_file(path: Path, *, device: str = "cpu") -> Mapping[str, Any]:
    """Read a dict of tensors and plain values (and the port's options) that ``torch.save`` wrote.

    Raises:
        ValueError: the file has other content or is damaged.
    """
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            contents = torch.load(path, map_location=device, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, TypeError, KeyError, IndexError) as error:
        first_line = str(error).partition("\n")[0]
        raise ValueError(f"{str(path)!r} is no whole file of tensors and plain values: {first_line}") from None
    if isinstance(contents, Mapping) and (other := describe_other_contents(contents)) is not None:
        raise ValueError(f"{str(path)!r} is not a training checkpoint or one of the PyTorch port but {other}")
    if not isinstance(contents, Mapping) or not {"state_dict", "g_ema"} & contents.keys():
        found = sorted(map(str, contents))[:8] if isinstance(contents, Mapping) else type(contents).__name__
        raise ValueError(
            f"{str(path)!r} must have state_dict (training checkpoint) or g_ema (the PyTorch port), got {found}"
        )
    return contents


def with_file_name(path: Path, message: str) -> str:
    """Prefix a message with the file name unless it has it already."""
    return message if repr(str(path)) in message else f"{str(path)!r}: {message}"
