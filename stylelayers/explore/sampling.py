"""Pictures of seeds and of styles, in batches that fit into memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ..layers.noise import NOISE_MODES, Noise
from ..models import Generator
from .classes import class_numbers
from .latents import latents_of_seeds, sources_of_seeds

__all__ = ["cycled_labels", "default_batch", "in_batches", "sample", "styles_of_seeds", "synthesize"]

_MOST_IMAGES, _MOST_PIXELS = 64, 1 << 21


def sample(
    generator: Generator,
    seeds: Sequence[int],
    *,
    labels: Sequence[int | str] | None = None,
    truncation_psi: float = 1.0,
    truncation_cutoff: int | None = None,
    noise: str = "const",
    batch: int | None = None,
) -> Iterator[Tensor]:
    """Images of seeds, batch after batch; a seed has the same latent and noise whatever the batch.

    Args:
        generator: in evaluation mode.
        seeds: one an image; each names a latent, and with ``noise="random"`` also the noise.
        labels: numbers or names of classes, repeated along the seeds; None takes all in turn where there are classes.
        truncation_psi, truncation_cutoff: as in :class:`stylelayers.MappingNetwork`.
        noise: ``"random"``, ``"const"`` or ``"none"``.
        batch: images at once, None for what a small machine can do; halved when memory runs out.

    Shape:
        batches of ``(n, image_channels, height, width)`` on the generator's device, in [-1, 1] once trained.

    Raises:
        ValueError: labels or options that do not fit the generator.
    """
    _check(generator, noise)
    _check_truncation(generator, truncation_psi, truncation_cutoff)
    classes = cycled_labels(generator, len(seeds), labels)

    def images(part: slice) -> Tensor:
        sources = sources_of_seeds(seeds[part])
        z = latents_of_seeds(sources, generator.z_dim, device=_device(generator))
        return generator(
            z.to(_dtype(generator)),
            None if classes is None else classes[part],
            truncation_psi=truncation_psi,
            truncation_cutoff=truncation_cutoff,
            noise=sources if noise == "random" else noise,
        )

    return in_batches(images, len(seeds), batch or default_batch(generator))


def styles_of_seeds(
    generator: Generator,
    seeds: Sequence[int],
    *,
    labels: Sequence[int | str] | None = None,
    truncation_psi: float = 1.0,
    truncation_cutoff: int | None = None,
) -> Tensor:
    """The styles w of seeds, ``(len(seeds), num_ws, w_dim)``; arguments as in :func:`sample`."""
    _check(generator, "const")
    _check_truncation(generator, truncation_psi, truncation_cutoff)
    with torch.no_grad():
        ws: Tensor = generator.mapping(
            latents_of_seeds(seeds, generator.z_dim, device=_device(generator)).to(_dtype(generator)),
            cycled_labels(generator, len(seeds), labels),
            truncation_psi=truncation_psi,
            truncation_cutoff=truncation_cutoff,
        )
    return ws


def synthesize(
    generator: Generator, ws: Tensor, *, noise: Noise = "const", batch: int | None = None
) -> Iterator[Tensor]:
    """Images of styles ``(N, num_ws, w_dim)``, batch after batch as in :func:`sample`."""
    _check(generator, noise)

    def images(part: slice) -> Tensor:
        return generator.synthesis(ws[part], noise=noise if isinstance(noise, str) else noise[part])

    return in_batches(images, len(ws), batch or default_batch(generator))


def in_batches(function: Callable[[slice], Tensor], count: int, batch: int) -> Iterator[Tensor]:
    """``function(part)`` of successive parts of ``range(count)``, without gradients.

    A part that runs out of memory is tried again with half as many items, and so are all after it.

    Raises:
        RuntimeError: out of memory for a single item.
        ValueError: a batch below 1.
    """
    if batch < 1:
        raise ValueError(f"batch must be at least 1, got {batch}")
    return _in_batches(function, count, batch)


def _in_batches(function: Callable[[slice], Tensor], count: int, batch: int) -> Iterator[Tensor]:
    done = 0
    while done < count:
        part = slice(done, min(done + batch, count))
        try:
            with torch.no_grad():
                result = function(part)
        except (RuntimeError, MemoryError) as error:
            if part.stop - part.start == 1 or not _out_of_memory(error):
                raise
            batch = (part.stop - part.start) // 2
            continue
        done = part.stop
        yield result


def cycled_labels(generator: Generator, count: int, labels: Sequence[int | str] | None) -> Tensor | None:
    """`count` class numbers: the given classes again and again, all classes if there are none given.

    Raises:
        ValueError: labels for a generator without classes, or a class that it does not have.
    """
    if labels is None and not generator.num_labels:
        return None
    chosen = class_numbers(generator, range(generator.num_labels) if labels is None else labels)
    return torch.tensor([chosen[index % len(chosen)] for index in range(count)], device=_device(generator))


def default_batch(generator: Generator) -> int:
    """Images at once that an ordinary machine can hold: 64, fewer for large ones, 2 of 1024x1024."""
    height, width = generator.resolution
    return max(1, min(_MOST_IMAGES, _MOST_PIXELS // (height * width)))


def _check(generator: Generator, noise: Noise) -> None:
    if generator.training:
        raise ValueError("the generator must be in evaluation mode; call generator.eval() first")
    if isinstance(noise, str) and noise not in NOISE_MODES:
        raise ValueError(f"noise must be one of {', '.join(NOISE_MODES)}, got {noise!r}")


def _check_truncation(generator: Generator, psi: float, cutoff: int | None) -> None:
    """Also where psi is 1, so that the network would not look at them."""
    if not math.isfinite(psi):
        raise ValueError(f"truncation_psi must be a finite number, got {psi}")
    if cutoff is not None and not 0 <= cutoff <= generator.num_ws:
        raise ValueError(f"truncation_cutoff must be in [0, {generator.num_ws}], got {cutoff}")


def _out_of_memory(error: BaseException) -> bool:
    """Whether it was memory; CPUs and Apple GPUs have no exception of their own for it."""
    text = str(error).lower()
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        sign in text for sign in ("out of memory", "can't allocate memory", "not enough memory")
    )


def _device(generator: Generator) -> torch.device:
    return generator.synthesis.input.const.device


def _dtype(generator: Generator) -> torch.dtype:
    return generator.synthesis.input.const.dtype
