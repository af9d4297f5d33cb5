"""Move and turn the images of alias-free generators by the transform of their input (arXiv:2106.12423, section 3.2).

Shifts are ``(x, y)`` in parts of the image's width and height, to the right and down; turns are in degrees,
counter-clockwise about the image's middle. An image turns first, then moves. What the network's `input_transform`
already does stays, and comes before.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import pi, radians, sin

import torch
from torch import Tensor

from .._checks import check_ints, check_number
from ..layers import motion
from ..models import StyleGenerator

_MAX_SHIFT, _MAX_TURN = 100.0, 36_000.0  # float32 knows positions there to a thousandth of a pixel


def image_motion(
    generator: StyleGenerator,
    *,
    shift: Sequence[float] = (0.0, 0.0),
    turn: float = 0.0,
    caller: str = "image_motion",
) -> Tensor:
    """The `transform` of an alias-free network that moves and turns its images (arXiv:2106.12423, section 3.2).

    Args:
        generator: an alias-free one.
        shift: ``(x, y)`` in parts of the image's width and height, to the right and down, each in [-100, 100].
        turn: in degrees, counter-clockwise, in [-36000, 36000].
        caller: named in errors.

    Returns:
        ``(3, 3)``, for the buffer ``input.transform`` of the synthesis network; repeated for each image, for
        :func:`synthesize`.

    Raises:
        ValueError: a generator whose images cannot be moved, or arguments out of range.

    Example:
        >>> from stylelayers import AliasFreeGenerator
        >>> from stylelayers.explore import image_motion
        >>> generator = AliasFreeGenerator(8, z_dim=4, w_dim=4, channel_base=16, num_layers=3, margin=1)
        >>> image_motion(generator, shift=(0.25, 0.0))[0].tolist()
        [1.0, 0.0, -0.25]
    """
    buffer = _checked_transform(generator, shift, turn, caller)
    return _composed(generator, buffer, shift, turn)


def motion_path(
    generator: StyleGenerator,
    frames: int,
    *,
    shift: Sequence[float] = (0.0, 0.0),
    turn: float = 0.0,
    loop: bool = False,
    caller: str = "motion_path",
) -> Tensor:
    """Transforms of a film in which the images move and turn.

    Args:
        generator, shift, turn, caller: as in :func:`image_motion`.
        frames: at least 1.
        loop: swing to `shift` and `turn`, through the middle to the opposite, and back; whole turns, such as 360, go on
            in one direction. Without it, images move steadily, and reach `shift` and `turn` in the last frame.

    Returns:
        ``(frames, 3, 3)``, for :func:`synthesize`.

    Raises:
        ValueError: as :func:`image_motion`, or no frames.

    Example:
        >>> from stylelayers import AliasFreeGenerator
        >>> from stylelayers.explore import motion_path
        >>> generator = AliasFreeGenerator(8, z_dim=4, w_dim=4, channel_base=16, num_layers=3, margin=1)
        >>> motion_path(generator, 3, shift=(1.0, 0.0))[:, 0, 2].tolist()
        [0.0, -0.5, -1.0]
    """
    buffer = _checked_transform(generator, shift, turn, caller)
    check_ints(caller, frames=frames)
    path = []
    for frame in range(frames):
        progress = frame / frames if loop else frame / max(frames - 1, 1)
        part = sin(2 * pi * progress) if loop else progress
        angle = turn * (progress if turn % 360 == 0 else part)
        path.append(_composed(generator, buffer, [part * each for each in shift], angle))
    return torch.stack(path)


@contextmanager
def moved(generator: StyleGenerator, *, shift: Sequence[float] = (0.0, 0.0), turn: float = 0.0) -> Iterator[None]:
    """Move and turn all images of a generator inside the block: whatever is computed, projected, exported or saved.

    Batches that are computed one by one, as by :func:`sample`, must be taken inside too.

    Args:
        generator, shift, turn: as in :func:`image_motion`.

    Returns:
        A context manager, which restores the generator at the end of the block.

    Raises:
        ValueError: as :func:`image_motion`.

    Example:
        >>> import torch
        >>> from stylelayers import AliasFreeGenerator
        >>> from stylelayers.explore import moved
        >>> generator = AliasFreeGenerator(8, z_dim=4, w_dim=4, channel_base=16, num_layers=3, margin=1).eval()
        >>> z = torch.randn(1, 4)
        >>> with moved(generator, shift=(0.5, 0.0), turn=30):
        ...     there = generator(z)
        >>> bool((generator(z) - there).abs().max() > 0)
        True
    """
    buffer = _checked_transform(generator, shift, turn, "moved")
    before = buffer.clone()
    with torch.no_grad():
        buffer.copy_(_composed(generator, buffer, shift, turn))
    try:
        yield
    finally:
        with torch.no_grad():
            buffer.copy_(before)


def can_move(generator: StyleGenerator) -> bool:
    """Whether the images of a generator can be moved and turned, as those of alias-free generators can.

    Args:
        generator: of any architecture.

    Returns:
        True for a generator that :func:`image_motion` and :func:`moved` take.

    Example:
        >>> from stylelayers import Generator
        >>> from stylelayers.explore import can_move
        >>> can_move(Generator(8, z_dim=4, w_dim=4, channel_base=16))
        False
    """
    return generator.synthesis.input_transform is not None


def _checked_transform(generator: StyleGenerator, shift: Sequence[float], turn: float, caller: str) -> Tensor:
    """The buffer that moves the images, if the arguments fit."""
    buffer = generator.synthesis.input_transform
    if buffer is None:
        raise ValueError(
            f"{caller}: images are moved and turned by the input of an alias-free generator (StyleGAN3), "
            f"got one of class {type(generator).__name__}, which has no such input"
        )
    if len(shift) != 2:
        raise ValueError(f"{caller}: shift must be (x, y), got {shift!r}")
    for each in shift:
        check_number(caller, least=-_MAX_SHIFT, most=_MAX_SHIFT, shift=each)
    check_number(caller, least=-_MAX_TURN, most=_MAX_TURN, turn=turn)
    return buffer


def _composed(generator: StyleGenerator, buffer: Tensor, shift: Sequence[float], turn: float) -> Tensor:
    """The motion of the buffer, then the given one; the unit of its matrix is the shorter side of the image."""
    height, width = generator.resolution
    unit = min(height, width)
    further = motion(shift[0] * width / unit, shift[1] * height / unit, radians(turn))
    return (buffer.double().cpu() @ further).to(buffer)
