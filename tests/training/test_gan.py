"""The training step: which step changes which network, when penalties fire, and what a checkpoint keeps."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, Trainer
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from stylelayers import Discriminator, Generator
from stylelayers.training import GAN, StyleGAN2Loss, lazy_optimizer
from tests.training.tiny import BATCH, LABELS, fit, tiny_gan

NETWORKS = ("generator", "discriminator")


class Steps(Callback):
    """Notes every optimizer step: (iteration, network), the parameters that it changed and had gradients of."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, str]] = []
        self.changed: list[set[str]] = []
        self.moving: list[set[str]] = []
        self.trainable: list[set[str]] = []

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        for network, optimizer in zip(NETWORKS, trainer.optimizers, strict=True):
            optimizer.register_step_pre_hook(partial(self._before, pl_module, network))
            optimizer.register_step_post_hook(partial(self._after, pl_module))

    def _before(self, model: GAN, network: str, *_: Any) -> None:
        named = dict(getattr(model, network).named_parameters(prefix=network))
        self.taken.append((model.iterations, network))
        self.moving.append({name for name, p in named.items() if p.grad is not None and p.grad.any()})
        self.trainable.append(
            {net for net in NETWORKS if any(p.requires_grad for p in getattr(model, net).parameters())}
        )
        self._values = {name: p.detach().clone() for name, p in model.named_parameters()}

    def _after(self, model: GAN, *_: Any) -> None:
        values = self._values
        self.changed.append({name for name, p in model.named_parameters() if not torch.equal(p, values[name])})

    def of(self, network: str, noted: list[set[str]]) -> set[str]:
        """Names noted in any of a network's steps."""
        return set().union(*(names for (_, other), names in zip(self.taken, noted, strict=True) if other == network))


# One step ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [0, LABELS])
def test_each_step_changes_its_own_network_and_an_iteration_all_of_both(labels: int) -> None:
    model, steps = tiny_gan(labels=labels), Steps()
    fit(model, 1, steps)
    assert steps.taken == [(0, "generator"), (0, "generator"), (0, "discriminator"), (0, "discriminator")]
    for network in NETWORKS:
        every = {name for name, _ in getattr(model, network).named_parameters(prefix=network)}
        assert steps.of(network, steps.moving) == every
        assert steps.of(network, steps.changed) == every
    assert steps.trainable == [{network} for _, network in steps.taken]  # no gradient is computed for the other
    assert all(p.requires_grad for p in (*model.generator.parameters(), *model.discriminator.parameters()))


class Calls:
    """Keeps what a network was called with."""

    def __init__(self, network: nn.Module) -> None:
        self.inputs: list[tuple[Any, ...]] = []
        network.register_forward_pre_hook(lambda _, inputs: self.inputs.append(inputs))


def test_the_discriminator_step_sees_the_same_fakes_without_their_graph() -> None:
    model = tiny_gan(path_length_weight=0.0)
    calls = Calls(model.discriminator)
    fit(model, 1)
    for_generator, both, for_r1 = (images for images, _ in calls.inputs)
    real, fake = both.chunk(2)
    assert for_generator.grad_fn is not None
    assert [images.requires_grad for images in (both, for_r1)] == [False, True]
    assert for_r1.grad_fn is None
    assert torch.equal(fake, for_generator)
    assert torch.equal(for_r1, real)
    assert not torch.equal(fake, real)


