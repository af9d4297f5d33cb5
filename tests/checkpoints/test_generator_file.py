"""Generator files: what comes back, that a file is whole or absent, and what other files say."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from stylelayers import Generator, __version__
from stylelayers.checkpoints import describe, load_generator, save_generator
from stylelayers.models import StyleGenerator
from tests.conftest import assert_same

DATA = Path(__file__).parents[1] / "data"
ARGUMENTS = {
    name: parameter.default
    for name, parameter in inspect.signature(Generator).parameters.items()
    if name not in ("device", "dtype")
}
SMALL: dict[str, Any] = {"resolution": 8, "z_dim": 4, "w_dim": 6, "channel_base": 32, "mapping_layers": 2}
VARIANTS: dict[str, dict[str, Any]] = {
    "small": {},
    "rectangular": {"resolution": (8, 12), "image_channels": 2},
    "conditional": {"num_labels": 3, "mapping_lr_multiplier": 0.1},
    "reflect": {"padding_mode": "reflect", "normalize_style": True, "clamp": 2.0},
    "replicate": {"padding_mode": "replicate", "resample_method": "nearest", "channel_max": 5},
    "resnet": {"architecture": "resnet", "activation": "swish", "w_mean_decay": 0.5},
    "other filter": {"resample_filter": (1, 2, 1), "w_mean_decay": None},
}


def make(**options: Any) -> StyleGenerator:
    """A generator that has seen a training batch and whose parameters are nowhere at their initial value."""
    generator = Generator(**{**SMALL, **options})
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(torch.randn_like(parameter) / 4)
    images(generator)
    return generator


def images(generator: StyleGenerator, **options: Any) -> torch.Tensor:
    labels = torch.arange(3) % generator.num_labels if generator.num_labels else None
    with torch.no_grad():
        return generator(
            torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), labels, noise="const", **options
        )


@pytest.mark.parametrize("variant", VARIANTS)
def test_images_and_arguments_survive_saving(variant: str, tmp_path: Path) -> None:
    generator = make(**VARIANTS[variant])
    path = save_generator(generator, tmp_path / "new" / "folder" / "g.safetensors")
    assert path == tmp_path / "new" / "folder" / "g.safetensors"
    loaded = load_generator(str(path))
    assert not loaded.training
    truncation = {} if generator.w_mean_decay is None else {"truncation_psi": 0.5}
    assert torch.equal(images(loaded, **truncation), images(generator.eval(), **truncation))
    for name in ARGUMENTS:
        assert getattr(loaded, name) == getattr(generator, name), name
        assert type(getattr(loaded, name)) is type(getattr(generator, name)), name
    for name, wanted in {**SMALL, **VARIANTS[variant]}.items():
        expected = (wanted, wanted) if name == "resolution" and isinstance(wanted, int) else wanted
        assert getattr(loaded, name) == expected


def test_files_with_scalar_noise_strengths_load(tmp_path: Path) -> None:
    generator, path = make(), tmp_path / "g.safetensors"
    save_generator(generator, path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = {k: v.squeeze() if k.endswith("strength") else v for k, v in load_file(path).items()}
    save_file(tensors, path, metadata)
    assert torch.equal(images(load_generator(path)), images(generator.eval()))


def test_variants_change_every_argument() -> None:
    chosen = {
        name for options in (SMALL, *VARIANTS.values()) for name, value in options.items() if value != ARGUMENTS[name]
    }
    assert chosen == set(ARGUMENTS)


def test_folders_of_runs_load(tmp_path: Path) -> None:
    generator = make()
    save_generator(generator, tmp_path / "generator.safetensors")
    assert torch.equal(images(load_generator(tmp_path)), images(generator.eval()))


def test_metadata_are_plain_json(tmp_path: Path) -> None:
    path = save_generator(make(), tmp_path / "g.safetensors", summary={"images_seen": 5, "note": "a"})
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert (metadata["format"], metadata["version"]) == ("stylelayers.generator", "4")
    assert (metadata["writer"], metadata["resolution"]) == (f"stylelayers {__version__}", "[8, 8]")
    assert json.loads(metadata["summary"]) == {"images_seen": 5, "note": "a"}
    assert set(json.loads(metadata["arguments"])) == set(ARGUMENTS)


def test_saving_is_deterministic(tmp_path: Path) -> None:
    generator, summary = make(), {"note": 'Größe \u2028 \x7f "quoted" 你'}
    files = [save_generator(generator, tmp_path / str(index), summary=summary) for index in range(6)]
    assert len({file.read_bytes() for file in files}) == 1
    assert describe(files[0]).summary == summary


def test_saved_files_have_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    assert save_generator(make(), tmp_path / "x").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_files_of_version_1_load() -> None:
    path = DATA / "generator_version_1.safetensors"
    generator = load_generator(path)
    with np.load(DATA / "generator_version_1.npz") as golden, torch.no_grad():
        labels = torch.tensor([0, 1, 1])
        made = generator(torch.from_numpy(golden["z"]), labels, truncation_psi=0.5, noise="const")
        assert_same(made, torch.from_numpy(golden["images"]), 1e-5)
    description = describe(path)
    assert (description.version, description.writer, description.summary) == (1, "", {"images_seen": 1234})


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("fault", ["disk full", "summary"])
def test_failures_leave_no_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, existing: bool
) -> None:
    path = tmp_path / "g.safetensors"
    if existing:
        save_generator(make(), path)
    before = path.read_bytes() if existing else None

    def half(file: Path, content: bytes) -> None:
        with file.open("wb") as stream:
            stream.write(content[: len(content) // 2])
        raise OSError("disk full")

    if fault == "disk full":
        monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises((OSError, TypeError)):
        save_generator(make(), path, summary={"bad": object()} if fault == "summary" else None)
    assert [file.name for file in tmp_path.iterdir()] == (["g.safetensors"] if existing else [])
    assert before is None or path.read_bytes() == before


GOOD = {"format": "stylelayers.generator", "version": "2", "arguments": json.dumps(SMALL), "summary": "{}"}


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, r"must be of format stylelayers\.generator, version 4 or older, got None, version None"),
        ({**GOOD, "format": "pt"}, r"must be of format stylelayers\.generator, .* got pt, version 2"),
        ({**GOOD, "version": "5"}, r"version 4 or older, got stylelayers\.generator, version 5"),
        ({**GOOD, "version": "5", "arguments": '{"new": 1}'}, "version 4 or older, got .* version 5"),
        ({**GOOD, "version": "x"}, "version 4 or older, got .* version x"),
        ({**GOOD, "arguments": json.dumps({**SMALL, "w_dim": 7})}, "do not fit its arguments"),
        ({**GOOD, "arguments": json.dumps({**SMALL, "depth": 7})}, "do not fit its arguments: .*depth"),
        ({**GOOD, "arguments": json.dumps({**SMALL, "mapping_layers": 10**9})}, "mapping_layers must be at most"),
        ({**GOOD, "arguments": json.dumps({**SMALL, "channel_base": 10**30})}, "do not fit its arguments"),
        ({**GOOD, "version": "4", "network": "os.system"}, r"its network must be one of \w+, \w+, got 'os\.system'"),
        ({**GOOD, "arguments": "[]"}, "must have an object as its arguments, got list"),
        ({**GOOD, "arguments": "{"}, "no readable arguments"),
        ({name: text for name, text in GOOD.items() if name != "arguments"}, "arguments"),
    ],
)
def test_other_safetensors_are_refused(tmp_path: Path, metadata: dict[str, str] | None, message: str) -> None:
    save_file(make().state_dict(), tmp_path / "x.safetensors", metadata)
    with pytest.raises(ValueError, match=f"load_generator: .*x\\.safetensors.*{message}"):
        load_generator(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.safetensors", None, "path must be a generator file, .*, got .*absent.*, which is no file"),
        (".", None, "path must be .*, got .*, a folder without generator.safetensors or checkpoints"),
        ("x.png", b"\x89PNG", "x.png' is not a readable safetensors file"),
        ("empty.safetensors", b"", "empty.safetensors' is not a readable safetensors file"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"load_generator: .*{message}"):
        load_generator(tmp_path / name)


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    path = save_generator(make(), tmp_path / "g.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is not a readable safetensors file"):
        load_generator(path)
