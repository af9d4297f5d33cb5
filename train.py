"""Train a GAN from a Hydra configuration: ``python train.py --help``."""

from __future__ import annotations

from stylelayers.training.run.building import build, fit, train
from stylelayers.training.run.configurations import configurations
from stylelayers.training.run.main import main

__all__ = ["CONFIGS", "build", "fit", "train"]

CONFIGS = str(configurations())

if __name__ == "__main__":
    main()
