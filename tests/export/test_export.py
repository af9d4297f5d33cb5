"""Exported files: what they compute where this package cannot be imported, what is in them, what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from stylelayers import Generator
from stylelayers.explore import moved
from stylelayers.export import Exported, export_onnx, export_program, tracing
from tests.conftest import assert_same
from tests.explore.tiny import tiny_alias_free

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

SMALL: dict[str, Any] = {"z_dim": 4, "w_dim": 5, "channel_base": 32, "mapping_layers": 2}
EXPORTS = {"onnx": export_onnx, "pt2": export_program}
VARIANTS: dict[str, tuple[dict[str, Any], str]] = {
    "skip": ({"resolution": 8}, "none"),
    "labels": ({"resolution": (8, 12), "num_labels": 3, "padding_mode": "reflect", "normalize_style": True}, "const"),
    "resnet": ({"resolution": 8, "architecture": "resnet", "clamp": 2.0, "w_mean_decay": None}, "const"),
}
FOREIGN_PROCESS = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "stylelayers":
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
import numpy as np
inputs = dict(np.load(sys.argv[2]))
if sys.argv[1].endswith(".onnx"):
    import onnxruntime
    images = onnxruntime.InferenceSession(sys.argv[1]).run(["images"], inputs)[0]
else:
    import torch
    network = torch.export.load(sys.argv[1]).module()
    images = network(**{name: torch.from_numpy(value) for name, value in inputs.items()}).numpy()
assert "stylelayers" not in sys.modules
np.save(sys.argv[3], images)
"""


class Case(NamedTuple):
    generator: Generator
    noise: str
    files: dict[str, Exported]


def make(**options: Any) -> Generator:
    generator = Generator(**{**SMALL, **options}).eval()
    with torch.no_grad():
        for tensor in generator.state_dict().values():
            tensor.add_(torch.randn_like(tensor), alpha=0.3)
    return generator


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow if name == "resnet" else ()) for name in VARIANTS],
)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    torch.manual_seed(0)
    (options, noise), folder = VARIANTS[request.param], tmp_path_factory.mktemp(request.param)
    generator = make(**options)
    files = {kind: export(generator, folder / f"g.{kind}", noise=noise) for kind, export in EXPORTS.items()}
    return Case(generator, noise, files)


