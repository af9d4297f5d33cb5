"""Time alias-free generators: images, and images with the gradients of all parameters.

    python -m benchmarks.alias_free [--peers FOLDER] [--resolution 64] [--batch 4] [--channel-base 2048]

The official network runs on CPUs through its reference operators. Configuration R has 1x1 convolutions and twice the
channels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from stylelayers import AliasFreeGenerator

from .peers import Official
from .timing import arguments, interleaved, print_table

HEADER = ("configuration", "step", "ours ms", "official ms", "ours / official")


def main() -> None:
    options = arguments(
        __doc__ or "", rounds=5, resolution=64, batch=4, channel_base=2048, channel_max=64, w_dim=64, configuration="TR"
    )
    torch.manual_seed(0)
    official = Official.found(options.peers)
    rows: list[list[object]] = []
    for name in options.configuration:
        twice = 2 if name == "R" else 1
        sizes = {"channel_base": twice * options.channel_base, "channel_max": twice * options.channel_max}
        with torch.device(options.device):
            z = torch.randn(options.batch, options.w_dim)
            networks: dict[str, nn.Module] = {
                "ours": AliasFreeGenerator(
                    options.resolution, z_dim=options.w_dim, w_dim=options.w_dim, configuration=name, **sizes
                )
            }
            if official:
                networks["official"] = official.alias_free_generator(
                    options.resolution, channels=3, w_dim=options.w_dim, **sizes, **(RADIAL if name == "R" else {})
                )
        for step, make in STEPS.items():
            found = interleaved(
                {key: make(network.eval(), z) for key, network in networks.items()}, rounds=options.rounds
            )
            ratio = [found["official"], found["ours"] / found["official"]] if official else ["", ""]
            rows.append([name, step, found["ours"], *ratio])
    print_table(f"Alias-free generators, {options.resolution}x{options.resolution}", HEADER, rows, options.device)


RADIAL = {"conv_kernel": 1, "use_radial_filters": True}


def _images(network: nn.Module, z: Tensor) -> Callable[[], object]:
    def run() -> Tensor:
        with torch.no_grad():
            images: Tensor = network(z, None)
            return images

    return run


def _gradients(network: nn.Module, z: Tensor) -> Callable[[], object]:
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return lambda: torch.autograd.grad(network(z, None).sum(), parameters, allow_unused=True)


STEPS: dict[str, Callable[[nn.Module, Tensor], Callable[[], object]]] = {"images": _images, "gradients": _gradients}


if __name__ == "__main__":
    main()
