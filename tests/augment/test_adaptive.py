"""The controller of the augmentations' probability, alone, over ranks and in training."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback
from torch import Tensor, nn

import train
from stylelayers.augment import AdaptiveAugment, AugmentPipeline, DiffAugment
from stylelayers.training.run.rehearsal import rehearse
from stylelayers.training.steps import MicroBatch
from tests.training.tiny import BATCH, REPOSITORY, fit, tiny_config, tiny_gan

KNOWN, UNKNOWN = torch.ones(10, 1), torch.tensor([[1.0], [-1.0]]).repeat(5, 1)


class Doubling(nn.Module):
    """A pipeline that shows what it was called with."""

    def forward(self, images: Tensor, p: Tensor) -> Tensor:
        return images * (1 + p)


def test_p_moves_by_images_over_speed_within_zero_and_one() -> None:
    augment = AdaptiveAugment(p=0.5, interval=2, speed=100)
    for step, expected in enumerate([0.5, 0.7, 0.7, 0.9, 0.9, 1.0, 1.0, 1.0], 1):
        augment.update(KNOWN)
        assert float(augment.p) == pytest.approx(expected), step
    assert float(augment.sign) == 1
    for _ in range(20):
        augment.update(UNKNOWN)
    assert (float(augment.p), float(augment.sign)) == (0, 0)


def test_p_follows_the_mean_sign_and_target() -> None:
    logits = torch.tensor([5.0, 0.1, 2.0, -9.0])  # a mean sign of 0.5
    for target, expected in ((0.4, 0.54), (0.5, 0.5), (0.6, 0.46), (None, 0.5)):
        augment = AdaptiveAugment(p=0.5, target=target, interval=1, speed=100)
        augment.update(logits)
        assert float(augment.p) == pytest.approx(expected)
        assert float(augment.sign) == 0.5


def test_default_speed_is_the_published_one() -> None:
    augment = AdaptiveAugment()
    for _ in range(4):
        augment.update(torch.ones(64, 1))
    assert float(augment.p) == pytest.approx(4 * 64 / 500_000)


def test_nan_logits_are_ignored() -> None:
    augment = AdaptiveAugment(p=0.5, interval=1, speed=100)
    augment.update(torch.tensor([float("nan"), float("inf"), 1.0]))
    assert float(augment.sign) == pytest.approx(2 / 3)
    assert float(augment.p) == pytest.approx(0.53)
    augment.update(torch.ones(2, dtype=torch.bfloat16, requires_grad=True))
    assert not augment.p.requires_grad


def test_pipeline_is_called_in_training_only() -> None:
    x = torch.randn(2, 1, 4, 4)
    assert torch.equal(AdaptiveAugment(Doubling(), p=0.25)(x), x * 1.25)
    assert AdaptiveAugment(Doubling())(x) is x
    assert AdaptiveAugment(Doubling(), p=0.25).eval()(x) is x
    assert isinstance(AdaptiveAugment().pipeline, AugmentPipeline)


def test_state_dict_resumes_the_adjustment() -> None:
    first, second = (AdaptiveAugment(p=p, interval=3, speed=100) for p in (0.2, 0.9))
    first.update(KNOWN)
    assert set(first.state_dict()) == {"p", "sign", "totals"}
    second.load_state_dict(first.state_dict())
    for augment in (first, second):
        augment.update(KNOWN)
        augment.update(KNOWN)
        assert float(augment.p) == pytest.approx(0.5)
    with torch.device("meta"):
        third = AdaptiveAugment(p=0.3)
    third.to_empty(device="cpu").reset_parameters()  # type: ignore[operator]
    assert [value.tolist() for value in third.state_dict().values()] == [pytest.approx(0.3), 0, [0, 0, 0]]


ON_A_RANK = """
import sys, torch
from stylelayers.augment import AdaptiveAugment

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
augment = AdaptiveAugment(p=0.5, target=0.4, interval=2, speed=100)
for _ in range(2):
    augment.update(torch.tensor([[1.0], [1.0 - 2 * rank]]).repeat(5, 1))
print(float(augment.sign), round(float(augment.p), 6))
torch.distributed.destroy_process_group()
"""


def test_p_is_equal_on_ranks_and_counts_all_images(tmp_path: Path) -> None:
    commands = [[sys.executable, "-c", ON_A_RANK, str(rank), str(tmp_path)] for rank in range(2)]
    ranks = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) for command in commands]
    assert [rank.communicate(timeout=240)[0].split() for rank in ranks] == [["0.5", "0.9"]] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p": 1.5}, r"AdaptiveAugment: p must be a number in \[0, 1\], got 1.5"),
        ({"target": 2}, r"target must be a number in \[-1, 1\], got 2"),
        ({"interval": 0}, "interval must be an int of at least 1, got 0"),
        ({"interval": 1.5}, "interval must be an int of at least 1, got 1.5"),
        ({"speed": 0}, "speed must be a number above 0, got 0"),
    ],
)
def test_bad_options_raise(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AdaptiveAugment(**options)


# Training ----------------------------------------------------------------------------------------------------------


class Spy(nn.Module):
    """Notes what it is given, and passes on twice of it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach().clone())
        return 2 * images