def in_another_process(path: Path, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """The images that a file makes in a process which cannot import this package."""
    np.savez(path.with_suffix(".npz"), **{name: value.numpy() for name, value in inputs.items()})  # type: ignore[arg-type]
    arguments = [str(path), str(path.with_suffix(".npz")), str(path.with_suffix(".npy"))]
    done = subprocess.run(
        [sys.executable, "-c", FOREIGN_PROCESS, *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=path.parent,
    )
    assert done.returncode == 0, done.stderr
    return torch.from_numpy(np.load(path.with_suffix(".npy")))


@pytest.mark.parametrize("kind", EXPORTS)
def test_exported_files_run_without_this_package(case: Case, kind: str) -> None:
    generator = case.generator
    for batch, psi in ((1, 0.3), (7, 1.5)):
        inputs = {"z": torch.randn(batch, 4)}
        if generator.w_mean_decay is not None:
            inputs["truncation_psi"] = torch.tensor(psi)
        if generator.num_labels:
            inputs["labels"] = torch.arange(batch) % 3
        assert case.files[kind].inputs == tuple(inputs)
        truncation = {"truncation_psi": psi} if "truncation_psi" in inputs else {}
        with torch.no_grad():
            expected = generator(inputs["z"], inputs.get("labels"), noise=case.noise, **truncation)
        assert_same(in_another_process(case.files[kind].path, inputs), expected, 1e-4)


def test_reported_difference_is_small(case: Case) -> None:
    assert all(0 <= file.difference < 1e-4 for file in case.files.values())


def test_onnx_convolutions_share_weights(case: Case) -> None:
    graph = onnx.load(case.files["onnx"].path).graph
    constants = {tensor.name for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type in ("Conv", "ConvTranspose")]
    assert len(convolutions) >= 4
    assert all(node.input[1] in constants for node in convolutions)  # no weights of a sample
    (first, *rest) = graph.output[0].type.tensor_type.shape.dim
    assert first.dim_param and [size.dim_value for size in rest] == [3, *case.generator.resolution]


def test_files_contain_no_local_paths(case: Case) -> None:
    for file in case.files.values():
        data = file.path.read_bytes()
        assert all(place.encode() not in data for place in (str(Path(__file__).parents[2]), sys.prefix + "/lib"))


@pytest.mark.parametrize("kind", EXPORTS)
def test_half_precision_images_are_close(tmp_path: Path, kind: str) -> None:
    generator = make(resolution=8)
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    done = EXPORTS[kind](generator.train(), tmp_path / f"g.{kind}", half=True)
    assert generator.training and all(torch.equal(t, before[name]) for name, t in generator.state_dict().items())
    z = torch.randn(7, 4)
    images = in_another_process(done.path, {"z": z, "truncation_psi": torch.tensor(0.5)})
    with torch.no_grad():
        expected = generator.eval()(z, noise="const", truncation_psi=0.5)
    assert images.dtype == torch.float32
    assert 1e-5 < float((images - expected).abs().max()) < 0.03 * max(1, float(expected.abs().max()))
    if kind == "onnx":
        kernels = [tensor for tensor in onnx.load(done.path).graph.initializer if len(tensor.dims) == 4]
        learned = [tensor for tensor in kernels if list(tensor.dims[1:]) != [1, 4, 4]]  # no filter of the image
        assert {tensor.data_type for tensor in learned} == {onnx.TensorProto.FLOAT16}


@pytest.mark.parametrize("export", EXPORTS.values())
def test_wrong_files_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, export: Any) -> None:
    generator, other = make(resolution=8), make(resolution=8)
    path, name = tmp_path / "g", export.__name__
    module = sys.modules[export.__module__]
    monkeypatch.setattr(module, "trace", lambda _, **options: tracing.trace(other, **options))
    path.write_bytes(b"before")
    with pytest.raises(ValueError, match=rf"{name}: the file's images differ from the generator's by .*; not written"):
        export(generator, path)
    assert [file.name for file in tmp_path.iterdir()] == ["g"] and path.read_bytes() == b"before"


def test_half_precision_overflow_raises(tmp_path: Path) -> None:
    generator = make(resolution=8)
    with torch.no_grad():
        generator.synthesis.blocks[0].conv1.act.bias.fill_(1e6)  # type: ignore[union-attr, operator]
    with pytest.raises(ValueError, match=r"differ .* by inf; not written; a generator with clamp=256 keeps"):
        export_program(generator, tmp_path / "g.pt2", half=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("export", EXPORTS.values())
def test_random_noise_raises(tmp_path: Path, export: Any) -> None:
    with pytest.raises(ValueError, match=rf"{export.__name__}: noise must be one of const, none, got 'random'"):
        export(make(resolution=8), tmp_path / "g", noise="random")


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = "stylelayers.export.onnx_file.importlib.util.find_spec"
    monkeypatch.setattr(find, lambda name: None if name == "onnxruntime" else object())
    with pytest.raises(
        ValueError, match=r"export_onnx: onnxruntime must be installed: pip install 'stylelayers\[export"
    ):
        export_onnx(make(resolution=8), tmp_path / "g.onnx")


# Labels that are not there ----------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [[3, 0], [0, -1], [-3, 1], [100, 0], [2**40, 0]])
@pytest.mark.parametrize("kind", EXPORTS)
def test_unknown_classes_raise(labelled: dict[str, Path], kind: str, labels: list[int]) -> None:
    inputs = {"z": torch.randn(2, 4), "truncation_psi": torch.tensor(1.0), "labels": torch.tensor(labels)}
    with pytest.raises(Exception, match=r"out of data bounds|index out of range"):
        _run(labelled[kind], inputs)
    assert bool(_run(labelled[kind], {**inputs, "labels": torch.tensor([0, 2])}).isfinite().all())


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("labelled")
    return {kind: export(make(resolution=8, num_labels=3), folder / kind).path for kind, export in EXPORTS.items()}


def _run(path: Path, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    if path.name == "pt2":
        result: torch.Tensor = torch.export.load(path.open("rb")).module()(**inputs)
        return result
    session = pytest.importorskip("onnxruntime").InferenceSession(str(path))
    return torch.from_numpy(session.run(None, {name: value.numpy() for name, value in inputs.items()})[0])


@pytest.mark.parametrize(("configuration", "kind"), [("T", "pt2"), ("R", "onnx")])
def test_alias_free_generators_are_exported_where_they_stand(tmp_path: Path, configuration: str, kind: str) -> None:
    generator = tiny_alias_free((8, 16), labels=3, configuration=configuration, num_layers=3)
    with moved(generator, shift=(0.25, 0.0), turn=30):
        done = EXPORTS[kind](generator, tmp_path / kind)
    assert done.difference < 1e-4 and done.inputs == ("z", "truncation_psi", "labels")
    inputs = {"z": torch.randn(3, 6), "truncation_psi": torch.tensor(0.5), "labels": torch.tensor([2, 0, 1])}
    with torch.no_grad():
        still = generator(inputs["z"], inputs["labels"], truncation_psi=0.5)
        with moved(generator, shift=(0.25, 0.0), turn=30):
            expected = generator(inputs["z"], inputs["labels"], truncation_psi=0.5)
    assert_same(_run(done.path, inputs), expected, 1e-4)
    assert (still - expected).abs().max() > 0.1
    with pytest.raises(ValueError, match=f"{EXPORTS[kind].__name__}: noise must be none, as there are no noise inputs"):
        EXPORTS[kind](generator, tmp_path / "other", noise="const")
