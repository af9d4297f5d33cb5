"""Ctrl-C and SIGTERM end training after the current iteration."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

_NAMES: dict[int, str] = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
_Handler = Callable[[int, FrameType | None], Any] | int


class StopOnSignal(Callback):
    """On Ctrl-C (SIGINT) or SIGTERM, finish the iteration and end training normally; a second signal acts at once.

    A signal to one process ends the training of all. As the last callback of a list it keeps its handlers until the
    other callbacks have written their files. A signal that was ignored before training stays ignored. Processes that
    load images do not get the Ctrl-C that a terminal sends to them as well.

    Attributes:
        received: number of the signal that this process received or, from the end of the iteration on, another
            process; None without one.

    Example:
        >>> from stylelayers.training import StopOnSignal
        >>> StopOnSignal().received is None
        True
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._earlier: dict[int, _Handler] = {}  # from before the trainer's own handlers
        self._replaced: dict[int, _Handler] = {}
        self._mask: set[int] | None = None
        self._process: int | None = None
        self._speaks = True

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.received = None
        self._process, self._speaks = os.getpid(), trainer.is_global_zero
        self._earlier = {number: _handler(number) for number in _NAMES}
        if _may_handle() and hasattr(signal, "pthread_sigmask"):  # data workers, which start next, inherit the block
            self._mask = {*signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for number, earlier in self._earlier.items():
            if _may_handle() and earlier != signal.SIG_IGN:
                self._replaced[number] = _handler(number)
                signal.signal(number, self._receive)
        self._unblock()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.world_size > 1:
            number = torch.tensor(self.received or 0, device=trainer.strategy.root_device)
            self.received = int(trainer.strategy.reduce(number, reduce_op="max")) or None
        if self.received is not None:
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._restore()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._restore()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._restore()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            return  # a worker that started later: the training process ends it
        self.received = number
        signal.signal(number, self._earlier[number])  # for a second signal
        if self._speaks:
            with suppress(RuntimeError):  # the signal came while Python was printing
                text = "finishing this iteration, then writing a checkpoint; again to stop at once"
                print(f"{_NAMES[number]}: {text}", file=sys.stderr, flush=True)

    def _restore(self) -> None:
        """Restore the earlier handlers, unless someone else has replaced ours since."""
        for number, handler in self._replaced.items():
            if _handler(number) == self._receive:
                signal.signal(number, handler)
        self._replaced.clear()
        self._unblock()

    def _unblock(self) -> None:
        """Unblock Ctrl-C in this thread."""
        if self._mask is not None:
            mask, self._mask = self._mask, None
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _may_handle() -> bool:
    """Whether this is the main thread, the only one in which Python sets handlers."""
    return threading.current_thread() is threading.main_thread()


def _handler(number: int) -> _Handler:
    """The handler in force; the default one if it was not set from Python and cannot be set again."""
    handler = signal.getsignal(number)
    return signal.SIG_DFL if handler is None else handler