def test_discriminator_sees_only_augmented_images(monkeypatch: pytest.MonkeyPatch) -> None:
    spy = Spy()
    model = tiny_gan(augment=spy, r1_interval=1, path_length_interval=1)
    judged: list[Tensor] = []
    model.discriminator.register_forward_pre_hook(lambda _, inputs: judged.append(inputs[0].detach().clone()))
    fit(model, 1)
    assert [len(images) for images in spy.seen] == [BATCH, 2 * BATCH, BATCH]  # generator, discriminator, R1
    assert len(judged) == 3
    for before, after in zip(spy.seen, judged, strict=True):
        assert torch.equal(2 * before, after)


def test_r1_is_taken_before_augmentation() -> None:
    model = tiny_gan(augment=Spy(), r1_gamma=2.0)
    images = torch.randn(BATCH, 1, 8, 8)
    _, norm = model.loss.r1(model.calls, MicroBatch(images, None))
    x = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.discriminator(2 * x, None).sum(), x)
    torch.testing.assert_close(norm, gradient.square().sum() / BATCH)


def test_p_is_in_the_checkpoint_once() -> None:
    model = tiny_gan(augment=AdaptiveAugment(p=0.3))
    names = [name for name in model.state_dict() if "augment" in name or "critic" in name]
    assert sorted(names) == ["augment.p", "augment.sign", "augment.totals"]
    assert not [name for name in tiny_gan().state_dict() if "augment" in name]


class Logged(Callback):
    def __init__(self) -> None:
        self.values: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        self.values.append({name: float(value) for name, value in trainer.callback_metrics.items()})


def test_p_and_sign_are_logged_and_updated() -> None:
    logged = Logged()
    model = tiny_gan(augment=AdaptiveAugment(p=0.5, target=-1.0, interval=1, speed=10 * BATCH))
    model.micro_batches = 2  # which makes no difference
    with torch.no_grad():
        list(model.discriminator.parameters())[-1].fill_(100)  # the bias: all images are taken for real
    fit(model, 2, logged)
    assert [values["augment/p"] for values in logged.values] == [pytest.approx(0.6), pytest.approx(0.7)]
    assert [values["augment/sign"] for values in logged.values] == [1, 1]


def test_rehearsal_does_not_change_p() -> None:
    model = tiny_gan(augment=AdaptiveAugment(p=0.5, target=-1.0, interval=1, speed=BATCH))
    with torch.no_grad():
        list(model.discriminator.parameters())[-1].fill_(100)

    class Rehearse(Callback):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            before = torch.get_rng_state()
            rehearse(trainer, pl_module)
            assert torch.equal(torch.get_rng_state(), before)
            assert (float(pl_module.augment.p), float(pl_module.augment.totals[2])) == (0.5, 0)

    fit(model, 1, Rehearse())
    assert float(model.augment.totals[2]) == 0  # type: ignore[union-attr, index]
    assert float(model.augment.p) == 1  # type: ignore[union-attr, arg-type]


@pytest.mark.parametrize("override", ["augment=ada", "augment=diffaugment", "augment=none"])
def test_augmentation_overrides_train(override: str, tmp_path: Path) -> None:
    extra = ("augment.p=0.5", "augment.speed=100") if override == "augment=ada" else ()
    metrics = train.train(tiny_config(tmp_path / "run", override, *extra))
    assert ("augment/p" in metrics) == (override == "augment=ada")
    state = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert ("augment.p" in state) == (override == "augment=ada")


def test_configuration_builds_every_augmentation(tmp_path: Path) -> None:
    kinds = {"none": type(None), "ada": AdaptiveAugment, "diffaugment": DiffAugment}
    for name, kind in kinds.items():
        _, model, _ = train.build(tiny_config(tmp_path, f"augment={name}"))
        assert type(model.augment) is kind
    with pytest.raises(Exception, match=r"AdaptiveAugment: target must be a number in \[-1, 1\]"):
        train.build(tiny_config(tmp_path, "augment=ada", "augment.target=3"))


@pytest.mark.parametrize(
    "pipeline", [Doubling(), pytest.param(AugmentPipeline(), marks=pytest.mark.slow)], ids=["doubling", "bgc"]
)
def test_compiled_training_takes_the_same_steps(pipeline: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_ = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda function, *, options=None, **rest: compile_(function, backend="aot_eager", **rest)
    )
    torch._dynamo.reset()
    states = []
    for compiled in (False, True):
        torch.manual_seed(3)
        augment = AdaptiveAugment(pipeline, p=0.5, target=-1.0, interval=1, speed=100)
        model = tiny_gan(augment=augment, optimizer=partial(torch.optim.SGD, lr=0.01))
        model.compiles = compiled
        fit(model, 2)
        states.append(model.state_dict())
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-4, atol=1e-6)
