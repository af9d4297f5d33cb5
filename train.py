"""Train a GAN from a Hydra configuration: ``python train.py --help``."""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

from stylelayers.training.run.building import build, fit
from stylelayers.training.run.presets import register_resolvers
from stylelayers.training.run.session import start, supervised

CONFIGS = str(Path(__file__).parent / "configs")

register_resolvers()


def train(cfg: DictConfig) -> dict[str, float]:
    """Build everything that `cfg` names, fit, and return the last value of each metric.

    Raises:
        ValueError, TypeError, HydraException, OmegaConfBaseException: a configuration that cannot be trained.
    """
    return fit(cfg, *build(cfg))


@hydra.main(version_base="1.3", config_path="configs", config_name="train")
def run(cfg: DictConfig) -> dict[str, float] | float:
    """:func:`train` for one run of a command line: errors in one line, closing lines and exit codes."""
    return supervised(cfg)


if __name__ == "__main__":
    start(run, CONFIGS)
