"""Directions: eigenvectors of the stacked affine maps, by what they do to styles, and their file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stylelayers import Generator
from stylelayers.checkpoints import save_generator
from stylelayers.explore import factorize, load_directions, save_directions, strips, styles_of_seeds
from stylelayers.layers import ModulatedConv2d
from tests.conftest import assert_same, randn
from tests.explore.tiny import tiny_generator


def styles(generator: Generator, ws: torch.Tensor) -> list[torch.Tensor]:
    """The style of every modulated convolution for styles ``(num_ws, w_dim)``, as the network computes them."""
    seen: list[torch.Tensor] = []
    hooks = [
        module.register_forward_pre_hook(lambda layer, inputs: seen.append(layer.style(inputs[1])[0]))
        for module in generator.modules()
        if isinstance(module, ModulatedConv2d)
    ]
    generator.synthesis(ws[None], noise="none")
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("architecture", ["skip", "resnet"])
@pytest.mark.parametrize("layers", [None, [0], [1, 2], [3]], ids=str)
def test_strengths_are_the_squared_changes_of_all_styles(architecture: str, layers: list[int] | None) -> None:
    """A step along a direction, in the layers that it was found for, moves the styles by the root of its strength."""
    generator = tiny_generator(architecture=architecture, dtype=torch.float64)
    found = factorize(generator, layers=layers)
    ws = styles_of_seeds(generator, [1])[0]
    moved = strips(ws, found, torch.tensor([0.0, 1.0]))
    before = styles(generator, ws)
    for steps, strength in zip(moved, found.strengths, strict=True):
        assert_same(steps[0], ws)
        changes = [after - each for after, each in zip(styles(generator, steps[1]), before, strict=True)]
        squared = sum(change.square().sum() for change in changes)
        torch.testing.assert_close(squared, strength.double(), rtol=1e-5, atol=1e-6)


def test_directions_are_orthonormal_strongest_first_and_of_one_sign() -> None:
    found = factorize(tiny_generator())
    torch.testing.assert_close(found.vectors @ found.vectors.mT, torch.eye(5), atol=1e-6, rtol=0.0)
    assert found.strengths.tolist() == sorted(found.strengths.tolist(), reverse=True)
    assert (found.vectors.gather(1, found.vectors.abs().argmax(1, keepdim=True)) > 0).all()
    assert torch.equal(factorize(tiny_generator(), count=2).vectors, found.vectors[:2])


def test_no_unit_step_changes_styles_more_than_the_first() -> None:
    generator = tiny_generator()
    stacked = torch.cat(
        [each.weight.detach() * each.scale for layer in generator.synthesis.affine_maps() for each in layer]
    )
    steps = torch.nn.functional.normalize(torch.randn(500, 5), dim=1)
    strongest = float(factorize(generator).strengths[0])
    assert 0.5 * strongest < float((steps @ stacked.mT).square().sum(1).max()) <= strongest * 1.0001


def test_strips_move_only_their_layers() -> None:
    found = factorize(tiny_generator(), layers=[1], count=3)
    ws = randn(4, 5)
    moved = strips(ws, found, torch.tensor([-2.0, 3.0]))
    assert moved.shape == (3, 2, 4, 5)
    assert_same(moved[:, :, [0, 2, 3]], ws[[0, 2, 3]].expand(3, 2, 3, 5))
    assert_same(moved[1, 1, 1], ws[1] + 3 * found.vectors[1].double())


def test_the_file_holds_all(tmp_path: Path) -> None:
    found = factorize(tiny_generator(), layers=[1, 3], count=2)
    read = load_directions(save_directions(found, tmp_path / "new" / "directions.safetensors"))
    assert torch.equal(read.vectors, found.vectors)
    assert torch.equal(read.strengths, found.strengths)
    assert read.layers == [1, 3]


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must be of format stylelayers\.directions, version 1"):
        load_directions(save_generator(tiny_generator(), tmp_path / "generator.safetensors"))
    (tmp_path / "x").write_text("no tensors")
    with pytest.raises(ValueError, match="is not a readable file of directions"):
        load_directions(tmp_path / "x")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": [4]}, r"factorize: layers must be in \[0, 4\), at least one, got \[4\]"),
        ({"layers": []}, r"layers must be in \[0, 4\), at least one, got \[\]"),
        ({"count": 0}, r"factorize: count must be in \[1, 5\], got 0"),
        ({"count": 6}, r"count must be in \[1, 5\], got 6"),
    ],
    ids=str,
)
def test_wrong_arguments(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        factorize(tiny_generator(), **options)  # type: ignore[arg-type]
