"""What networks take besides tensors, because its meaning is plain, and what they refuse by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stylelayers import Discriminator, Generator, MappingNetwork, SynthesisNetwork
from tests.conftest import assert_same

TINY: dict[str, Any] = {"image_channels": 1, "channel_base": 32}
NETWORKS: dict[str, tuple[Callable[..., nn.Module], tuple[int, ...]]] = {
    "MappingNetwork: z": (lambda **k: MappingNetwork(3, 4, 2, num_layers=1, **k), (3,)),
    "MappingNetwork: z of a Generator": (
        lambda **k: Generator(8, **TINY, z_dim=3, w_dim=4, mapping_layers=1, **k),
        (3,),
    ),
    "SynthesisNetwork: ws": (lambda **k: SynthesisNetwork(4, 8, **TINY, **k), (4, 4)),
    "Discriminator: images": (lambda **k: Discriminator(8, **TINY, mbstd_group_size=1, **k), (1, 8, 8)),
}


def quiet(network: nn.Module, *inputs: Any) -> Tensor:
    options = {"noise": "const"} if isinstance(network, (Generator, SynthesisNetwork)) else {}
    result: Tensor = network.eval()(*inputs, **options)
    return result


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NETWORKS)
def test_arrays_and_lists_are_cast_to_the_network_dtype(name: str, dtype: torch.dtype) -> None:
    make, shape = NETWORKS[name]
    network, x = make(dtype=dtype), torch.randn(2, *shape)
    expected = quiet(network, x.to(dtype))
    for given in (x.numpy(), x.numpy().astype(np.float64), x.tolist()):
        actual = quiet(network, given)
        assert actual.dtype == expected.dtype
        assert_same(actual, expected, 1e-6)


WRONG: dict[str, tuple[Callable[[tuple[int, ...]], Any], str]] = {
    "bytes": (lambda shape: torch.zeros(2, *shape, dtype=torch.uint8), r"must be floating-point, got torch\.uint8"),
    "an array of bytes": (lambda shape: np.zeros((2, *shape), np.uint8), r"must be floating-point, got torch\.uint8"),
    "integers": (lambda shape: torch.zeros(2, *shape, dtype=torch.long), r"must be floating-point, got torch\.int64$"),
    "no batch": (lambda shape: torch.zeros(shape), r"must be \(N, .*, got \("),
    "another size": (lambda shape: torch.zeros(2, *shape[:-1], shape[-1] + 1), r"must be \(N, .*, got \(2, "),
    "text": (lambda shape: "seed 3", r"must be a tensor \(N, .*, got str"),
    "a ragged list": (lambda shape: [[1.0], [1.0, 2.0]], r"must be a tensor \(N, .*, got list"),
    "nothing": (lambda shape: None, r"must be .*, got None"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", NETWORKS)
def test_other_inputs_are_refused_by_name(name: str, wrong: str) -> None:
    make, shape = NETWORKS[name]
    given, message = WRONG[wrong]
    with pytest.raises(ValueError, match=f"^{name.removesuffix(' of a Generator')} {message}"):
        quiet(make(), given(shape))


def test_byte_images_raise_with_the_scaling_to_use() -> None:
    with pytest.raises(ValueError, match=r"images / 127\.5 - 1 takes \[0, 255\] to \[-1, 1\]"):
        Discriminator(8, **TINY)(torch.zeros(4, 1, 8, 8, dtype=torch.uint8))


LABELS: dict[str, Any] = {
    "list": [1, 1, 1],
    "tuple": (1, 1, 1),
    "array": np.array([1, 1, 1]),
    "int": 1,
    "rows": [[0, 1], [0, 1], [0, 1]],
    "array of rows": np.array([[0.0, 1.0]] * 3),
    "int32": torch.ones(3, dtype=torch.int32),
}


def labelled() -> dict[str, tuple[nn.Module, Tensor]]:
    generator = Generator(8, **TINY, z_dim=3, w_dim=4, mapping_layers=1, num_labels=2)
    critic = Discriminator(8, **TINY, num_labels=2, label_layers=1)
    return {
        "MappingNetwork": (generator.mapping, torch.randn(3, 3)),
        "MappingNetwork of a Generator": (generator, torch.randn(3, 3)),
        "Discriminator": (critic, torch.randn(3, 1, 8, 8)),
    }


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("name", labelled())
def test_labels_may_be_numbers_and_lists(name: str, kind: str) -> None:
    network, x = labelled()[name]
    assert_same(quiet(network, x, LABELS[kind]), quiet(network, x, torch.tensor([1, 1, 1])), 0.0)


WRONG_LABELS: dict[str, tuple[Any, str]] = {
    "too few": ([1, 1], "one for each of 3 samples, got 2"),
    "one in a list": ([1], "one for each of 3 samples, got 1"),
    "out of range": (2, r"class numbers in \[0, 2\), got 2"),
    "negative": ([0, -1, 0], r"class numbers in \[0, 2\), got -1"),
    "fractions": ([0.5, 1.0, 0.0], "integer class numbers, got torch.float32"),
    "names": (["cat", "dog", "cat"], r"a tensor \(N,\) class numbers .*, got list"),
    "a name": ("cat", r"a tensor \(N,\) class numbers .*, got str"),
    "rows of three": (torch.zeros(3, 3), r"\(N,\) class numbers or \(N, 2\), got \(3, 3\)"),
    "a scalar": (torch.tensor(1), r"\(N,\) class numbers or \(N, 2\), got \(\)"),
    "nothing": (None, r"\(N,\) class numbers or \(N, 2\), got None"),
    "a bool": (True, r"\(N,\) class numbers or \(N, 2\), got \(\)"),
}


@pytest.mark.parametrize("kind", WRONG_LABELS)
@pytest.mark.parametrize("name", labelled())
def test_other_labels_are_refused_by_name(name: str, kind: str) -> None:
    network, x = labelled()[name]
    given, message = WRONG_LABELS[kind]
    with pytest.raises(ValueError, match=rf"^\w+: labels (of shape \(N,\) )?must be {message}"):
        quiet(network, x, given)