def test_labels_of_the_batch_go_to_both_networks() -> None:
    model = tiny_gan(labels=LABELS, style_mixing=1.0)
    critic, mapping = Calls(model.discriminator), Calls(model.generator.mapping)
    fit(model, 1)
    labels = critic.inputs[0][1]
    assert labels.shape == (BATCH,)
    assert len(labels.unique()) > 1
    assert [len(given) for _, given in critic.inputs] == [BATCH, 2 * BATCH, BATCH]  # real and generated ones in one
    assert all(torch.equal(part, labels) for _, given in critic.inputs for part in given.split(BATCH))
    (_, full), (_, half) = mapping.inputs  # both latents in one; the path-length step sees half of the batch
    assert torch.equal(full, labels.repeat(2))
    assert torch.equal(half, labels[: BATCH // 2].repeat(2))


# When penalties fire -----------------------------------------------------------------------------------------------


def expected_steps(iterations: range, path_length: int | None, r1: int | None) -> list[tuple[int, str]]:
    steps = []
    for i in iterations:
        steps += [(i, "generator")] * (1 + (path_length not in (None, 1) and i % path_length == 0))
        steps += [(i, "discriminator")] * (1 + (r1 not in (None, 1) and i % r1 == 0))
    return steps


@pytest.mark.parametrize(
    ("loss", "path_length", "r1"),
    [
        ({"path_length_interval": 2, "r1_interval": 3}, 2, 3),
        ({"path_length_interval": 3, "r1_interval": 1}, 3, 1),
        ({"path_length_weight": 0.0, "r1_interval": 4}, None, 4),
        ({"path_length_interval": 5, "r1_gamma": 0.0}, 5, None),
        ({"path_length_weight": 0.0, "r1_gamma": 0.0}, None, None),
    ],
)
def test_penalties_are_steps_every_interval_of_iterations(
    loss: dict[str, Any], path_length: int | None, r1: int | None
) -> None:
    model, steps = tiny_gan(**loss), Steps()
    trainer = fit(model, 7, steps)
    assert steps.taken == expected_steps(range(7), path_length, r1)
    assert trainer.global_step == len(steps.taken)  # the counter that must not be used
    logged = trainer.callback_metrics
    assert ("penalty/path_length" in logged, "penalty/r1" in logged) == (path_length is not None, r1 is not None)


# Optimizers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "generator_c", "discriminator_c"),
    [
        ({}, 4 / 5, 16 / 17),
        ({"path_length_interval": 1, "r1_interval": 2}, 1.0, 2 / 3),
        ({"r2_gamma": 1.0}, 4 / 5, 16 / 17),
        ({"gradient_penalty_weight": 1.0}, 4 / 5, 16 / 17),
        ({"gradient_penalty_weight": 1.0, "gradient_penalty_interval": 4}, 4 / 5, 1 / (1 + 1 / 4 + 1 / 16)),
        ({"path_length_weight": 0.0}, 1.0, 16 / 17),
        ({"r1_gamma": 0.0}, 4 / 5, 1.0),
    ],
)
@pytest.mark.parametrize("betas", [(0.5, 0.99), [0, 0.9]])
def test_built_optimizers_are_corrected_for_their_penalty(
    loss: dict[str, Any], generator_c: float, discriminator_c: float, betas: Any
) -> None:
    model = tiny_gan(optimizer=partial(Adam, lr=0.01, betas=betas), **loss)
    for optimizer, network, c in zip(
        model.configure_optimizers(), NETWORKS, (generator_c, discriminator_c), strict=True
    ):
        (group,) = optimizer.param_groups
        assert group["lr"] == pytest.approx(0.01 * c)
        assert group["betas"] == pytest.approx((betas[0] ** c, betas[1] ** c))
        assert all(isinstance(beta, float) for beta in group["betas"])
        assert {id(p) for p in group["params"]} == {id(p) for p in getattr(model, network).parameters()}


def test_without_betas_only_the_learning_rate_is_corrected() -> None:
    parameters = [nn.Parameter(torch.zeros(1))]
    (group,) = lazy_optimizer(partial(SGD, lr=0.1, momentum=0.9), 4)(parameters).param_groups
    assert (group["lr"], group["momentum"]) == (pytest.approx(0.08), 0.9)


@pytest.mark.parametrize("optimizer", [Adam, partial(Adam, betas=(0.0, 0.99)), lambda p: Adam(p, lr=1.0)])
def test_correction_needs_a_partial_with_lr(optimizer: Any) -> None:
    with pytest.raises(ValueError, match=r"must be a functools\.partial with lr"):
        lazy_optimizer(optimizer, 4)
    built: Optimizer = lazy_optimizer(optimizer, None)([nn.Parameter(torch.zeros(1))])
    assert isinstance(built, Adam)


# Counters and agreement --------------------------------------------------------------------------------------------


def test_counters_means_and_optimizers_survive_a_checkpoint(tmp_path: Path) -> None:
    first, second, steps = tiny_gan(), tiny_gan(), Steps()
    trainer = fit(first, 3)
    assert (first.iterations, first.images_seen) == (3, 3 * BATCH)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    restored: dict[str, Tensor] = {}

    class AtStart(Callback):
        def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
            restored.update({name: value.clone() for name, value in pl_module.state_dict().items()})
            for ours, theirs in zip(trainer.optimizers, optimizers, strict=True):
                torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0.0, atol=0.0)

    optimizers = trainer.optimizers
    fit(second, 2, AtStart(), steps, resume=tmp_path / "last.ckpt")
    torch.testing.assert_close(restored, dict(first.state_dict()), rtol=0.0, atol=0.0)
    assert restored["loss.path_length_penalty.mean"] != 0
    assert (second.iterations, second.images_seen) == (5, 5 * BATCH)
    assert steps.taken == expected_steps(range(3, 5), 4, 16)  # path length at iteration 4, R1 not before 16


def test_the_average_follows_the_generator_by_the_images_of_each_step() -> None:
    model = tiny_gan()
    updates: list[tuple[int, int]] = []
    update = model.average.update
    model.average.update = lambda g, batch, seen: (updates.append((batch, seen)), update(g, batch, seen))  # type: ignore
    fit(model, 3)
    assert updates == [(BATCH, BATCH), (BATCH, 2 * BATCH), (BATCH, 3 * BATCH)]


@pytest.mark.parametrize(
    ("generator", "discriminator", "message"),
    [
        ({}, {"resolution": 16}, r"same resolution, got \(8, 8\) and \(16, 16\)"),
        ({}, {"image_channels": 1}, r"same image_channels, got 3 and 1"),
        ({"num_labels": 2}, {}, "same num_labels, got 2 and 0"),
    ],
)
def test_networks_must_agree(generator: dict[str, Any], discriminator: dict[str, Any], message: str) -> None:
    small: dict[str, Any] = {"resolution": 8, "channel_base": 32}
    networks = Generator(**{**small, **generator}), Discriminator(**{**small, **discriminator})
    adam = partial(Adam, lr=0.01)
    with pytest.raises(ValueError, match=f"GAN: generator and discriminator must have the {message}"):
        GAN(*networks, StyleGAN2Loss(), adam, adam)
