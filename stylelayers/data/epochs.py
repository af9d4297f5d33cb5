"""The images of one epoch in random order: all of them, as many of each class, or in groups of one class."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def draw_all(length: int, count: int, generator: torch.Generator) -> Tensor:
    """The first `count` indices of passes over `length` images, each in random order."""
    return torch.cat([torch.randperm(length, generator=generator) for _ in range(-(-count // length))])[:count]


def draw_balanced(members: Sequence[Tensor], count: int, generator: torch.Generator) -> Tensor:
    """`count` indices with as many of each class, up to one, and all images of a class equally often, up to one.

    Args:
        members: indices of the images of each class.
        count: of the indices.
        generator: of the random numbers.
    """
    share = -(-count // len(members))
    rows = [each[draw_all(len(each), share, generator)] for each in members]
    drawn = torch.stack(rows, dim=1).flatten()[:count]
    return drawn[torch.randperm(count, generator=generator)]


def count_groups(members: Sequence[Tensor], size: int, *, balanced: bool) -> list[int]:
    """How many groups of `size` images an epoch has of each class: all its images, or as many of each class.

    Raises:
        ValueError: a class has fewer images than a group.
    """
    counts = [len(each) for each in members]
    if min(counts) < size:
        raise ValueError(
            f"ImageDataModule: images_per_class must be at most {min(counts)}, the images of the smallest class, since "
            f"a group with an image twice lacks variety, got {size}"
        )
    equal = math.ceil(sum(counts) / size / len(members))
    return [equal if balanced else math.ceil(each / size) for each in counts]


def draw_groups(
    members: Sequence[Tensor], groups: Sequence[int], size: int, count: int, generator: torch.Generator
) -> Tensor:
    """`count` indices in groups of `size` images of one class, one group after the other.

    The classes are spread evenly: the time of a class's n-th group is random in the n-th part of the epoch. What lies
    beyond an epoch's groups begins another pass.

    Args:
        members: indices of the images of each class.
        groups: of each class in an epoch.
        size: images per group; must divide `count`.
        count: of the indices.
        generator: of the random numbers.
    """
    passes = math.ceil(count / (sum(groups) * size))
    indices, times = [], []
    for each, share in zip(members, groups, strict=True):
        drawn = draw_all(len(each), passes * share * size, generator)
        indices.append(each[drawn].view(-1, size))
        places = torch.arange(passes * share) + torch.rand(passes * share, generator=generator)
        times.append(places / share)
    return torch.cat(indices)[torch.cat(times).argsort()].flatten()[:count]
