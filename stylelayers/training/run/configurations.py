"""Where Hydra finds the configurations."""

from pathlib import Path

CONFIG_NAME = "train"


def configurations() -> Path:
    """The folder of configurations: in an installed package, else beside the package, as in a clone."""
    package = Path(__file__).parents[2]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"
