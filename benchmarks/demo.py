"""A picture of ``stylelayers demo`` for digits of 32x32: made, and asked for over HTTP as the page does.

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
            "picture made": lambda: render(explorer, settings),
            "asked for over HTTP": request(url, settings, explorer),
        }
        found = interleaved(runs, rounds=options.rounds)
    print_table("A picture of the page", ("what", "ms"), [list(row) for row in found.items()], options.device)


def request(url: str, settings: Settings, explorer: Explorer) -> Callable[[], object]:
    """A change of one control of the page."""
    first = [settings.seed, settings.label, settings.truncation_psi, settings.noise]
    layers = list(range(explorer.generator.num_ws))
    data = [*first, settings.mixed_seed, settings.mixed_label, settings.mixed_layers, layers, *settings.amounts]
    body = json.dumps({"data": data}).encode()
    asked = Request(f"{url}gradio_api/run/picture", body, {"Content-Type": "application/json"})

    def run() -> object:
        with urlopen(asked) as answer:
            return json.load(answer)["data"]

    return run


if __name__ == "__main__":
    main()
