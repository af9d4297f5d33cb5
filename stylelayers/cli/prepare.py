"""``stylelayers prepare``: training data resized once and packed."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .places import path_to_write
from .support import FailedError, as_one_line, show_progress

if TYPE_CHECKING:
    from ..data.preparing import PreparedData

EXAMPLES = """
stylelayers prepare images packed.zip --resolution 256
stylelayers prepare images small.zip --resolution 48x32 --resize fit --channels 1 --labels classes
stylelayers prepare digits digits.zip --channels auto
"""
_CHANNELS = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGB and alpha"}


def prepare(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Folder or zip archive of images, digits, torchvision:NAME or huggingface:NAME.",
            show_default=False,
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            parser=path_to_write,
            metavar="TARGET",
            help="A .zip in the official layout, or a folder.",
            show_default=False,
        ),
    ],
    resolution: Annotated[
        str | None, typer.Option(help="Side in pixels, or width x height: 48x32.", show_default="as the images")
    ] = None,
    resize: Annotated[str, typer.Option(help="crop (cover and cut), fit (black bars) or stretch.")] = "crop",
    resize_filter: Annotated[str, typer.Option(help="lanczos, bicubic, bilinear or box.")] = "lanczos",
    channels: Annotated[
        str, typer.Option(help="1 grey, 2 with alpha, 3 RGB, 4 with alpha, or auto: as the images have.")
    ] = "3",
    labels: Annotated[str, typer.Option(help="none, classes, vectors, or auto: as the data have.")] = "auto",
    file_format: Annotated[
        str, typer.Option("--format", help="png (not compressed), jpeg, webp, or parquet: shards in a folder.")
    ] = "png",
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of jpeg and webp, which 100 makes lossless.")] = 95,
    max_images: Annotated[int | None, typer.Option(min=1, help="So many images, drawn at random.")] = None,
    subset_seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of that draw.")] = 0,
    split: Annotated[str, typer.Option(help="Of a named data set.")] = "train",
    root: Annotated[Path, typer.Option(help="Folder for torchvision's files.")] = Path("data"),
    workers: Annotated[int | None, typer.Option(min=0, help="Processes.", show_default="all cores")] = None,
    on_error: Annotated[str, typer.Option(help="Unreadable images: raise, list or skip.")] = "raise",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the target, and unfinished work.")] = False,
) -> None:
    """Resize and pack images for training.

    Interrupted, the same command goes on where it was. The same images and options give the same bytes.
    """
    try:
        from ..data.encoded_images import Preparation
        from ..data.module import count_cores
        from ..data.opening import open_data
        from ..data.preparing import UnreadableImagesError
        from ..data.preparing import prepare as prepare_images
    except ModuleNotFoundError as error:
        raise FailedError(f'data need {error.name}: pip install "stylelayers[train]"') from None
    settings = Preparation(
        resolution=_parse_resolution(resolution),
        resize=resize,
        resize_filter=resize_filter,
        channels=int(channels) if channels.isdecimal() else channels,
        format=file_format,
        quality=quality,
    )
    data = open_data(source, labels=labels, split=split, root=root, max_images=max_images, subset_seed=subset_seed)
    try:
        with show_progress("preparing", len(data)) as advance:
            result = prepare_images(
                data,
                target,
                settings,
                workers=count_cores() if workers is None else workers,
                on_error=on_error,
                overwrite=overwrite,
                advance=advance,
            )
    except UnreadableImagesError as error:
        if on_error == "list":
            print("\n".join(map(as_one_line, error.errors)))
        raise FailedError(str(error)) from None
    except KeyboardInterrupt:
        raise FailedError("interrupted; the same command goes on from here") from None
    print(f"{target}: {_describe(result)}, {data.source.describe_labels()}")
    for each in result.errors:
        print(f"  left out: {as_one_line(each)}")


def _parse_resolution(text: str | None) -> tuple[int, int] | None:
    """Height and width of ``"256"`` or, width first, ``"48x32"``."""
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", text.strip())
    if match is None:
        raise ValueError(f"--resolution must be a side or width x height in pixels, such as 256 or 48x32, got {text!r}")
    return int(match[2] or match[1]), int(match[1])


def _describe(result: "PreparedData") -> str:
    height, width = result.resolution
    return f"{result.images:,} images of {width}x{height} pixels, {_CHANNELS[result.channels]}"
