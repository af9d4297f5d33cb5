"""``stylelayers metrics``: numbers of quality of a saved generator."""

import json
from contextlib import nullcontext
from typing import Annotated

import typer

from .options import Device, Model, Psi
from .support import FailedError, failing_for_files, load

EXAMPLES = """
stylelayers metrics runs/RUN
stylelayers metrics generator.safetensors --data digits --metrics fid,recognised --samples 500 --json
"""


def metrics(
    model: Model,
    data: Annotated[
        str | None, typer.Option(help="Folder of images, or digits.", show_default="the training data of the run")
    ] = None,
    features: Annotated[str, typer.Option(help="Feature space: inception, classifier, digits, random.")] = "auto",
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Some of fid,kid,precision_recall,density_coverage,perceptual_path_length,recognised,eq_t,eq_t_frac,"
            "eq_r."
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(min=2, help="Number of generated images.", show_default="as many as real ones, at most 10,000"),
    ] = None,
    truncation_psi: Psi = 1.0,
    resize_filter: Annotated[
        str, typer.Option(help="Resize filter of inception: tensorflow, antialias.")
    ] = "tensorflow",
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the generated images.")] = 0,
    trust: Annotated[
        bool, typer.Option("--trust", help="Build whatever the run's config.yaml names as data; this may run any code.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    device: Device = "auto",
) -> None:
    """Numbers of quality of a generator, compared with real images.

    Shows every number, and every setting that it depends on.
    """
    try:
        from ..metrics import QualityMeter, data_for
    except ModuleNotFoundError as error:
        raise FailedError(f'metrics need {error.name}: pip install "stylelayers[train]"') from None
    generator = load(model, device)
    with failing_for_files() if data is None else nullcontext():
        real = data_for(model, data, generator, trust=trust)
    meter = QualityMeter(
        real,
        features=features,
        metrics=None if metrics is None else [name.strip() for name in metrics.split(",")],
        samples=samples,
        truncation_psi=truncation_psi,
        resize_filter=resize_filter,
        seed=seed,
    )
    report = meter(generator)
    print(json.dumps(report.as_dict(), indent=2) if as_json else report)
