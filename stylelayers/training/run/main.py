"""The main function of the training program: ``train.py`` and ``stylelayers train`` call it."""

import os
import signal
import sys
import warnings

import hydra
from omegaconf import DictConfig

from .command_line import at_home, one_line, refusal
from .configurations import CONFIG_NAME, configurations
from .early_names import arguments_of_today
from .folders import discard_made, is_follower
from .presets import register_resolvers
from .program import SCRIPT, called_as
from .session import supervised

register_resolvers()


def main(program: str = SCRIPT, *subcommand: str) -> None:
    """Train as Hydra reads this process's command line, and end with one line for what Hydra refuses.

    Args:
        program: what the user typed, for texts.
        subcommand: the arguments before those of Hydra.
    """
    called_as(program)
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    warnings.formatwarning = one_line
    configs, script = str(configurations()), sys.argv[0]
    arguments = arguments_of_today(at_home(sys.argv[1 + len(subcommand) :]))
    if is_follower() and not any(argument.startswith("hydra.run.dir=") for argument in arguments):
        arguments += ["hydra.run.dir=.", "hydra.output_subdir=null"]  # no dated folder of its own

    def run(cfg: DictConfig) -> dict[str, float] | float:
        sys.argv = [script, *subcommand, *arguments]  # with which Lightning starts further processes
        return supervised(cfg)

    sys.argv = [script, *arguments]  # which Hydra reads
    try:
        hydra.main(version_base="1.3", config_path=configs, config_name=CONFIG_NAME)(run)()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        line = refusal(error, arguments, configs)
        if line is None:
            raise
        discard_made()
        sys.exit(f"{program}: {line}")
