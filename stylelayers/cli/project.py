"""``stylelayers project``: the styles of a given picture."""

from pathlib import Path
from typing import Annotated

import torch
import typer

from ..explore import load_distance, read_picture, save_picture, save_projection, tile, to_pixels
from ..explore import project as fit_styles
from ..explore.projection import SPACES, fingerprint
from ..models.style_generator import device_and_dtype
from .options import Device, Folder, Labels, Model, Zoom
from .places import existing_file
from .support import check_choice, load, parse_labels, show_progress

EXAMPLES = """
stylelayers project runs/RUN picture.png folder --steps 200
stylelayers project runs/RUN picture.png folder --space w+ --fit-noise --seed 1 --zoom 4
"""


def project(
    model: Model,
    image: Annotated[
        Path, typer.Argument(parser=existing_file, metavar="IMAGE", help="A picture file.", show_default=False)
    ],
    output: Folder,
    space: Annotated[
        str, typer.Option(help="w: one style for all layers; w+: one per layer, which comes nearer.")
    ] = "w",
    steps: Annotated[int, typer.Option(min=1, help="Steps of the optimization.")] = 1000,
    distance: Annotated[
        str, typer.Option(help="pixels, vgg16, a TorchScript file or module:factory; the last two run foreign code.")
    ] = "pixels",
    learning_rate: Annotated[float, typer.Option(help="Largest learning rate.")] = 0.1,
    fit_noise: Annotated[bool, typer.Option("--fit-noise", help="Fit the noise maps too.")] = False,
    labels: Labels = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the starting point and the noise on w.")] = 0,
    zoom: Zoom = 1,
    device: Device = "auto",
) -> None:
    """The styles whose picture is nearest to a given one.

    They are found by optimization. Writes ws.safetensors, projection.png, and comparison.png with the given picture on
    the left.
    """
    check_choice("--space", space, SPACES)
    generator = load(model, device)
    classes = parse_labels(generator, labels)
    place, dtype = device_and_dtype(generator)
    target = read_picture(image, generator.resolution, generator.image_channels).to(place, dtype)
    metric = load_distance(distance, device=place)
    if place.type == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)
    with show_progress("projecting", steps) as advance:
        result = fit_styles(
            generator,
            target,
            space=space,
            steps=steps,
            distance=metric,
            learning_rate=learning_rate,
            fit_noise=fit_noise,
            labels=classes,
            seed=seed,
            on_step=lambda step, value: advance(1),
        )
    pixels = to_pixels(torch.cat([target, result.image]))
    names = {"generator": model.resolve().name, "generator_sha256": fingerprint(generator)}
    notes = {**names, "picture": image.name, "distance_by": distance}
    save_projection(result, output / "ws.safetensors", notes=notes)
    save_picture(pixels[1], output / "projection.png", zoom=zoom)
    save_picture(tile(pixels, 2), output / "comparison.png", zoom=zoom)
    print(f"{output}: distance {result.distances[0]:.4g} at the start, {result.distances[-1]:.4g} at the end")
