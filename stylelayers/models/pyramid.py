"""Resolutions and channel counts of the levels of a network."""

from dataclasses import dataclass

from .._checks import check_resolution

_SMALLEST, _LARGEST_BASE = 4, 15


@dataclass(frozen=True)
class Pyramid:
    """Resolutions from a small base to the image, each twice the one before.

    Attributes:
        base: ``(height, width)`` of the first level; the smaller side is 4 to 15 pixels.
        doublings: levels above the first, at least 1.
    """

    base: tuple[int, int]
    doublings: int

    @staticmethod
    def for_resolution(caller: str, resolution: int | tuple[int, int]) -> "Pyramid":
        """The pyramid whose last level is `resolution`, with as many doublings as possible."""
        height, width = check_resolution(caller, resolution)
        doublings = 0
        while height % 2 == width % 2 == 0 and min(height, width) >= 2 * _SMALLEST:
            height, width, doublings = height // 2, width // 2, doublings + 1
        if doublings == 0 or min(height, width) > _LARGEST_BASE:
            raise ValueError(
                f"{caller}: resolution must be a power of two times a base whose smaller side has {_SMALLEST} to "
                f"{_LARGEST_BASE} pixels, such as 32, 48, 256 or (32, 48); got {resolution!r}"
            )
        return Pyramid((height, width), doublings)

    @property
    def levels(self) -> list[tuple[int, int]]:
        """``(height, width)`` of every level, smallest first."""
        height, width = self.base
        return [(height << level, width << level) for level in range(self.doublings + 1)]

    def channels(self, channel_base: int, channel_max: int) -> list[int]:
        """Feature channels of every level: ``channel_base / (4 * 2**level)``, between 1 and `channel_max`."""
        return [max(1, min(channel_base // (4 << level), channel_max)) for level in range(self.doublings + 1)]
