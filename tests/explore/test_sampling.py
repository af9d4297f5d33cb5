"""Seeds to images: the same seed gives the same image in any batch, and batches shrink until they fit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from stylelayers import Generator
from stylelayers.explore import latents_of_seeds, sample, styles_of_seeds, synthesize, to_pixels
from stylelayers.explore.sampling import default_batch, in_batches
from tests.conftest import assert_same
from tests.explore.tiny import tiny_generator

SEEDS = [5, 0, 7, 8, 5]


def images(seeds: list[int] = SEEDS, **options: object) -> Tensor:
    return torch.cat(list(sample(tiny_generator(labels=3, dtype=torch.float64), seeds, **options)))  # type: ignore[arg-type]


def test_a_seed_is_one_latent_whatever_the_others_are() -> None:
    z = latents_of_seeds(SEEDS, 64)
    assert torch.equal(z[0], z[4])
    assert torch.equal(z[2], latents_of_seeds([7], 64)[0])
    assert torch.equal(z[2], torch.randn(64, generator=torch.Generator().manual_seed(7)))
    assert len(torch.unique(z, dim=0)) == 4
    assert abs(float(latents_of_seeds(range(500), 64).std()) - 1) < 0.02


@pytest.mark.parametrize("noise", ["const", "random", "none"])
@pytest.mark.parametrize("batch", [1, 2, 3, 64])
def test_any_batch_gives_the_same_images(noise: str, batch: int) -> None:
    assert_same(images(noise=noise, batch=batch), images(noise=noise, batch=5))


def test_random_noise_belongs_to_the_seed() -> None:
    labels = [1]
    drawn = images(noise="random", labels=labels)
    assert_same(drawn[0], drawn[4])
    assert_same(drawn[2], images([7], noise="random", labels=labels)[0])
    assert (drawn - images(noise="const", labels=labels)).abs().amax() > 1e-3
    assert (drawn - images(noise="none", labels=labels)).abs().amax() > 1e-3


def test_sampling_takes_nothing_from_the_random_state() -> None:
    state = torch.get_rng_state()
    generator = tiny_generator()
    torch.set_rng_state(state)
    list(sample(generator, SEEDS, noise="random"))
    assert torch.equal(torch.get_rng_state(), state)


def test_labels_are_repeated_and_all_are_taken_without() -> None:
    assert_same(images(labels=[2, 0]), images(labels=[2, 0, 2, 0, 2]))
    assert_same(images(), images(labels=[0, 1, 2]))
    assert (images(labels=[0]) - images(labels=[1])).abs().amax() > 1e-3


def test_images_are_the_generators() -> None:
    generator = tiny_generator((8, 12))
    options = {"truncation_psi": 0.3, "truncation_cutoff": 2}
    expected = generator(latents_of_seeds(SEEDS, 6), noise="const", **options)
    torch.testing.assert_close(torch.cat(list(sample(generator, SEEDS, **options))), expected)  # type: ignore[arg-type]
    ws = styles_of_seeds(generator, SEEDS, **options)  # type: ignore[arg-type]
    torch.testing.assert_close(torch.cat(list(synthesize(generator, ws, batch=2))), expected)


def test_no_graph_is_kept() -> None:
    assert not next(sample(tiny_generator(), [0])).requires_grad
    assert not styles_of_seeds(tiny_generator(), [0]).requires_grad


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_batches_are_halved_until_they_fit(error: Exception) -> None:
    sizes = []

    def function(part: slice) -> Tensor:
        sizes.append(part.stop - part.start)
        if sizes[-1] > 3:
            raise error
        return torch.arange(part.start, part.stop)

    assert torch.cat(list(in_batches(function, 10, 8))).tolist() == list(range(10))
    assert sizes == [8, 4, 2, 2, 2, 2, 2]


def test_other_errors_and_single_items_that_do_not_fit_are_told() -> None:
    def failing(message: str) -> Callable[[slice], Tensor]:
        def function(part: slice) -> Tensor:
            raise RuntimeError(message)

        return function

    for message in ("shapes cannot be multiplied", "out of memory"):
        with pytest.raises(RuntimeError, match=message):
            list(in_batches(failing(message), 4, 4))


def test_default_batches_shrink_with_the_image() -> None:
    networks = [Generator(size, channel_base=4, device="meta") for size in (8, 256, 1024)]
    assert [default_batch(network) for network in networks] == [64, 32, 2]


def test_pixels_span_black_to_white() -> None:
    levels = torch.tensor([-9.0, -1.0, 0.0, 1.0, 9.0]).view(5, 1, 1, 1)
    assert to_pixels(levels).flatten().tolist() == [0, 0, 128, 255, 255]
    assert to_pixels(levels).dtype == torch.uint8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": [3]}, r"sample: labels must be in \[0, 3\), at least one, got \[3\]"),
        ({"labels": []}, r"labels must be in \[0, 3\), at least one, got \[\]"),
        ({"noise": "fixed"}, "sample: noise must be one of random, const, none, got 'fixed'"),
        ({"batch": -1}, "sample: batch must be an int of at least 1, got -1"),
        ({"batch": 0}, "sample: batch must be an int of at least 1, got 0"),
        ({"truncation_psi": 0.5, "truncation_cutoff": 9}, r"sample: truncation_cutoff must be in \[0, 4\], got 9"),
        ({"seeds": [-1]}, r"sample: seeds must be in \[0, 2\*\*63\), got -1"),
    ],
    ids=str,
)
def test_wrong_arguments(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        images(**options)  # type: ignore[arg-type]


def test_generators_must_be_ready() -> None:
    with pytest.raises(ValueError, match="labels were given, but the generator has no classes"):
        list(sample(tiny_generator(), [0], labels=[0]))
    with pytest.raises(ValueError, match="sample: generator must be in evaluation mode"):
        list(sample(tiny_generator().train(), [0]))
