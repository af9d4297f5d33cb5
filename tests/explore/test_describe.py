"""What files hold, from their headers: numbers that agree with the networks, and nothing executed."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from stylelayers.checkpoints import load_stylegan2, save_generator
from stylelayers.explore import describe, factorize, save_directions
from tests.explore.tiny import tiny_generator

OFFICIAL = Path(__file__).parents[1] / "data" / "stylegan2_official_32.pkl"


def run_folder(folder: Path) -> Path:
    """The files of a run, as training leaves them."""
    generator = tiny_generator(labels=3)
    save_generator(generator, folder / "generator.safetensors", summary={"images_seen": 8})
    state = {
        f"{part}.{name}": each for part in ("generator", "average") for name, each in generator.state_dict().items()
    }
    (folder / "checkpoints").mkdir()
    held = {
        "pytorch-lightning_version": "2",
        "state_dict": state,
        "images_seen": 8,
        "optimizer_states": [{"state": {}}],
    }
    torch.save(held, folder / "checkpoints" / "last.ckpt")
    (folder / "metrics.csv").write_text("loss,step\n0.5,1\n,2\n")
    return folder


def test_a_generator_file(tmp_path: Path) -> None:
    generator = tiny_generator((8, 12), labels=3)
    found = describe(save_generator(generator, tmp_path / "x.safetensors", summary={"images_seen": 8}))
    assert found["kind"] == "a generator"
    assert found["arguments"]["resolution"] == [8, 12]
    assert found["summary"] == {"images_seen": 8}
    assert found["num_ws"] == generator.num_ws
    counts = found["parameters"]
    assert counts["all"] == counts["mapping"] + counts["synthesis"] == sum(p.numel() for p in generator.parameters())
    assert found["buffers"] == sum(each.numel() for each in generator.buffers())
    assert found["bytes"] == (tmp_path / "x.safetensors").stat().st_size


def test_tensors_are_neither_read_nor_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_generator(tiny_generator(), tmp_path / "x.safetensors")
    whole = path.read_bytes()
    size = 8 + int.from_bytes(whole[:8], "little")
    path.write_bytes(whole[:size] + bytes(len(whole) - size))  # the tensors' bytes do not matter
    monkeypatch.setattr(torch.nn.init, "normal_", lambda tensor, *_, **__: tensor if tensor.is_meta else 1 / 0)
    assert describe(path)["kind"] == "a generator"


def test_a_checkpoint(tmp_path: Path) -> None:
    found = describe(run_folder(tmp_path) / "checkpoints" / "last.ckpt")
    size = sum(each.numel() for each in tiny_generator(labels=3).state_dict().values())
    assert found["kind"] == "a Lightning checkpoint"
    assert found["values"] == {"generator": size, "average": size, "all": 2 * size}
    assert found["state"] == {"pytorch-lightning_version": "2", "images_seen": 8}


def test_another_torch_file(tmp_path: Path) -> None:
    torch.save({"g_ema": {"conv.weight": torch.zeros(2, 3)}, "d": {}, "latent_avg": torch.zeros(4)}, tmp_path / "x.pt")
    found = describe(tmp_path / "x.pt")
    assert (found["kind"], found["values"]) == ("a torch.save file", {"g_ema": 6, "latent_avg": 4, "all": 10})


def test_a_run(tmp_path: Path) -> None:
    found = describe(run_folder(tmp_path))
    assert list(found) == ["path", "kind", "generator", "checkpoint", "last_metrics"]
    assert found["generator"]["kind"] == "a generator"
    assert found["last_metrics"] == {"loss": 0.5, "step": 2.0}
    json.dumps(found)


def test_an_official_pickle() -> None:
    found, networks = describe(OFFICIAL), load_stylegan2(OFFICIAL)
    generator = networks["generator"]
    assert set(found["networks"]) == {"G_ema", "D"}
    sizes = {name: found["networks"]["G_ema"][name] for name in ("z_dim", "w_dim", "img_resolution", "num_ws")}
    assert list(sizes.values()) == [
        generator.latent_dim, generator.style_dim, generator.resolution[0], generator.num_ws
    ]  # fmt: skip
    mapping = sum(each.numel() for each in generator.mapping.state_dict().values())
    assert found["networks"]["G_ema"]["values"]["mapping"] == mapping


def test_files_of_other_tensors(tmp_path: Path) -> None:
    found = describe(save_directions(factorize(tiny_generator(), count=2), tmp_path / "x.safetensors"))
    assert (found["format"], found["layers"]) == ("stylelayers.directions", [0, 1, 2, 3])
    assert found["tensors"] == {"strengths": [2], "vectors": [2, 5]}


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def hostile_files(folder: Path) -> dict[str, bytes]:
    trap = pickle.dumps({"G_ema": _Trap(folder / "executed")})
    torch.save({"state_dict": _Trap(folder / "executed")}, folder / "trap.ckpt")
    save_file(
        {"x": torch.zeros(2)}, folder / "x", {"format": "stylelayers.generator", "arguments": '{"resolution": 7}'}
    )
    return {
        "trap.pkl": trap,
        "trap.ckpt": (folder / "trap.ckpt").read_bytes(),
        "arguments.safetensors": (folder / "x").read_bytes(),
        "empty": b"",
        "text.txt": b"a text",
        "cut.ckpt": (folder / "trap.ckpt").read_bytes()[:200],
        "cut.safetensors": (folder / "x").read_bytes()[:40],
    }


def test_hostile_and_damaged_files_are_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    for name, contents in hostile_files(tmp_path / "made").items():
        (tmp_path / name).write_bytes(contents)
        with pytest.raises(ValueError, match=name.replace(".", r"\.")):
            describe(tmp_path / name)
    assert not (tmp_path / "made" / "executed").exists()
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="is no run's folder"):
        describe(tmp_path / "folder")
    with pytest.raises(ValueError, match="is neither a file nor a folder"):
        describe(tmp_path / "nothing")
