"""Before the first step: is there memory, disk and time for the run, and do all its losses work?"""

from __future__ import annotations

import math
import shutil
from os import PathLike
from pathlib import Path
from typing import Any

from lightning import Callback, Trainer
from lightning.pytorch.callbacks import Timer
from rich.console import Console

from ..callbacks.checkpoint import LatestCheckpoint
from ..callbacks.limits import StopAfterImages
from ..gan import GAN
from ..loss import PENALTIES
from ..precision import HALF
from .errors import PreflightError
from .rehearsal import penalty_intervals, rehearse

__all__ = ["Preflight", "checkpoint_bytes", "seconds_left"]


class Preflight(Callback):
    """Rehearse an iteration with every penalty on a copy of the model, weigh the checkpoints, and say so in a line.

    Training goes on as if nothing had been: weights, buffers, optimisers, the order of images and the random numbers
    of Python, NumPy, CPU and CUDA are those before. The copy holds the networks a second time during the rehearsal,
    which the peak of memory includes. Every process rehearses, without the others; if one fails, all stop.

    Args:
        folder: the run's folder; its disk is looked at.

    Raises:
        PreflightError: by ``on_train_start``; too little disk or memory, or a loss or gradient that is not finite.
    """

    def __init__(self, folder: str | PathLike[str], preset: str | None = None) -> None:
        self.folder, self.preset = Path(folder), preset
        self._console = Console(soft_wrap=True)

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        failure, parts = None, list[str]()
        try:
            disk = self._disk(trainer, pl_module)
            named = [] if self.preset is None else [f"preset {self.preset}"]
            parts = [*named, *self._rehearsal(trainer, pl_module), *disk]
        except PreflightError as error:
            failure = error
        if not trainer.strategy.reduce_boolean_decision(failure is None):
            raise failure or PreflightError("pre-flight: another process failed, and says why")
        if trainer.is_global_zero:
            self._console.print(f"pre-flight: {'; '.join(parts)}", highlight=False)

    def _disk(self, trainer: Trainer, model: GAN) -> list[str]:
        """What the checkpoints need and the disk has; nothing without checkpoints."""
        checkpoints = _callbacks(trainer, LatestCheckpoint)
        if not checkpoints:
            return []
        needed = sum(_bytes_to_write(callback, model) for callback in checkpoints)
        folder = next(path for path in (self.folder.absolute(), *self.folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise PreflightError(
                f"output={self.folder} is on a disk with {_size(free)} free, and the checkpoints need {_size(needed)}; "
                f"free some, set output to another disk, or lower callbacks.checkpoint.keep"
            )
        return [f"disk {_size(needed)} of {_size(free)} free"]

    def _rehearsal(self, trainer: Trainer, model: GAN) -> list[str]:
        if getattr(getattr(trainer, "datamodule", None), "dataset", None) is None:
            return ["no rehearsal without a data module that has a dataset"]
        seconds, memory = rehearse(trainer, model)
        images = trainer.datamodule.batch_size * trainer.world_size  # type: ignore[attr-defined]
        left = seconds_left(trainer, model, seconds, images)
        speed = f"about {_number(images / seconds)} images/s" + (
            "" if left is None else f", {_duration(left)} to the end"
        )
        return [_penalties(model), *_precision(trainer), *([f"peak memory {_size(memory)}"] if memory else []), speed]


def seconds_left(trainer: Trainer, model: GAN, seconds: float, images: int) -> float | None:
    """Until the first limit of training, for iterations of so many seconds and images; None where there is no limit."""
    limits = []
    if trainer.max_steps > 0:
        steps = 2 + sum(1 / interval for interval in penalty_intervals(model))
        limits.append((trainer.max_steps - trainer.global_step) / steps * seconds)
    batches = trainer.num_training_batches
    if trainer.max_epochs is not None and trainer.max_epochs > 0 and math.isfinite(batches):
        limits.append((trainer.max_epochs - trainer.current_epoch) * batches * seconds)
    for stop in _callbacks(trainer, StopAfterImages):
        if stop.max_images:
            limits.append((stop.max_images - model.images_seen) / images * seconds)
    limits += [timer.time_remaining() for timer in _callbacks(trainer, Timer) if timer.time_remaining() is not None]
    return max(0.0, min(limits)) if limits else None


def checkpoint_bytes(model: GAN) -> int:
    """Size of a checkpoint: the state, and two moments of every trained parameter."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return sum(tensor.nbytes for tensor in model.state_dict().values()) + 2 * sum(tensor.nbytes for tensor in trained)


def _bytes_to_write(callback: LatestCheckpoint, model: GAN) -> int:
    """Of all checkpoints that are kept and the one being written, less those of the folder, which they replace."""
    files = callback.keep + (callback.monitor is not None) + 1
    present = sum(path.stat().st_size for path in callback.path.parent.glob("*.ckpt"))
    return max(0, files * checkpoint_bytes(model) - present)


def _callbacks(trainer: Trainer, kind: type[Any]) -> list[Any]:
    return [callback for callback in trainer.callbacks if isinstance(callback, kind)]  # type: ignore[attr-defined]


def _penalties(model: GAN) -> str:
    names = [name for weight, name in PENALTIES.items() if weight in model.loss.switched_on]
    automatic = [f" (loss.{name}=auto is {value:.4g})" for name, value in model.loss.automatic.items()]
    *others, last = names or ["no penalty"]
    return (f"{', '.join(others)} and {last} run" if others else f"{last} runs") + "".join(automatic)


def _precision(trainer: Trainer) -> list[str]:
    """What a precision does not hold for; see :mod:`stylelayers.training.precision`."""
    if trainer.precision not in HALF:
        return []
    return [f"{trainer.precision} but for mapping networks, averages and statistics, which stay in float32"]


def _size(count: float) -> str:
    power = next((power for power in (1, 2) if count < 1000 * 1024**power), 3)
    return f"{_number(count / 1024**power)} {('KiB', 'MiB', 'GiB')[power - 1]}"


def _number(value: float) -> str:
    return f"{value:.{int(value < 10)}f}"


def _duration(seconds: float) -> str:
    for unit, length, next_length in (("s", 1, 90), ("min", 60, 5400), ("h", 3600, 172800)):
        if seconds < next_length:
            return f"{seconds / length:.{int(unit == 'h')}f} {unit}"
    return f"{seconds / 86400:.1f} days"
