"""Ctrl-C and SIGTERM: the iteration ends, then training; a second one acts at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from lightning import Callback, Trainer

from stylelayers.training import GAN, GeneratorFile, LatestCheckpoint, StopOnSignal
from tests.training.tiny import fit, tiny_data, tiny_gan

NUMBERS = (signal.SIGINT, signal.SIGTERM)
BOTH = pytest.mark.parametrize("number", NUMBERS)


@pytest.fixture(autouse=True)
def usual_handlers() -> Iterator[None]:
    """Those of a process started from a terminal, whatever started this one."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    before = [signal.signal(signal.SIGINT, signal.default_int_handler), signal.signal(signal.SIGTERM, signal.SIG_DFL)]
    yield
    for number, handler in zip(NUMBERS, before, strict=True):
        signal.signal(number, handler)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number in NUMBERS]


class Send(Callback):
    """Sends signals in the second iteration, before its steps."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers
        self.came: list[BaseException] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: GAN, *_: Any) -> None:  # type: ignore[override]
        if pl_module.iterations == 1:
            for number in self.numbers:
                os.kill(os.getpid(), number)

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        self.came.append(exception)


# The first signal --------------------------------------------------------------------------------------------------


@BOTH
def test_the_iteration_ends_and_then_training_with_all_its_files(tmp_path: Path, number: int) -> None:
    model, stop, send, before = tiny_gan(), StopOnSignal(), Send(number), handlers()
    fit(model, 9, send, LatestCheckpoint(tmp_path), GeneratorFile(tmp_path), stop)
    assert (model.iterations, stop.received, send.came) == (2, number, [])
    held = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert held["iterations"] == 2
    assert (tmp_path / "generator.safetensors").exists()
    assert handlers() == before


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_one_line_says_what_happens(capsys: pytest.CaptureFixture[str], number: int, name: str) -> None:
    fit(tiny_gan(), 9, Send(number), StopOnSignal())
    lines = [line for line in capsys.readouterr().err.splitlines() if name in line]
    assert lines == [f"{name}: finishing this iteration, then writing a checkpoint; again to stop at once"]


def test_one_of_each_kind_is_no_second_one() -> None:
    model, stop = tiny_gan(), StopOnSignal()
    fit(model, 9, Send(signal.SIGTERM, signal.SIGINT), stop)
    assert (model.iterations, stop.received) == (2, signal.SIGINT)


def test_a_run_after_a_stopped_one_starts_anew() -> None:
    model, stop = tiny_gan(), StopOnSignal()
    fit(model, 9, Send(signal.SIGINT), stop)
    fit(model, 3, stop)
    assert (model.iterations, stop.received) == (5, None)


# The second signal -------------------------------------------------------------------------------------------------


def test_a_second_ctrl_c_is_a_keyboard_interrupt_at_once(tmp_path: Path) -> None:
    model, send, before = tiny_gan(), Send(signal.SIGINT, signal.SIGINT), handlers()
    with pytest.raises(SystemExit):
        fit(model, 9, send, LatestCheckpoint(tmp_path), StopOnSignal())
    assert [type(exception) for exception in send.came] == [KeyboardInterrupt]
    assert model.iterations == 1
    assert handlers() == before


def test_a_second_sigterm_goes_to_the_handler_from_before_the_trainer() -> None:
    came = list[int]()
    signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    model, before = tiny_gan(), handlers()
    fit(model, 9, Send(signal.SIGTERM, signal.SIGTERM), StopOnSignal())
    assert (model.iterations, came) == (2, [signal.SIGTERM])
    assert handlers() == before


# Handlers ----------------------------------------------------------------------------------------------------------


class Look(Callback):
    """Notes the handlers while training, and may raise."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.seen: list[Any] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.seen = handlers()
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("error", [None, RuntimeError("x"), KeyboardInterrupt()])
def test_handlers_are_there_while_training_and_gone_afterwards(error: BaseException | None) -> None:
    look, stop, before = Look(error), StopOnSignal(), handlers()
    if error is None:
        fit(tiny_gan(), 2, look, stop)
    else:
        with pytest.raises((RuntimeError, SystemExit)):
            fit(tiny_gan(), 2, look, stop)
    assert look.seen == [stop._receive, stop._receive]
    assert handlers() == before


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    look, stop = Look(), StopOnSignal()
    fit(tiny_gan(), 2, look, stop)
    assert look.seen == [signal.SIG_IGN, stop._receive]


