"""Values by images seen: between and outside of points, in every iteration, after a resume, and wrong points."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightning import Callback, Trainer
from torch.optim import SGD, Adam

from stylelayers.training import GAN, Schedules
from stylelayers.training.callbacks.schedules import value_at
from tests.training.tiny import BATCH, fit, tiny_gan

POINTS = [(8.0, 1.0), (24.0, 3.0), (40.0, 0.5)]


def test_between_points_values_are_those_of_a_line() -> None:
    images = np.arange(60)
    values = [value_at(POINTS, int(count)) for count in images]
    np.testing.assert_allclose(values, np.interp(images, [8, 24, 40], [1, 3, 0.5]), rtol=1e-12)


def test_a_cosine_meets_the_line_at_points_and_half_way_and_leaves_slowly() -> None:
    for images in (0, 8, 16, 24, 32, 40, 99):
        assert value_at(POINTS, images, cosine=True) == pytest.approx(value_at(POINTS, images))
    assert value_at(POINTS, 9, cosine=True) == pytest.approx(1 + (1 - np.cos(np.pi / 16)))


class Seen(Callback):
    """What an iteration was trained with."""

    def __init__(self) -> None:
        self.values: list[tuple[float, ...]] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN, *_: Any) -> None:  # type: ignore[override]
        groups = [optimizer.param_groups[0] for optimizer in trainer.optimizers]
        numbers = [group[key] for group in groups for key in ("lr", "betas")]
        flat = [x for number in numbers for x in (number if isinstance(number, tuple) else (number,))]
        loss = pl_module.loss
        gammas = (float(loss.r1_gamma), float(loss.r2_gamma))
        self.values.append((*flat, *gammas, pl_module.average.half_life))


def schedules(**options: Any) -> Schedules:
    by_default: dict[str, Any] = {
        "learning_rate": [[0, 0], [16, 1], [24, 0.5]],
        "beta2": [[0, 0.9], [16, 0.99]],
        "r1_gamma": [[4, 8], [12, 2]],
        "r2_gamma": [[0, 3]],
        "average_half_life": [[0, 10], [20, 1000]],
    }
    return Schedules(**{**by_default, **options})


def test_every_iteration_has_the_values_of_the_images_before_it() -> None:
    model, seen = tiny_gan(r2_gamma=1.0), Seen()
    trainer = fit(model, 7, seen, schedules())
    for index, (lr_g, b1, b2_g, lr_d, _, b2_d, r1, r2, half_life) in enumerate(seen.values):
        images = index * BATCH
        factor = np.interp(images, [0, 16, 24], [0, 1, 0.5])
        beta2 = np.interp(images, [0, 16], [0.9, 0.99])
        assert (lr_g, lr_d) == pytest.approx((0.01 * 4 / 5 * factor, 0.01 * 16 / 17 * factor))
        assert (b1, b2_g, b2_d) == pytest.approx((0.0, beta2 ** (4 / 5), beta2 ** (16 / 17)))
        assert (r1, r2) == pytest.approx((np.interp(images, [4, 12], [8, 2]), 3.0))
        assert half_life == pytest.approx(np.interp(images, [0, 20], [10, 1000]))
    assert trainer.callback_metrics["schedule/learning_rate"] == pytest.approx(0.5)
    assert trainer.callback_metrics["schedule/average_half_life"] == pytest.approx(1000)


def test_a_resumed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    options: dict[str, Any] = {"r2_gamma": 1.0}
    whole, first, second = Seen(), Seen(), Seen()
    fit(tiny_gan(**options), 6, whole, schedules())
    fit(tiny_gan(**options), 3, first, schedules()).save_checkpoint(tmp_path / "last.ckpt")
    fit(tiny_gan(**options), 3, second, schedules(), resume=tmp_path / "last.ckpt")
    assert [*first.values, *second.values] == whole.values
    without = Seen()
    fit(tiny_gan(**options), 1, without, Schedules(), resume=tmp_path / "last.ckpt")
    assert without.values[0][0] == pytest.approx(0.01 * 4 / 5)  # the configured rate


def test_without_schedules_nothing_is_changed_or_logged() -> None:
    plain, idle = Seen(), Seen()
    fit(tiny_gan(), 2, plain)
    trainer = fit(tiny_gan(), 2, idle, Schedules())
    assert plain.values == idle.values
    assert not [name for name in trainer.callback_metrics if name.startswith("schedule/")]


KEY = "Schedules: "


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"learning_rate": [[0, 1], [0, 2]]},
            KEY + r"learning_rate must have points of images that increase, .*, got",
        ),
        ({"learning_rate": [[5, 1], [4, 2]]}, KEY + "learning_rate must have points"),
        ({"learning_rate": [[-1, 1]]}, KEY + "learning_rate must have points of images that increase, 0 or more"),
        ({"r1_gamma": []}, KEY + "r1_gamma must have points"),
        ({"r1_gamma": [[0, -1]]}, KEY + r"r1_gamma must have values 0 or more, got \[\[0, -1\]\]"),
        ({"r2_gamma": [[0, float("nan")]]}, KEY + "r2_gamma must have values"),
        ({"average_half_life": [[0, 0]]}, KEY + "average_half_life must have values above 0"),
        ({"beta2": [[0, 1]]}, KEY + r"beta2 must have values in \[0, 1\)"),
        ({"learning_rate": 3}, KEY + r"learning_rate must be a list of \[images, value\] points, got 3"),
        ({"learning_rate": [[0, 1, 2]]}, KEY + "learning_rate must be a list of"),
        ({"learning_rate": [["a", 1]]}, KEY + "learning_rate must be a list of"),
        ({"interpolation": "cubic"}, KEY + "interpolation must be one of linear, cosine, got 'cubic'"),
    ],
)
def test_wrong_points_name_their_argument(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Schedules(**options)


def test_a_model_that_cannot_follow_is_refused() -> None:
    with pytest.raises(ValueError, match=KEY + r"r2_gamma needs the penalty, which the loss's r2_gamma=0 switches off"):
        Schedules(r2_gamma=[(0, 1)]).check(tiny_gan())
    with pytest.raises(ValueError, match=KEY + "beta2 needs optimizers with betas"):
        Schedules(beta2=[(0, 0.9)]).check(tiny_gan(optimizer=partial(SGD, lr=0.1)))
    Schedules(beta2=[(0, 0.9)], r1_gamma=[(0, 1)]).check(tiny_gan(optimizer=partial(Adam, lr=0.1, betas=(0, 0.9))))
