"""The scripts in `examples/` and the page that walks through them: they run, and show what they say."""

from __future__ import annotations

import importlib.util
import io
import re
import tarfile
import xml.etree.ElementTree as ET
from math import exp, isfinite
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from stylelayers.data import image_folder
from stylelayers.functional import activation_names

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "double_backward.md"
PAGES = (PAGE, ROOT / "docs" / "augmentation.md", ROOT / "docs" / "alias_free.md", ROOT / "docs" / "emoji_faces.md")
NAMES = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))


def load(name: str) -> Any:
    """The script as a module, under a name that nothing else has."""
    spec = importlib.util.spec_from_file_location(f"stylelayers_example_{name}", ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_picture(path: Path) -> None:
    """A picture of a sensible size that is not blank; an SVG that can be parsed and has paths."""
    if path.suffix == ".svg":
        assert len(list(ET.parse(path).iter("{http://www.w3.org/2000/svg}path"))) > 5
        return
    with Image.open(path) as image:
        assert min(image.size) > 200
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 50


def test_custom_functions(tmp_path: Path) -> None:
    results = load("custom_functions").main(tmp_path)
    checks = {"gradcheck": True, "gradgradcheck": True}
    assert results["checks"] == {
        "linear, with bias": {**checks, "check_double_backward": True},
        "linear, without": {**checks, "check_double_backward": True},
        "multiply, one tensor": {**checks, "check_double_backward": True},
        "multiply, two tensors": checks,
    }
    assert results["frozen"] == (True, False, True)
    assert results["unused"] == (True, False)
    assert "linear, with bias" in (tmp_path / "custom_functions.txt").read_text()


@pytest.mark.parametrize(("lowered", "tolerance"), [(False, 1e-5), (True, 0.1)])
def test_custom_linear_is_torchs_also_with_backward_outside_autocast(lowered: bool, tolerance: float) -> None:
    example = load("custom_functions")
    x, weight, bias = (torch.randn(*shape, requires_grad=True) for shape in ((4, 3), (2, 3), (2,)))
    for inputs in ((x, weight), (x, weight, bias)):
        gradients = []
        for linear in (example.linear, torch.nn.functional.linear):
            with torch.autocast("cpu", torch.bfloat16, enabled=lowered):
                y = linear(*inputs)
            first = torch.autograd.grad(y.float().tanh().sum(), inputs, create_graph=True)
            second = torch.autograd.grad(torch.cat([g.flatten() for g in first]).square().sum(), inputs)
            gradients.append((*first, *second))
        for ours, theirs in zip(*gradients, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def test_silent_mistakes(tmp_path: Path) -> None:
    example = load("silent_mistakes")
    results = example.main(tmp_path)
    assert list(results) == ["Right", *(mistake.__name__ for mistake in example.MISTAKES)]
    assert [name for name, row in results.items() if not row["gradcheck"]] == []
    errors = {name: row["error of the penalty's gradient"] for name, row in results.items()}
    assert errors["Right"] == errors["OutputOnContext"] == 0
    assert min(error for name, error in errors.items() if name not in ("Right", "OutputOnContext")) > 0.5
    assert [name for name, row in results.items() if row["keeps its memory"]] == ["OutputOnContext"]
    for name, words in {
        "Right": "nothing wrong",
        "SavedIntermediate": "wrong second order",
        "BackwardWithoutGraph": "missing graph: the gradient of input 0",
        "DetachedBias": "missing graph: the gradient of input 1",
    }.items():
        assert words in results[name]["check_double_backward"]


def test_handwritten_activations(tmp_path: Path) -> None:
    example = load("handwritten_activations")
    results = example.main(tmp_path)
    for (name, dtype), errors in results["last digits"].items():
        assert len(errors) == 3
        if "textbook" in name and dtype == torch.float32:
            assert not any(isfinite(error) for error in errors), name
        else:
            assert max(errors) < 6, (name, dtype)
    ours, theirs = results["curves"]["by hand"], results["curves"]["torch's"]
    assert ours == pytest.approx(theirs, rel=1e-9)
    assert ours[-1] < 0.5 < 1 < ours[0]
    assert_picture(tmp_path / "handwritten_activations.png")
    x = torch.tensor([-50.0], dtype=torch.float64)
    value, first, second = (float(tensor) for tensor in example.derivatives(example.Softplus.apply, x))
    assert (value, first, second) == pytest.approx((exp(-50),) * 3, rel=1e-12, abs=0)


def test_activation_figures(tmp_path: Path) -> None:
    example = load("activation_figures")
    drawn = ("linear", "swish")  # of each kind one: drawing takes a second
    assert max(example.main(tmp_path, drawn).values()) < 1e-14
    stems = ["fir_responses", *(f"activation_{name}" for name in drawn)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{s}.{e}" for s in stems for e in ("png", "svg"))
    for path in tmp_path.iterdir():
        assert_picture(path)


def test_activations_are_torchs() -> None:
    example = load("activation_figures")
    assert set(example.TORCH) <= set(activation_names())  # other tests may have registered more
    assert len(example.TORCH) == 9
    assert {
        name: difference for name in example.TORCH if (difference := example.activation_figure(name)[1]) > 1e-14
    } == {}


def test_activation_figure_shows_a_fault_and_draws_what_torch_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    example = load("activation_figures")
    monkeypatch.setitem(example.TORCH, "elu", torch.nn.functional.silu)
    figure, difference = example.activation_figure("elu")
    assert difference > 0.1
    assert [len(axes.lines) for axes in figure.axes] == [2, 2, 2]
    monkeypatch.delitem(example.TORCH, "elu")
    figure, difference = example.activation_figure("elu")
    assert difference == 0
    assert [len(axes.lines) for axes in figure.axes] == [1, 1, 1]


def test_frequency_responses_are_the_closed_forms() -> None:
    example = load("activation_figures")
    for taps, power in (((1, 1), 1), ((1, 2, 1), 2), ((1, 3, 3, 1), 3), ((1, 4, 6, 4, 1), 4)):
        frequency, response = example.frequency_response(taps)
        torch.testing.assert_close(response, torch.cos(torch.pi * frequency) ** power, rtol=0, atol=1e-12)
    frequency, response = example.frequency_response((1, 1, 1, 1))
    box = torch.cos(torch.pi * frequency) * torch.cos(2 * torch.pi * frequency)
    torch.testing.assert_close(response, box.abs(), rtol=0, atol=1e-12)


def test_autograd_graph(tmp_path: Path) -> None:
    example = load("autograd_graph")
    sizes = example.main(tmp_path)
    taps, image, padded = 4 * 3 * 3, 4 * 2 * 8 * 16 * 16, 4 * 2 * 8 * 18 * 18
    assert sizes == {
        "blur2d, loss": 0,
        "blur2d, penalty": 0,
        "pad + conv2d, loss": taps + padded,
        "pad + conv2d, penalty": taps + padded + image,
    }
    for suffix in ("png", "svg"):
        assert_picture(tmp_path / f"autograd_graph.{suffix}")


def test_walk_finds_every_node_once_and_below_all_that_use_it() -> None:
    example = load("autograd_graph")
    x = torch.randn(1, 1, 8, 8, requires_grad=True)
    y = x.exp().sin()
    for result in (y + y.cos().exp(), y.cos().exp() + y, y * x):
        graph = example.walk(result)
        assert len(set(graph.edges)) == len(graph.edges)
        assert list(graph.names.values()).count("x") == 1
        assert all(graph.layers[start] < graph.layers[end] for start, end in graph.edges)
    loss, penalty = example.loss_and_penalty(example.our_blur, x)
    for result, filters in ((loss, 1), (penalty, 2)):
        graph = example.walk(result)
        names = list(graph.names.values())
        assert (names.count("UpFirDn2d"), names.count("x")) == (filters, 1)
        assert all(graph.layers[start] < graph.layers[end] for start, end in graph.edges)
        assert len(graph.edges) == len(names) - 1


def test_path_length_on_your_generator(tmp_path: Path) -> None:
    runs = load("path_length_on_your_generator").main(tmp_path)
    without, penalised = runs["without the penalty"], runs["with the penalty"]
    assert without[0][0] == penalised[0][0]  # the same start
    start, plain, shrunk = without[0][0][1], without[0][-1][1], penalised[0][-1][1]
    assert shrunk < 0.85 * plain
    assert shrunk < 0.7 * start
    assert 0.35 < penalised[1] < 0.6  # not by way of images that hardly change
    assert_picture(tmp_path / "path_length.png")


@pytest.mark.parametrize("name", NAMES)
def test_every_script_has_its_command_a_test_and_a_place_on_the_page(name: str) -> None:
    source = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8")
    assert f"    python examples/{name}.py --output " in source
    assert len(source.splitlines()) < 175
    assert f"def test_{name}(" in Path(__file__).read_text(encoding="utf-8")
    assert any(
        f"python examples/{name}.py" in page and f"](../examples/{name}.py)" in page
        for page in (path.read_text(encoding="utf-8") for path in PAGES)
    )


def test_augmentations(tmp_path: Path) -> None:
    changes = load("augmentations").main(tmp_path)
    assert changes.pop("nothing") == 0
    assert min(changes.values()) > 0.01
    assert changes["ADA, p = 0.2"] < changes["ADA, p = 0.8"]
    assert_picture(tmp_path / "augmentations.png")


def write_emoji(path: Path, names: list[str]) -> Path:
    """A package as npm writes it, of pictures that are transparent but for a black right margin."""
    picture = Image.new("RGBA", (256, 256))
    picture.paste("black", (200, 0, 256, 256))
    picture.save(content := io.BytesIO(), "WEBP", lossless=True)
    with tarfile.open(path, "w:gz") as archive:
        for name in ("package/README.md", *(f"package/assets/{name}.webp" for name in names)):
            member = tarfile.TarInfo(name)
            member.size = len(content.getvalue())
            archive.addfile(member, io.BytesIO(content.getvalue()))
    return path


def test_emoji_faces(tmp_path: Path) -> None:
    others = ["1f680", "1f469-200d-1f91d-200d-1f468", "1f9d1-1f3fb-200d-1f9bd", "logo"]
    faces = {
        "1f469-1f3fd-200d-1f680": "medium",
        "1f9d1": "yellow",
        "1f385-1f3ff": "dark",
        "1f46e-200d-2640-fe0f": "yellow",
    }
    example, package = load("emoji_faces"), write_emoji(tmp_path / "package.tgz", [*faces, *others])
    assert example.main(package, tmp_path / "emoji", size=8) == {"medium": 1, "yellow": 2, "dark": 1}
    written = {path.stem: path for path in (tmp_path / "emoji").rglob("*.png")}
    assert {name: path.parent.name for name, path in written.items()} == faces
    darkest = {name: Image.open(path).convert("L").getextrema()[0] for name, path in written.items()}
    assert darkest["1f9d1"] == darkest["1f385-1f3ff"] == 0  # a face, as it is
    assert darkest["1f469-1f3fd-200d-1f680"] == darkest["1f46e-200d-2640-fe0f"] == 255  # cut out, on white
    data = image_folder(tmp_path / "emoji", resolution=8, labels="classes")
    assert data.class_names == ("dark", "medium", "yellow")
    with pytest.raises(ValueError, match="emoji_faces: package must hold WebP files named after code points, got"):
        example.main(write_emoji(tmp_path / "other.tgz", others), tmp_path / "none")


def test_alias_free(tmp_path: Path) -> None:
    example = load("alias_free")
    exactness = example.main(tmp_path)
    assert exactness["filtered"] > 75 > 70 > exactness["plain"]
    names = ("filters", "spectrum", "plan", "film")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"alias_{name}.png" for name in names)
    for path in tmp_path.iterdir():
        assert_picture(path)
    aliases = []
    for is_filtered in (False, True):
        frequencies, decibels = example.spectrum(is_filtered=is_filtered)
        harmonics = torch.tensor([0.0, 1, 2, 4]) * example.TONE
        is_alias = (frequencies[:, None] - harmonics).abs().amin(1) > 0.004
        aliases.append(float(decibels[is_alias].max()))
    assert aliases == pytest.approx([-31.8, -50.2], abs=0.1)


def test_the_pages_pictures_are_shown_and_small() -> None:
    local = [
        (page.parent / link).resolve()
        for page in PAGES
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
        if "://" not in link
    ]
    figures = {path.resolve() for path in (ROOT / "docs" / "figures").iterdir()}
    assert figures <= set(local)
    for path in figures:
        assert path.stat().st_size < 100_000
        assert_picture(path)
