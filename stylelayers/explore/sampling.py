"""Images of seeds and of styles, in batches that fit into memory."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from .._checks import check_ints
from ..layers.noise import Noise
from ..models import StyleGenerator
from ..models.style_generator import check_noise_mode, device_and_dtype
from .conditions import Labels, label_tensor
from .latents import latents_of_seeds, source_of_seed

_MAX_IMAGES, _MAX_PIXELS = 64, 1 << 21  # of a batch


def sample(
    generator: StyleGenerator,
    seeds: Sequence[int],
    *,
    labels: Labels | None = None,
    truncation_psi: float = 1.0,
    truncation_cutoff: int | None = None,
    noise: str | None = None,
    batch: int | None = None,
) -> Iterator[Tensor]:
    """Images of seeds, in batches; the latent and noise of a seed do not depend on the batch.

    Args:
        generator: in evaluation mode.
        seeds: one per image, in [0, 2**63); a seed determines the latent and, with ``noise="random"``, the noise.
        labels: numbers or names of classes, or label vectors, repeated along the seeds, see :func:`label_tensor`; None
            for all classes in turn, and an error for a generator of label vectors.
        truncation_psi, truncation_cutoff: as in :class:`stylelayers.MappingNetwork`.
        noise: ``"random"``, ``"const"`` or ``"none"``; None for ``"const"`` if the generator has noise inputs.
        batch: images per batch, None to suit a small machine; halved when memory runs out.

    Shape:
        batches of ``(n, image_channels, height, width)`` on the generator's device, in [-1, 1] once trained.

    Raises:
        ValueError: arguments that do not fit the generator.

    Example:
        >>> from stylelayers import Generator
        >>> from stylelayers.explore import sample
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16).eval()
        >>> [tuple(images.shape) for images in sample(generator, range(3), truncation_psi=0.7, batch=2)]
        [(2, 3, 8, 8), (1, 3, 8, 8)]
    """
    noise = _checked_noise("sample", generator, noise, batch)
    _check_truncation("sample", generator, truncation_psi, truncation_cutoff)
    classes = cycled_labels("sample", generator, len(seeds), labels)

    def images(part: slice) -> Tensor:
        sources = [source_of_seed("sample", seed) for seed in seeds[part]]
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
    generator: StyleGenerator,
    seeds: Sequence[int],
    *,
    labels: Labels | None = None,
    truncation_psi: float = 1.0,
    truncation_cutoff: int | None = None,
) -> Tensor:
    """The styles of seeds.

    Args:
        generator: in evaluation mode.
        seeds, labels, truncation_psi, truncation_cutoff: as in :func:`sample`.

    Returns:
        ``(len(seeds), num_ws, w_dim)`` on the generator's device.

    Raises:
        ValueError: arguments that do not fit the generator.

    Example:
        >>> from stylelayers import Generator
        >>> from stylelayers.explore import styles_of_seeds
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16).eval()
        >>> styles_of_seeds(generator, [0, 1]).shape
        torch.Size([2, 4, 4])
    """
    check_eval_mode("styles_of_seeds", generator)
    _check_truncation("styles_of_seeds", generator, truncation_psi, truncation_cutoff)
    with torch.no_grad():
        ws: Tensor = generator.mapping(
            latents_of_seeds(seeds, generator.z_dim, device=_device(generator)).to(_dtype(generator)),
            cycled_labels("styles_of_seeds", generator, len(seeds), labels),
            truncation_psi=truncation_psi,
            truncation_cutoff=truncation_cutoff,
        )
    return ws


def synthesize(
    generator: StyleGenerator,
    ws: Tensor,
    *,
    noise: Noise | None = None,
    batch: int | None = None,
    transform: Tensor | None = None,
) -> Iterator[Tensor]:
    """Images of styles, in batches as in :func:`sample`.

    Args:
        generator: in evaluation mode.
        ws: styles ``(N, num_ws, w_dim)``.
        noise: a mode as in :func:`sample`, or one CPU generator per image.
        batch: images per batch, as in :func:`sample`.
        transform: ``(N, 3, 3)``, which moves and turns each image, see :func:`motion_path`; for
            alias-free generators.

    Shape:
        batches of ``(n, image_channels, height, width)`` on the generator's device, in [-1, 1] once trained.

    Raises:
        ValueError: arguments that do not fit the generator.

    Example:
        >>> import torch
        >>> from stylelayers import Generator
        >>> from stylelayers.explore import synthesize
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16).eval()
        >>> [tuple(images.shape) for images in synthesize(generator, torch.randn(2, generator.num_ws, 4))]
        [(2, 3, 8, 8)]
    """
    modes = _checked_noise("synthesize", generator, noise, batch)
    if transform is not None and (generator.synthesis.input_transform is None or transform.shape != (len(ws), 3, 3)):
        expected = f"({len(ws)}, 3, 3), for an alias-free generator"
        raise ValueError(f"synthesize: transform must be {expected}, got {tuple(transform.shape)}")

    def images(part: slice) -> Tensor:
        motion = {} if transform is None else {"transform": transform[part]}
        return generator.synthesis(ws[part], noise=modes if isinstance(modes, str) else modes[part], **motion)

    return in_batches(images, len(ws), batch or default_batch(generator))


def in_batches(function: Callable[[slice], Tensor], count: int, batch: int) -> Iterator[Tensor]:
    """Results of ``function(part)`` for successive slices of ``range(count)``, without gradients.

    A slice that runs out of memory is halved and computed again, and later slices are no longer than that.

    Raises:
        RuntimeError: out of memory for a single item.
    """
    done = 0
    while done < count:
        part = slice(done, min(done + batch, count))
        try:
            with torch.no_grad():
                result = function(part)
        except (RuntimeError, MemoryError) as error:
            if part.stop - part.start == 1 or not _is_out_of_memory(error):
                raise
            batch = (part.stop - part.start) // 2
            continue
        done = part.stop
        yield result


def cycled_labels(caller: str, generator: StyleGenerator, count: int, labels: Labels | None) -> Tensor | None:
    """`count` class numbers or label vectors that repeat the given ones, or all classes; None without labels.

    Raises:
        ValueError: labels for a generator without, or that do not fit, or no vectors for a generator of them.
    """
    if labels is None and not generator.num_labels:
        return None
    chosen = label_tensor(generator, labels, caller=caller)
    return chosen[torch.arange(count) % len(chosen)].to(_device(generator))


def default_batch(generator: StyleGenerator) -> int:
    """Images per batch that fit into a small machine: 64, fewer of large ones, 2 of 1024x1024."""
    height, width = generator.resolution
    return max(1, min(_MAX_IMAGES, _MAX_PIXELS // (height * width)))


def check_eval_mode(caller: str, generator: StyleGenerator) -> None:
    """Raise a ValueError for a generator in training mode."""
    if generator.training:
        raise ValueError(f"{caller}: generator must be in evaluation mode; call generator.eval() first")


def _checked_noise(caller: str, generator: StyleGenerator, noise: Noise | None, batch: int | None) -> Any:
    """Check the inputs, and return the noise to generate with."""
    check_eval_mode(caller, generator)
    if batch is not None:
        check_ints(caller, batch=batch)
    if noise is None:
        return generator.synthesis.fixed_noise
    if isinstance(noise, str):
        check_noise_mode(caller, generator.synthesis.noise_modes, noise)
    return noise


def _check_truncation(caller: str, generator: StyleGenerator, psi: float, cutoff: int | None) -> None:
    """Check truncation also for psi = 1, where the network ignores it."""
    if not math.isfinite(psi):
        raise ValueError(f"{caller}: truncation_psi must be a finite number, got {psi}")
    if cutoff is not None and not 0 <= cutoff <= generator.num_ws:
        raise ValueError(f"{caller}: truncation_cutoff must be in [0, {generator.num_ws}], got {cutoff}")


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; on CPUs and Apple GPUs only the message says so."""
    text = str(error).lower()
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        phrase in text for phrase in ("out of memory", "can't allocate memory", "not enough memory")
    )


def _device(generator: StyleGenerator) -> torch.device:
    return device_and_dtype(generator)[0]


def _dtype(generator: StyleGenerator) -> torch.dtype:
    return device_and_dtype(generator)[1]
