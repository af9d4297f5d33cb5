"""``stylelayers interpolate``: videos of walks from seed to seed."""

from pathlib import Path
from typing import Annotated

import typer

from ..explore import save_video, synthesize, to_pixels, walk_styles
from ..explore.videos import check_video
from ..explore.walks import WALKS
from .options import Batch, Cutoff, Device, FixedNoise, Labels, Model, Psi, Seeds, Zoom
from .places import file_to_write
from .support import check_choice, count_images, load, parse_labels, parse_numbers

EXAMPLES = """
stylelayers interpolate runs/RUN walk.gif --seeds 0-5 --loop
stylelayers interpolate runs/RUN walk.mp4 --seeds 3,7,3 --frames 60 --fps 30 --space w --zoom 4
"""


def interpolate(
    model: Model,
    output: Annotated[
        Path, typer.Argument(parser=file_to_write, metavar="OUTPUT", help="A .gif or .mp4 file.", show_default=False)
    ],
    seeds: Seeds = "0-4",
    frames: Annotated[int, typer.Option(min=1, help="Frames between two seeds.")] = 30,
    fps: Annotated[float, typer.Option(help="Frames per second.")] = 25.0,
    space: Annotated[str, typer.Option(help="z: along great circles; w: along straight lines.")] = "z",
    loop: Annotated[bool, typer.Option("--loop", help="Return from the last seed to the first.")] = False,
    labels: Labels = None,
    truncation_psi: Psi = 1.0,
    truncation_cutoff: Cutoff = None,
    noise: FixedNoise = None,
    batch: Batch = None,
    zoom: Zoom = 1,
    device: Device = "auto",
) -> None:
    """A GIF or MP4 video of a walk from seed to seed."""
    chosen = parse_numbers("--seeds", seeds)
    check_choice("--space", space, WALKS)
    check_video(output, fps)
    generator = load(model, device)
    ws = walk_styles(
        generator,
        chosen,
        frames=frames,
        space=space,
        loop=loop,
        labels=parse_labels(generator, labels),
        truncation_psi=truncation_psi,
        truncation_cutoff=truncation_cutoff,
    )
    batches = count_images(synthesize(generator, ws, noise=noise, batch=batch), "interpolating", len(ws))
    save_video((frame for images in batches for frame in to_pixels(images)), output, fps=fps, zoom=zoom)
    print(output)
