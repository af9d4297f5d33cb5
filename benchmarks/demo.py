"""Time a 32x32 digit of ``stylelayers demo``: rendered, and requested over HTTP as by the page.

    python -m benchmarks.demo [--rounds 9]

All controls are in use: two seeds are mixed, and all directions move.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.request import Request, urlopen

import torch

from stylelayers import Generator
from stylelayers.demo import Explorer, Settings, render
from stylelayers.demo.page import build_page
from stylelayers.demo.server import serving

from .generate import DIGITS
from .timing import arguments, interleaved, print_table


def main() -> None:
    options = arguments(__doc__ or "")
    torch.manual_seed(0)
    explorer = Explorer(Generator(32, **DIGITS, device=options.device).eval())  # type: ignore[arg-type]
    amounts = [0.5] * explorer.num_directions
    settings = Settings(label=3, truncation_psi=0.7, mixed_label=5, mixed_layers=(0, 1), amounts=amounts)
    with serving(build_page(explorer)) as url:
        runs = {
            "rendered": lambda: render(explorer, settings),
            "requested over HTTP": request(url, settings, explorer),
        }
        found = interleaved(runs, rounds=options.rounds)
    print_table("A picture of the page", ("step", "ms"), [list(row) for row in found.items()], options.device)


def request(url: str, settings: Settings, explorer: Explorer) -> Callable[[], object]:
    """A function that requests a picture as the page does when a control changes."""
    first = [settings.seed, settings.label, settings.truncation_psi, settings.noise]
    layers = list(range(explorer.generator.num_ws))
    data = [*first, settings.mixed_seed, settings.mixed_label, settings.mixed_layers, layers, *settings.amounts]
    body = json.dumps({"data": data}).encode()
    message = Request(f"{url}gradio_api/run/render_picture", body, {"Content-Type": "application/json"})

    def run() -> object:
        with urlopen(message) as answer:
            return json.load(answer)["data"]

    return run


if __name__ == "__main__":
    main()
