"""Files that are no networks: each is told what it is, once by its name, and the way out."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import re
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from stylelayers import Generator
from stylelayers.checkpoints import convert, describe, load_generator, load_networks, load_stylegan2, save_generator
from stylelayers.checkpoints.other_files import describe_other_file
from stylelayers.cli.app import app
from tests.checkpoints.test_stylegan2 import GOLDEN_FILE


def tiny() -> Generator:
    return Generator(8, z_dim=4, w_dim=4, channel_base=16)


def written(write: Callable[[Any], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def picture(kind: str) -> bytes:
    return written(lambda file: Image.new("RGB", (9, 9)).save(file, kind))


def archive(**contents: bytes) -> bytes:
    def write(file: Any) -> None:
        with zipfile.ZipFile(file, "w") as made:
            for name, data in contents.items():
                made.writestr(name.replace("_", "."), data)

    return written(write)


def tar() -> bytes:
    def write(file: Any) -> None:
        with tarfile.open(fileobj=file, mode="w") as made:
            made.addfile(tarfile.TarInfo("network.pkl"))

    return written(write)


def tensorflow() -> bytes:
    """As `pickle` writes the three networks of a class ``dnnlib.tflib.network.Network``."""
    return b"\x80\x03cdnnlib.tflib.network\nNetwork\nq\x00)\x81q\x01}q\x02X\x07\x00\x00\x00versionq\x03K\x03sb."


def torchscript() -> bytes:
    return written(lambda file: torch.jit.save(torch.jit.script(nn.ReLU()), file))


def program() -> bytes:
    return written(lambda file: torch.export.save(torch.export.export(nn.ReLU(), (torch.ones(2),)), file))


def cut_safetensors() -> bytes:
    return b"\x00\x10\0\0\0\0\0\0" + b'{"__metadata__":{"form'


OTHER: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "an empty file: the download or the copy did not finish"),
    "zeros": (lambda: bytes(5000), "a file of zeros: the download"),
    "html": (lambda: b"\n<!DOCTYPE html>\n<html><head><title>Sign in", "a web page: .*fetch the file itself"),
    "html_without_a_type": (lambda: b"<html><body>Quota exceeded", "a web page"),
    "xml": (lambda: b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "a web page"),
    "lfs": (lambda: b"version https://git-lfs.github.com/spec/v1\noid 4d\n", "a Git LFS pointer: .*git lfs pull"),
    "message": (lambda: b"Entry not found", "text that begins with 'Entry not found'"),
    "json": (lambda: b'{\n  "resolution": 8\n}', "text that begins with '{ \"resolution\": 8 }'"),
    "letters": (lambda: ("é" * 5000).encode()[:-1], "text that begins with 'éé"),
    "old_pickle": (lambda: pickle.dumps({"G_ema": 1}, 0), "text that begins with"),
    "png": (lambda: picture("PNG"), "a picture: a network comes first"),
    "jpeg": (lambda: picture("JPEG"), "a picture"),
    "gif": (lambda: picture("GIF"), "a picture"),
    "webp": (lambda: picture("WEBP"), "a picture"),
    "bmp": (lambda: picture("BMP"), "a picture"),
    "tiff": (lambda: picture("TIFF"), "a picture"),
    "zip": (lambda: archive(network_pkl=b"x"), "a zip archive: unpack it"),
    "torchscript": (torchscript, "a TorchScript program: give"),
    "program": (program, "a torch.export program"),
    "npz": (lambda: written(lambda f: np.savez(f, a=np.ones(3))), "a NumPy archive"),
    "npy": (lambda: written(lambda f: np.save(f, np.ones(3))), "a NumPy array"),
    "gzip": (lambda: gzip.compress(b"x" * 99), "a gzip archive: unpack"),
    "bzip2": (lambda: bz2.compress(b"x" * 99), "a bzip2 archive: unpack"),
    "xz": (lambda: lzma.compress(b"x" * 99), "an xz archive: unpack"),
    "tar": (tar, "a tar archive: unpack"),
    "tensorflow": (tensorflow, r"a pickle of StyleGAN's TensorFlow code: convert it with `legacy\.py`"),
    "hdf5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(range(256)), "an HDF5 file"),
    "onnx": (lambda: b"\x08\x0a\x12\x07pytorch\x1a\x032.9:\xff", "an ONNX file: give the generator file"),
    "cut_safetensors": (cut_safetensors, "a safetensors file that was cut off"),
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHER)
@pytest.mark.parametrize("name", ["a.pkl", "generator.safetensors"])
def test_other_files_are_named_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    write, message = OTHER[kind]
    (tmp_path / name).write_bytes(write())
    monkeypatch.chdir(tmp_path)
    calls: list[Callable[[str], object]] = [
        load_generator, load_networks, describe, load_stylegan2, lambda path: convert(path, "x.safetensors")
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match=f"'{name}'.* (pickle but|it is) {message}") as refused:
            call(name)
        text = str(refused.value)
        assert text.count(name) == 1 and "\n" not in text and re.match(r"\w+: '", text)
        assert not re.search(r"\b_\w+|\w+\(\)", text)  # no private function, no function's signature
    result = CliRunner().invoke(app, ["info", name])
    assert (result.exit_code, result.stderr.count("\n"), os.listdir()) == (1, 1, [name])


@pytest.mark.parametrize("write", [
    lambda path: save_generator(tiny(), path),
    lambda path: torch.save({"state_dict": {}}, path),
    lambda path: torch.save({"g_ema": {}}, path, _use_new_zipfile_serialization=False),
    lambda path: path.write_bytes(GOLDEN_FILE.read_bytes()),
    lambda path: path.write_bytes(pickle.dumps({"G_ema": OrderedDict()}, 4)),
])  # fmt: skip
def test_possible_networks_are_not_reported_as_other_files(tmp_path: Path, write: Callable[[Path], object]) -> None:
    write(tmp_path / "x")
    assert describe_other_file(tmp_path / "x") is None


class _Call:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = function, arguments

    def __reduce__(self) -> Any:
        return self.reduced


@pytest.mark.parametrize("call", [
    _Call(OrderedDict, 1, 2), _Call(torch._utils._rebuild_parameter), _Call(torch._utils._rebuild_tensor_v2, 1),
    _Call(OrderedDict, [("a", 1)]), _Call(set, 3), _Call(torch.storage._load_from_bytes),
])  # fmt: skip
@pytest.mark.parametrize("function", [describe, load_generator])
def test_errors_name_the_file_once_and_no_internal_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: _Call, function: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.pkl").write_bytes(pickle.dumps({"G_ema": call}))
    with pytest.raises(ValueError, match=rf"^{function.__name__}: 'a\.pkl': ") as refused:
        function("a.pkl")
    assert str(refused.value).count("a.pkl") == 1
    assert not re.search(r"\b_\w+|\w+\(\)", str(refused.value).partition(": ")[2])


@pytest.mark.parametrize("arguments", ['{"depth": 3}', '{"resolution": 8, "z_dim": "a"}', "[1]", "[" * 9999, "{"])
@pytest.mark.parametrize("function", [describe, load_generator])
def test_bad_arguments_in_a_file_are_refused(tmp_path: Path, arguments: str, function: Any) -> None:
    from safetensors.torch import save_file

    metadata = {"format": "stylelayers.generator", "version": "2", "arguments": arguments, "summary": "{}"}
    save_file({"a": torch.zeros(1)}, tmp_path / "x.safetensors", metadata=metadata)
    with pytest.raises(ValueError, match=rf"^{function.__name__}: ") as refused:
        function(tmp_path / "x.safetensors")
    assert str(refused.value).count("x.safetensors") == 1 and "__init__" not in str(refused.value)