def test_another_thread_sets_no_handlers() -> None:
    look, stop, before, errors = Look(), StopOnSignal(), handlers(), list[BaseException]()

    def train() -> None:
        try:
            fit(tiny_gan(), 2, look, stop)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert (look.seen, errors) == (before, [])


class Fail(Callback):
    """Ends training between the start of `fit` and the first iteration."""

    def on_train_start(self, *_: Any) -> None:
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        raise RuntimeError("too early")


def test_nothing_is_left_behind_by_an_error_before_the_first_iteration() -> None:
    mask, before = signal.pthread_sigmask(signal.SIG_BLOCK, ()), handlers()
    with pytest.raises(RuntimeError, match="too early"):
        fit(tiny_gan(), 9, Fail(), StopOnSignal())
    assert (signal.pthread_sigmask(signal.SIG_BLOCK, ()), handlers()) == (mask, before)


class Workers(Callback):
    """Ctrl-C at a terminal reaches the processes that load images, too."""

    count = 0

    def on_train_batch_start(self, *_: Any) -> None:
        for worker in multiprocessing.active_children():
            self.count += 1
            os.kill(cast(int, worker.pid), signal.SIGINT)


def test_processes_that_load_images_are_spared_ctrl_c() -> None:
    model, workers, data = tiny_gan(), Workers(), tiny_data()
    data.num_workers = 1
    fit(model, 6, workers, StopOnSignal(), data=data)
    assert (model.iterations, workers.count) == (6, 6)


class Fork(Callback):
    """A child that is made while training gets the signal."""

    status: int | None = None

    def __init__(self, stop: StopOnSignal) -> None:
        self.stop = stop

    def on_train_batch_start(self, *_: Any) -> None:
        child = os.fork()
        if child == 0:
            try:
                os.kill(os.getpid(), signal.SIGINT)
                os._exit(0 if self.stop.received is None else 1)
            except BaseException:
                os._exit(2)
        self.status = os.waitpid(child, 0)[1]


def test_a_child_leaves_the_signal_to_the_training_process(capfd: pytest.CaptureFixture[str]) -> None:
    stop = StopOnSignal()
    fork = Fork(stop)
    fit(tiny_gan(), 1, fork, stop)
    assert fork.status == 0
    assert "Ctrl-C" not in capfd.readouterr().err


# Several processes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("here", [False, True])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_all_processes_stop_if_one_received_a_signal(here: bool, elsewhere: bool) -> None:
    numbers = [signal.SIGTERM * received for received in (here, elsewhere)]

    def reduce(number: torch.Tensor, reduce_op: str) -> torch.Tensor:
        assert (number.item(), reduce_op) == (numbers[0], "max")
        return torch.tensor(max(numbers))

    strategy = SimpleNamespace(reduce=reduce, root_device=torch.device("cpu"))
    trainer = cast(Trainer, SimpleNamespace(world_size=2, strategy=strategy, should_stop=False))
    stop = StopOnSignal()
    stop.received = signal.SIGTERM if here else None
    stop.on_train_batch_end(trainer, tiny_gan())
    assert trainer.should_stop == (stop.received == signal.SIGTERM) == (here or elsewhere)


def test_only_the_first_process_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    model, stop = tiny_gan(), StopOnSignal()
    trainer = cast(Trainer, SimpleNamespace(is_global_zero=False))
    stop.on_fit_start(trainer, model)
    stop.on_train_start(trainer, model)
    os.kill(os.getpid(), signal.SIGINT)
    stop.teardown(trainer, model, "fit")
    assert (stop.received, capsys.readouterr().err) == (signal.SIGINT, "")
