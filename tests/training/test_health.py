"""Warnings of training that goes wrong: each once, until it has passed, and none of training that goes well."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from lightning import Callback, Trainer

from stylelayers.training import GAN, Health
from stylelayers.training.run.keys import keys_of
from tests.training.tiny import BATCH, compose, fit, tiny_gan

HEALTHY = {
    "loss/generator": 0.9,
    "loss/discriminator": 1.1,
    "penalty/r1": 1e6,  # no loss
    "logits/real": 0.6,
    "logits/fake": -0.4,
    "samples/diversity": 0.8,
}


class Run:
    """Shows a callback the metrics of one iteration after the other."""

    def __init__(self, callback: Health, *, batch: int = BATCH, first: bool = True) -> None:
        self.callback, self.batch = callback, (torch.zeros(batch, 1), torch.zeros(batch))
        self.logged: list[tuple[str, float]] = []
        self.model = SimpleNamespace(
            iterations=0,
            images_seen=0,
            skipped_steps=0,
            log=lambda name, value: self.logged.append((name, value)),
        )
        self.trainer = SimpleNamespace(is_global_zero=first, callback_metrics={})
        callback.on_train_start(cast(Trainer, self.trainer), cast(GAN, self.model))

    def go(self, iterations: int = 1, **changes: float) -> list[str]:
        """The warnings of so many iterations whose metrics are healthy but for `changes`, with _ for /."""
        changed = {name.replace("_", "/"): value for name, value in changes.items()}
        assert set(changed) <= set(HEALTHY)
        metrics = {**HEALTHY, **changed}
        self.trainer.callback_metrics = {name: torch.tensor(value) for name, value in metrics.items()}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(iterations):
                self.model.iterations += 1
                self.model.images_seen += 1000
                self.callback.on_train_batch_end(
                    cast(Trainer, self.trainer), cast(GAN, self.model), None, self.batch, 0
                )
        return [str(warning.message) for warning in caught]


TROUBLES = [
    ({"logits_real": 101.0, "logits_fake": 100.5}, "logits/real is 101, beyond Health's max_logit=100"),
    ({"logits_real": -99.0, "logits_fake": -101.0}, "logits/fake is -101, beyond Health's max_logit=100"),
    ({"loss_generator": 1001.0}, "loss/generator is 1001, beyond Health's max_loss=1000"),
    ({"loss_discriminator": -1001.0}, "loss/discriminator is -1001, beyond Health's max_loss=1000"),
    ({"loss_generator": float("nan")}, "loss/generator is nan, beyond Health's max_loss=1000"),
    ({"logits_fake": float("-inf"), "logits_real": float("-inf")}, "logits/real is -inf, beyond"),
    ({"logits_real": 10.5, "logits_fake": -10.0}, "logits/real is 20.5 above logits/fake, beyond Health's max"),
    ({"samples_diversity": 0.0625}, "samples/diversity is 0.0625 on average over 1 iterations, below Health's"),
]


@pytest.mark.parametrize(("changes", "seen"), TROUBLES)
def test_each_trouble_is_told_once_and_again_after_it_has_passed(changes: dict[str, float], seen: str) -> None:
    run = Run(Health(every=1, window=1))
    assert run.go(3) == []
    (first,) = run.go(3, **changes)
    assert first.startswith(f"iteration 4, 4,000 images: {seen}")
    assert run.go(2) == []
    (again,) = run.go(1, **changes)
    assert again.startswith(f"iteration 9, 9,000 images: {seen}")


@pytest.mark.parametrize(
    "changes",
    [
        {"logits_real": 100.0, "logits_fake": 100.0},
        {"logits_real": -100.0, "logits_fake": -100.0},
        {"loss_generator": 1000.0, "loss_discriminator": -1000.0},
        {"logits_real": 10.0, "logits_fake": -10.0},
        {"logits_real": -15.0, "logits_fake": 15.0},  # the other way round
        {"samples_diversity": 0.125},
        {"samples_diversity": 9.0},
    ],
)
def test_up_to_its_limit_nothing_is_told(changes: dict[str, float]) -> None:
    assert Run(Health(every=1, window=1)).go(3, **changes) == []


def test_troubles_are_told_apart() -> None:
    run = Run(Health(every=1, window=1))
    assert len(run.go(2, logits_real=50.0)) == 1
    assert len(run.go(2, logits_real=150.0)) == 1
    assert len(run.go(2, logits_real=150.0, samples_diversity=0.0)) == 1


def test_the_limits_are_the_arguments() -> None:
    run = Run(Health(every=1, window=1, max_logit=0.5, max_gap=0.9, min_diversity=0.85))
    assert [text.split("=")[0].split()[-1] for text in run.go()] == ["max_logit", "max_gap", "min_diversity"]
    (text,) = Run(Health(every=1, window=1, max_loss=1.0)).go()
    assert "loss/discriminator is 1.1, beyond Health's max_loss=1." in text


def test_diversity_is_averaged_over_the_looks_of_a_whole_window() -> None:
    run = Run(Health(every=10, window=40))
    assert run.go(39, samples_diversity=0.0) == []
    (text,) = run.go(1, samples_diversity=0.0)
    assert text.startswith("iteration 40, 40,000 images: samples/diversity is 0 on average over 40 iterations")
    run.go(10)  # one healthy look of four: 0.2 on average
    assert len(run.go(40, samples_diversity=0.0)) == 1


def test_between_two_looks_no_metric_is_read() -> None:
    run = Run(Health(every=50))
    assert run.go(49, loss_generator=1e9) == []
    assert len(run.go(1, loss_generator=1e9)) == 1


def test_batches_of_one_image_have_no_diversity() -> None:
    assert Run(Health(every=1, window=1), batch=1).go(3, samples_diversity=0.0) == []


def test_a_new_training_starts_anew() -> None:
    callback = Health(every=1, window=2)
    assert len(Run(callback).go(2, loss_generator=1e9, samples_diversity=0.0)) == 2
    run = Run(callback)
    assert len(run.go(1, loss_generator=1e9, samples_diversity=0.0)) == 1
    assert len(run.go(1, loss_generator=1e9, samples_diversity=0.0)) == 1


def test_only_the_first_process_warns() -> None:
    assert Run(Health(every=1, window=1), first=False).go(3, loss_generator=1e9) == []


def test_skipped_steps_are_logged_once_there_are_any() -> None:
    run = Run(Health())
    run.go(2)
    assert run.logged == []
    run.model.skipped_steps = 3
    run.go(1)
    assert run.logged == [("steps/skipped", 3.0)]


def test_every_argument_that_a_warning_names_is_there() -> None:
    texts = Run(Health(every=1, window=1)).go(1, logits_real=150.0, samples_diversity=0.0)
    named = {name.removesuffix("'s") for text in texts for name in re.findall(r"\b[a-z0-9]+_\w+(?:'s)?", text)}
    assert named == {"max_logit", "max_gap", "min_diversity", "r1_gamma", "batch_size"} | {
        *("generator_optimizer", "discriminator_optimizer"),
    }
    assert named <= {key.rpartition(".")[2] for key in keys_of(compose())}


class Metrics(Callback):
    """Notes what training logged."""

    def on_train_end(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self.logged = {name: float(value) for name, value in trainer.callback_metrics.items()}


def test_training_logs_what_is_looked_at() -> None:
    model, metrics = tiny_gan(), Metrics()
    model.guard.skipped = 2
    with pytest.warns(UserWarning) as caught:
        health = Health(every=2, window=4, max_loss=1e-6, max_logit=1e9, max_gap=1e9, min_diversity=1e9)
        fit(model, 5, health, metrics)
    texts = [text for text in (str(warning.message) for warning in caught) if text.startswith("iteration ")]
    assert [text.split(" is ")[0] for text in texts] == [
        "iteration 2, 8 images: loss/generator",
        "iteration 4, 16 images: samples/diversity",
    ]
    assert set(HEALTHY) < set(metrics.logged)
    assert metrics.logged["steps/skipped"] == 2.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Health(every=0), r"^Health: every must be an int of at least 1, got 0"),
        (lambda: Health(every=cast(int, 1.5)), r"^Health: every must be an int of at least 1, got 1\.5"),
        (lambda: Health(window=49), r"^Health: window must be an int of at least 50, got 49"),
        (lambda: Health(max_logit=0.0), r"^Health: max_logit must be a number above 0, got 0\.0"),
        (lambda: Health(max_loss=-1.0), r"^Health: max_loss must be a number above 0, got -1\.0"),
        (lambda: Health(max_gap=float("nan")), r"^Health: max_gap must be a number above 0, got nan"),
        (lambda: Health(min_diversity=-0.1), r"^Health: min_diversity must be a number of at least 0, got -0\.1"),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], Callback], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
