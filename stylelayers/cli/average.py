"""``stylelayers average``: an average of a run's generator whose length is chosen after training."""

from pathlib import Path
from typing import Annotated

import typer

from ..checkpoints import post_hoc_average, save_generator
from .places import existing_path, file_to_write
from .support import failing_for_files

EXAMPLES = """
stylelayers average runs/RUN average.safetensors --width 0.08
stylelayers average runs/RUN earlier.safetensors --width 0.05 --images 60000
"""
_LARGE_ERROR = 0.1


def average(
    run: Annotated[
        Path,
        typer.Argument(
            parser=existing_path,
            metavar="RUN",
            help="Folder of a run that kept snapshots.",
            show_default=False,
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            parser=file_to_write, metavar="TARGET", help="A generator file, .safetensors.", show_default=False
        ),
    ],
    width: Annotated[
        float,
        typer.Option(help="Standard deviation of the weights over time, as a share of the training, at most 0.28."),
    ],
    images: Annotated[
        int | None, typer.Option(help="End of the average in images; the newest snapshot if omitted.")
    ] = None,
) -> None:
    """Make an average of the generator over another time.

    Of the snapshots that the callback PostHocAverages keeps in a run (arXiv:2312.02696, section 3). A larger width
    averages over a longer time.
    """
    if target.suffix != ".safetensors":
        raise ValueError(f"average: TARGET must end in .safetensors, got {target.name!r}")
    with failing_for_files():
        result = post_hoc_average(run, width, images_seen=images)
        summary = {"images_seen": result.images_seen, "average_width": width}
        save_generator(result.generator, target, summary=summary)
    typer.echo(
        f"{target}: width {width:g} at {result.images_seen:,} images, of {result.snapshots} snapshots, "
        f"error {result.error:.1%}"
    )
    if result.error > _LARGE_ERROR:
        typer.echo(
            f"the snapshots are too few, or too wide, for the width {width:g}: the average is another one", err=True
        )
