"""Descriptions of files of trained networks in plain values."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from ..models import StyleGenerator
from ._building import arguments_of, build_on_meta, network_name
from .generator_file import read_header
from .loading import kind_of, load_networks, network_file, read_torch_file, with_file_name
from .training_checkpoint import CLASS_NAMES, LABEL_KIND, stored_arguments, stored_class, training_summary


@dataclass(frozen=True)
class Description:
    """Result of :func:`describe`.

    Attributes:
        path: the file, or the one that was found in the folder.
        kind: of the file, in words.
        version: of the format; None for checkpoints and files of other projects.
        writer: the program that wrote the file; empty if the file does not say.
        network: name of the generator's class.
        arguments: of its constructor.
        parameters: number of parameters in ``mapping``, ``synthesis`` and the whole ``generator``.
        class_names: in class order; empty if they are not known.
        label_kind: ``"classes"`` or ``"vectors"``; empty without labels.
        summary: of the training, such as ``images_seen``.
        notes: what is not understood or would not be kept, in sentences.

    Example:
        >>> from pathlib import Path
        >>> from stylelayers.checkpoints import Description
        >>> path, parameters = Path("generator.safetensors"), {"mapping": 10, "synthesis": 20, "generator": 30}
        >>> Description(path, "generator file", 4, "", "Generator", {}, parameters).parameters["generator"]
        30
    """

    path: Path
    kind: str
    version: int | None
    writer: str
    network: str
    arguments: Mapping[str, Any]
    parameters: Mapping[str, int]
    class_names: tuple[str, ...] = ()
    label_kind: str = ""
    summary: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def describe(path: str | os.PathLike[str]) -> Description:
    """Describe a file or a run's folder; nothing in it is executed.

    Tensors are read only from files of other projects, which have no metadata.

    Args:
        path: as for :func:`load_generator`.

    Returns:
        Kind, arguments, sizes and notes, in plain values.

    Raises:
        ValueError: no such file, or another kind of file.

    Example:
        >>> import tempfile
        >>> from stylelayers import Generator
        >>> from stylelayers.checkpoints import describe, save_generator
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     describe(save_generator(generator, f"{folder}/generator.safetensors")).arguments["w_dim"]
        4
    """
    file = network_file(path, "describe")
    try:
        kind = kind_of(file)
        if kind == "generator file":
            header = read_header(file)
            generator: StyleGenerator = build_on_meta(header.network, header.arguments, len(header.tensors))
            generator.class_names, generator.label_kind = header.class_names, header.label_kind
            return _description(file, kind, generator, header.summary, version=header.version, writer=header.writer)
        contents = read_torch_file(file, device="meta") if kind == "torch file" else {}
        if "state_dict" in contents:
            arguments = stored_arguments(contents, file)["generator"]
            generator = build_on_meta(stored_class(contents), arguments, len(contents["state_dict"]))
            generator.class_names, generator.label_kind = contents.get(CLASS_NAMES, ()), contents.get(LABEL_KIND)
            return _description(file, "training checkpoint", generator, training_summary(contents))
    except ValueError as error:
        raise ValueError(f"describe: {with_file_name(file, str(error))}") from error
    networks = load_networks(file, caller="describe")
    return _description(file, networks.kind, networks.generator, networks.summary, notes=networks.notes)


def _description(
    file: Path, kind: str, generator: StyleGenerator, summary: Mapping[str, Any], **rest: Any
) -> Description:
    parameters = {"mapping": _count(generator.mapping), "synthesis": _count(generator.synthesis)}
    parameters["generator"] = sum(parameters.values())
    labels = {"class_names": generator.class_names, "label_kind": generator.label_kind if generator.num_labels else ""}
    options = {"version": None, "writer": "", **labels, **rest}
    options |= {"network": network_name(generator), "arguments": arguments_of(generator)}
    return Description(file, kind, parameters=parameters, summary=summary, **options)


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
