"""Which losses make a step, and batches in parts, which give the steps of whole batches with less memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import SGD

from stylelayers import Discriminator, Generator
from stylelayers.training import GAN, StyleGAN2Loss
from stylelayers.training.guard import NonFiniteGuard
from stylelayers.training.iteration import Iteration
from stylelayers.training.network_calls import NetworkCalls
from stylelayers.training.steps import MicroBatch, Step, Term
from tests.training.tiny import fit, tiny_data, tiny_gan

BATCH = 8


def iteration(number: int, **options: Any) -> Iteration:
    model = tiny_gan()
    networks = {"generator": model.generator, "discriminator": model.discriminator}
    return Iteration(
        number,
        model.calls,
        optimizers={name: SGD(network.parameters(), lr=0.0) for name, network in networks.items()},
        parameters={name: list(network.named_parameters()) for name, network in networks.items()},
        backward=Tensor.backward,
        guard=NonFiniteGuard(20),
        **options,
    )


def recorder(seen: list[Any], name: str) -> Term:
    def compute(calls: NetworkCalls, batch: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        seen.append((name, batch.images.flatten().tolist(), None if batch.labels is None else batch.labels.tolist()))
        value = next(calls.discriminator.parameters()).sum() * 0.0 + batch.images.mean()
        return value, {f"log/{name}": batch.images.mean()}

    return Term(name, compute, (f"log/{name}",))


@pytest.mark.parametrize(("number", "expected"), [(1, "ab"), (2, "abc"), (3, "abd"), (0, "abcd")])
def test_a_step_is_taken_in_the_iterations_that_its_interval_divides(number: int, expected: str) -> None:
    seen: list[Any] = []
    a, b, c, d = (recorder(seen, name) for name in "abcd")
    steps = [
        Step("a and b", "discriminator", (a, b)),
        Step("c", "discriminator", (c,), 2),
        Step("d", "discriminator", (d,), 3),
    ]
    found = iteration(number)
    found.run(steps, torch.ones(2, 1, 1, 1), None)
    assert "".join(name for name, *_ in seen) == expected
    assert found.logged.keys() == {f"log/{name}" for name in expected}


# Micro-batches -----------------------------------------------------------------------------------------------------


def test_a_batch_is_split_in_order_and_in_equal_parts_only() -> None:
    images, labels, seen = torch.arange(6.0).reshape(6, 1, 1, 1), torch.arange(6), list[Any]()
    step = Step("a", "discriminator", (recorder(seen, "a"),))
    found = iteration(0)
    found.run([step], images, labels, 3)
    found.run([step], images, None, 2)
    assert [(part, own) for _, part, own in seen[:3]] == [([0, 1], [0, 1]), ([2, 3], [2, 3]), ([4, 5], [4, 5])]
    assert [own for *_, own in seen[3:]] == [None, None]
    assert found.logged["log/a"] == 2.5  # the mean over the parts
    with pytest.raises(ValueError, match=r"GAN: micro_batches must divide the batch of 6 images, got 4"):
        found.run([step], images, labels, 4)


def test_one_graph_at_a_time_is_in_memory() -> None:
    found, alive = iteration(0), list[weakref.ref[Tensor]]()
    weight = torch.nn.Parameter(torch.ones(3))
    found.optimizers = {"discriminator": SGD([weight], lr=0.0)}
    found.parameters = {"generator": [], "discriminator": [("weight", weight)]}

    def compute(calls: NetworkCalls, batch: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        assert [reference() for reference in alive] == [None] * len(alive)
        saved = batch.images * 2.0
        alive.append(weakref.ref(saved))
        value = (weight * saved).sum()
        return value, {"value": value}

    term = Term("a", compute, ("value",))
    found.run([Step("a", "discriminator", (term, term))], torch.arange(12.0).reshape(4, 3), None, 4)
    assert len(alive) == 8
    assert weight.grad is not None
    assert torch.equal(weight.grad, 2 * 2 * torch.arange(12.0).reshape(4, 3).mean(0))
    assert found.logged["value"].item() == 33.0


OBJECTIVES: dict[str, dict[str, Any]] = {
    "lazy penalties": {"r1_interval": 2, "path_length_interval": 2},
    "every iteration": {"adversarial": "relativistic", "r2_gamma": 3.0, "r1_interval": 1, "path_length_interval": 1},
    "finite differences": {"r1_form": "finite_difference", "r2_gamma": 3.0, "r1_interval": 1},
    "gradient penalty": {"adversarial": "wasserstein", "r1_gamma": 0.0, "gradient_penalty_weight": 10.0},
}


def exact_gan(parts: int, loss: dict[str, Any]) -> GAN:
    """In float64, without noise and statistics of a batch: the running mean of lengths stands nearly still."""
    torch.manual_seed(0)
    small: dict[str, Any] = {"image_channels": 1, "channel_base": 32, "num_labels": 2, "dtype": torch.float64}
    generator = Generator(8, z_dim=4, w_dim=4, mapping_layers=2, **small)
    generator.synthesis.register_forward_pre_hook(lambda _, a, k: (a, {**k, "noise": "none"}), with_kwargs=True)
    discriminator = Discriminator(8, label_layers=1, mbstd_num_channels=0, **small)
    objective = StyleGAN2Loss(path_length_decay=1e-12, path_length_batch_shrink=1, **loss)
    sgd = partial(SGD, lr=0.01)
    return GAN(generator, discriminator, objective, sgd, sgd, micro_batches=parts)


def parameters_after(parts: int, loss: dict[str, Any]) -> dict[str, Tensor]:
    model = exact_gan(parts, loss)
    latents = iter(torch.randn(1000, 4, dtype=torch.float64))

    def sample_styles(calls: NetworkCalls, count: int, labels: Tensor | None) -> Tensor:
        z = torch.stack([next(latents) for _ in range(count)])
        return calls.generator.mapping(z, labels)  # type: ignore[no-any-return]

    model.loss.sample_styles = sample_styles  # type: ignore
    optimizers = model.configure_optimizers()
    for _ in range(3):
        model.iterate(
            torch.rand(BATCH, 1, 8, 8, dtype=torch.float64), torch.arange(BATCH) % 2, optimizers, Tensor.backward
        )
        model.iterations += 1
    return {name: p.detach() for name, p in model.named_parameters() if not name.startswith("average")}


@pytest.fixture
def no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """The draws inside of the penalties, which differ between a batch and its parts."""
    monkeypatch.setattr("torch.randn_like", torch.ones_like)
    rand: Callable[..., Tensor] = torch.rand
    monkeypatch.setattr("torch.rand", lambda *size, **k: rand(*size, **k) * 0 + 0.3)


@pytest.mark.usefixtures("no_chance")
@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("case", OBJECTIVES)
def test_parts_give_the_parameters_of_whole_batches(case: str, parts: int) -> None:
    whole = parameters_after(1, OBJECTIVES[case])
    torch.testing.assert_close(parameters_after(parts, OBJECTIVES[case]), whole, rtol=0.0, atol=1e-6)
    begun = dict(exact_gan(1, OBJECTIVES[case]).named_parameters())
    moved = [(whole[name] - begun[name]).abs().max().item() for name in whole if "noise" not in name]
    assert sum(move > 1e-5 for move in moved) > 0.9 * len(moved)


def test_logs_are_means_of_parts_and_diversity_is_of_the_batch() -> None:
    model = tiny_gan()
    model.micro_batches = 4
    trainer = fit(model, 1)
    logged = trainer.callback_metrics
    assert logged["samples/diversity"] > 0.01  # of parts of one image it would be 0
    assert logged["penalty/r1"] == pytest.approx(8 * logged["r1/gradient_square_norm"].item())
    assert model.iterations == 1
    assert model.images_seen == tiny_data().batch_size


def test_the_running_mean_of_lengths_moves_by_the_decay_of_a_batch_in_all() -> None:
    decay = exact_gan(4, {}).loss.path_length_penalty.decay
    assert (1 - decay) ** 4 == pytest.approx(1 - 1e-12, abs=1e-15)
