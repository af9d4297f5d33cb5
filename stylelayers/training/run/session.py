"""A run as a process: one line for what is refused, the closing lines, and the exit codes of signals."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from hydra.core.hydra_config import HydraConfig
from lightning import Trainer
from omegaconf import DictConfig
from torch.multiprocessing import ProcessRaisedException

from ..._allocator import keep_freed_memory
from ...data import ImageDataModule
from ..callbacks import StopOnSignal
from ..distributed import PreflightError
from ..gan import GAN
from ..guard import DivergedError
from .building import build, fit
from .checks import check_optimized_metric, check_run
from .command_line import check_preset, typed_options, typed_overrides
from .ending import closing_lines, existing_files, resume_line
from .errors import CONFIGURATION_ERRORS, explain, explain_process
from .folders import discard, is_follower
from .locks import TakenError
from .program import program_name
from .sweeps import is_sweep, sweep_direction, swept_value, worst_value


def supervised(cfg: DictConfig) -> dict[str, float] | float:
    """Build and fit a run that Hydra started; say at its end where its files are and how to go on.

    Returns:
        The metrics, or the one that ``cfg.optimized_metric`` names, for a sweep.
    """
    folder = None if is_follower() else Path(HydraConfig.get().runtime.output_dir)
    trainer, model, data = _prepared(cfg, folder)
    closing = closing_lines(cfg, [*typed_options(HydraConfig.get()), *typed_overrides(HydraConfig.get())])
    try:
        with _errors_in_one_line(cfg, trainer, folder, closing):
            metrics = fit(cfg, trainer, model, data)
    except DivergedError as error:  # in a sweep, which goes on
        print(f"{program_name()}: {explain(error)}; the run counts as infinitely bad", file=sys.stderr)
        return worst_value()
    if trainer.is_global_zero:  # the other processes, which Lightning would kill for an exit code, end without
        print(existing_files(closing, cfg.output))
        _exit_if_interrupted(trainer)
    if not metrics and folder is not None:
        discard(folder)
    return swept_value(metrics, cfg.optimized_metric)


def _prepared(cfg: DictConfig, folder: Path | None) -> tuple[Trainer, GAN, ImageDataModule]:
    """The parts of a run, checked."""
    precision = cfg.trainer.precision
    try:
        if cfg.keep_freed_memory:
            keep_freed_memory()
        check_preset(HydraConfig.get())
        parts = build(cfg)
        check_run(*parts, multirun=is_sweep(), precision=precision)
        check_optimized_metric(cfg.optimized_metric, *parts, direction=sweep_direction())
    except CONFIGURATION_ERRORS as error:
        _refuse(explain(error, cfg), folder)
    return parts


@contextmanager
def _errors_in_one_line(cfg: DictConfig, trainer: Trainer, folder: Path | None, closing: str) -> Iterator[None]:
    """End the process with a line for the errors of a fit that we know, and with the command to resume for all."""
    try:
        yield
    except (TakenError, PreflightError) as error:
        _refuse(explain(error, cfg), folder)
    except (DivergedError, OSError) as error:
        if isinstance(error, DivergedError) and is_sweep() and cfg.optimized_metric is not None:
            raise
        _fail(explain(error), cfg, closing)
    except ProcessRaisedException as error:  # of a strategy that forks
        _fail(explain_process(error, cfg), cfg, closing)
    except (SystemExit, KeyboardInterrupt):  # Lightning's after a second Ctrl-C, or a Ctrl-C at the very end
        print(resume_line(closing, cfg.output), file=sys.stderr)
        sys.exit(128 + (_signal(trainer) or signal.SIGINT))
    except Exception:
        print(resume_line(closing, cfg.output), file=sys.stderr)
        _exit_if_interrupted(trainer)  # the error may come of a process that got the signal as well
        raise


def _refuse(line: str, folder: Path | None) -> NoReturn:
    """End a run before it starts; nothing is left of it."""
    if folder is not None:
        discard(folder)
    sys.exit(f"{program_name()}: {line}")


def _fail(line: str, cfg: DictConfig, closing: str) -> NoReturn:
    sys.exit("\n".join(filter(None, (f"{program_name()}: {line}", resume_line(closing, cfg.output)))))


def _exit_if_interrupted(trainer: Trainer) -> None:
    """Exit with the code that shells give to a process that a signal ended."""
    if number := _signal(trainer):
        sys.exit(128 + number)


def _signal(trainer: Trainer) -> int | None:
    """The signal that ended training."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    return next((callback.received for callback in callbacks if isinstance(callback, StopOnSignal)), None)
