"""``stylelayers interpolate``: videos of walks from seed to seed, and of images that move and turn."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ..explore import motion_path, save_video, styles_of_seeds, synthesize, to_pixels, walk_styles
from ..explore.videos import check_video
from ..explore.walks import WALKS
from .options import Batch, Cutoff, Device, FixedNoise, Labels, Model, Psi, Seeds, Zoom
from .places import file_to_write
from .support import check_choice, count_images, load, parse_labels, parse_numbers, parse_shift

EXAMPLES = """
stylelayers interpolate runs/RUN walk.gif --seeds 0-5 --loop
stylelayers interpolate runs/RUN walk.mp4 --seeds 3,7,3 --frames 60 --fps 30 --space w --zoom 4
stylelayers interpolate faces3.safetensors moving.gif --seeds 5 --move 0.25,0 --loop
stylelayers interpolate faces3.safetensors turning.mp4 --seeds 0-2 --turn 360 --loop
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
    move: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y",
            help="Move the images by these parts of their width (to the right) and height (down); alias-free "
            "generators only. With --loop there, to the opposite and back.",
        ),
    ] = None,
    turn: Annotated[
        float | None,
        typer.Option(metavar="DEGREES", help="Turn the images counter-clockwise, in the same way; 360 goes round."),
    ] = None,
    labels: Labels = None,
    truncation_psi: Psi = 1.0,
    truncation_cutoff: Cutoff = None,
    noise: FixedNoise = None,
    batch: Batch = None,
    zoom: Zoom = 1,
    device: Device = "auto",
) -> None:
    """A GIF or MP4 video of a walk from seed to seed.

    Images of alias-free generators can move and turn meanwhile, and then one seed is enough.
    """
    chosen = parse_numbers("--seeds", seeds)
    shift = None if move is None else parse_shift("--move", move)
    check_choice("--space", space, WALKS)
    check_video(output, fps)
    generator = load(model, device)
    options: dict[str, Any] = {
        "labels": parse_labels(generator, labels),
        "truncation_psi": truncation_psi,
        "truncation_cutoff": truncation_cutoff,
    }
    is_moving = shift is not None or turn is not None
    if is_moving and len(chosen) == 1:
        ws = styles_of_seeds(generator, chosen, **options).expand(frames + (not loop), -1, -1)
    else:
        ws = walk_styles(generator, chosen, frames=frames, space=space, loop=loop, **options)
    transform = None
    if is_moving:
        caller, shift, turn = "interpolate --move, --turn", shift or (0.0, 0.0), turn or 0.0
        transform = motion_path(generator, len(ws), shift=shift, turn=turn, loop=loop, caller=caller)
    images = synthesize(generator, ws, noise=noise, batch=batch, transform=transform)
    batches = count_images(images, "interpolating", len(ws))
    save_video((frame for images in batches for frame in to_pixels(images)), output, fps=fps, zoom=zoom)
    print(output)
