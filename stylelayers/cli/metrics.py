"""``stylelayers metrics``: the quality of a saved generator in numbers."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Annotated

import typer

from .options import Device, Model, Psi
from .support import FailedError, failing, load

EXAMPLES = """
stylelayers metrics runs/RUN
stylelayers metrics generator.safetensors --data digits --metrics fid,recognised --samples 500 --json
"""


def metrics(
    model: Model,
    data: Annotated[
        str | None, typer.Option(help="Folder of images, or digits.", show_default="those that the run was trained on")
    ] = None,
    features: Annotated[
        str, typer.Option(help="Where images are compared: inception, classifier, digits, random.")
    ] = "auto",
    metrics: Annotated[
        str | None,
        typer.Option(help="Some of fid,kid,precision_recall,path_length,recognised."),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=2, help="Generated images.", show_default="as many as real ones, at most 10,000")
    ] = None,
    truncation_psi: Psi = 1.0,
    resize_filter: Annotated[str, typer.Option(help="Of inception: tensorflow, antialias.")] = "tensorflow",
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of the generated images.")] = 0,
    trust: Annotated[
        bool, typer.Option("--trust", help="Build whatever data the run's config.yaml names; it may run any code.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    device: Device = "auto",
) -> None:
    """The quality of a generator against real images.

    Every number, and every setting that it was measured with.
    """
    try:
        from ..metrics import data_for, evaluate
    except ModuleNotFoundError as error:
        raise FailedError(f'metrics need {error.name}: pip install "stylelayers[train]"') from None
    generator = load(model, device)
    with failing() if data is None else nullcontext():
        compared = data_for(model, data, generator, trust=trust)
    report = evaluate(
        generator,
        compared,
        features=features,
        metrics=None if metrics is None else [name.strip() for name in metrics.split(",")],
        samples=samples,
        truncation_psi=truncation_psi,
        resize_filter=resize_filter,
        seed=seed,
    )
    print(json.dumps(report.as_dict(), indent=2) if as_json else report)
