"""Compiled training: the same numbers as eager training, and a warning where there is no compiler."""

from __future__ import annotations

import shutil
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import SGD

from stylelayers import Discriminator
from stylelayers.augment import DiffAugment
from stylelayers.training import GAN
from stylelayers.training.network_calls import NetworkCalls
from tests.training.tiny import LABELS, fit, tiny_gan

COMPILE = torch.compile
needs_a_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")


def trained(model: GAN, iterations: int = 2) -> dict[str, Any]:
    torch.manual_seed(3)
    fit(model, iterations)
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize(
    "backend",
    [
        "aot_eager",
        pytest.param("inductor", marks=[pytest.mark.slow, needs_a_compiler]),
    ],
)
@pytest.mark.parametrize(
    ("labels", "loss", "penalties"),
    [
        pytest.param(0, {}, {"_penalize_vjp", "_path_lengths_vjp"}, marks=pytest.mark.slow),
        (LABELS, {}, {"_penalize_vjp", "_path_lengths_vjp"}),
        (LABELS, {"adversarial": "relativistic", "r2_gamma": 1.0, "path_length_weight": 0.0}, {"_penalize_vjp"}),
        # A small sigma would magnify the rounding.
        (LABELS, {"r1_form": "finite_difference", "r1_sigma": 0.3, "r2_gamma": 1.0, "path_length_weight": 0.0}, set()),
        pytest.param(
            *(0, {"r1_gamma": 0.0, "gradient_penalty_weight": 1.0, "path_length_weight": 0.0}, {"_penalize_vjp"}),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_compiled_training_takes_the_same_steps(
    backend: str, labels: int, loss: dict[str, Any], penalties: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    used = set()

    def compile_with(function: Any, *, options: Any = None, **rest: Any) -> Any:
        compiled = COMPILE(function, backend=backend, options=options if backend == "inductor" else None, **rest)

        def call(*arguments: Any) -> Any:
            used.add(function.__name__)
            return compiled(*arguments)

        return call

    monkeypatch.setattr(torch, "compile", compile_with)
    torch._dynamo.reset()
    eager = tiny_gan(labels=labels, optimizer=partial(SGD, lr=0.01), **loss)
    compiled = deepcopy(eager)
    compiled.compiles = True
    expected, found = trained(eager), trained(compiled)
    assert used - {"sin"} == {"_synthesize", "_discriminate"} | penalties
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, pytest.param(torch.float64, marks=pytest.mark.slow)])
def test_networks_of_any_dtype_compile(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator adds up its images in float32 and has its layers in half precision: filters of two dtypes."""
    monkeypatch.setattr(torch, "compile", lambda f, *, options=None, **rest: COMPILE(f, backend="aot_eager", **rest))
    torch._dynamo.reset()
    model = tiny_gan().to(dtype)
    ws = torch.randn(2, model.generator.num_ws, 4, dtype=dtype)
    found = []
    for device in (None, torch.device("cpu")):
        calls = NetworkCalls(model.generator, model.discriminator, compile_for=device)
        torch.manual_seed(0)
        images = calls.synthesize(ws)
        found.append((images, calls.discriminate(images), calls.path_lengths(ws)))
    for compiled, eager in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(compiled, eager, rtol=2e-2, atol=2e-2)


class Plain(Discriminator):
    """A discriminator of one's own that knows nothing of batches."""

    def forward(self, images: Tensor, labels: Any = None) -> Tensor:  # type: ignore[override]
        return super().forward(images, labels)


@pytest.mark.parametrize(("kind", "calls_made"), [(Discriminator, 1), (Plain, 2)])
@pytest.mark.parametrize("labels", [None, torch.arange(6) % LABELS])
def test_real_and_generated_images_have_the_logits_of_a_call_each(
    kind: type[Discriminator], calls_made: int, labels: Tensor | None
) -> None:
    options: dict[str, Any] = {"num_labels": 0 if labels is None else LABELS, "image_channels": 1, "channel_base": 32}
    discriminator = kind(8, **options, label_layers=1, dtype=torch.float64)
    calls, sizes = NetworkCalls(tiny_gan().generator, discriminator), list[int]()
    discriminator.register_forward_hook(lambda _, inputs, logits: sizes.append(len(logits)))
    real, fake = torch.rand(2, 6, 1, 8, 8, dtype=torch.float64)
    found = calls.discriminate_both(real, fake, labels)
    assert len(sizes) == calls_made
    for logits, images in zip(found, (real, fake), strict=True):
        torch.testing.assert_close(logits, calls.discriminate(images, labels), rtol=0.0, atol=1e-12)


def test_every_image_of_one_call_is_augmented_by_its_own_draw() -> None:
    model = tiny_gan(augment=DiffAugment("translation"))
    seen = list[Tensor]()
    model.discriminator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = torch.rand(8, 1, 8, 8)
    model.calls.discriminate_both(images, images)
    real, fake = seen[0].chunk(2)
    assert not torch.equal(real, fake)


def test_without_a_compiler_there_is_one_warning_and_training_is_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_nothing(function: Any, **_: Any) -> Any:
        raise RuntimeError("no g++\nand a long trace")

    monkeypatch.setattr(torch, "compile", compile_nothing)
    networks = tiny_gan().generator, tiny_gan().discriminator
    with pytest.warns(UserWarning, match=r"GAN: compile=True finds no working compiler.*: no g\+\+$") as caught:
        calls = NetworkCalls(*networks, compile_for=torch.device("cpu"))
    assert len(caught) == 1
    assert vars(calls) == vars(NetworkCalls(*networks))


@pytest.mark.slow
@needs_a_compiler
def test_compiled_calls_come_from_the_cache_on_disk_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps a call out of torch's cache, such as an address in its graph, would show as a miss or a bypass."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    lookups = []
    for _ in range(2):
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        model = tiny_gan()
        calls = NetworkCalls(model.generator, model.discriminator, compile_for=torch.device("cpu"))
        calls.path_lengths(torch.randn(2, model.generator.num_ws, 4)).sum().backward()
        calls.penalize_gradient("r1", torch.randn(2, 1, 8, 8)).sum().backward()
        found = torch._dynamo.utils.counters["aot_autograd"]
        lookups.append({kind: found[f"autograd_cache_{kind}"] for kind in ("miss", "hit", "bypass")})
    assert lookups[1] == {"miss": 0, "hit": sum(lookups[0].values()), "bypass": 0}
