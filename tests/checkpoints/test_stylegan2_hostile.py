"""Files made to do harm: each is refused with a message, and nothing in it runs."""

from __future__ import annotations

import contextlib
import importlib
import io
import operator
import os
import pickle
import random
import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stylelayers.checkpoints.stylegan2 import load_stylegan2
from tests.checkpoints.official_layout import (
    Module,
    discriminator_module,
    generator_module,
    official_modules,
    official_pickle,
)
from tests.checkpoints.test_stylegan2 import GOLDEN_FILE, networks


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


class CalledAttribute(Call):
    """Pickles as a function that calls of `importlib` and `getattr` find."""

    def __call__(self) -> None: ...


class Restored:
    """Runs its state when it is unpickled."""

    def __setstate__(self, state: str) -> None:
        os.system(state)


def file_with(value: object, protocol: int = 4) -> bytes:
    return pickle.dumps({"G_ema": value, "D": None}, protocol)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def opcodes(*parts: bytes | str, protocol: int = 2) -> bytes:
    """A pickled dict whose value under ``"G_ema"`` is what the opcodes make; text is pushed."""
    body = b"".join(text(part) if isinstance(part, str) else part for part in parts)
    return b"\x80" + bytes([protocol]) + b"}" + text("G_ema") + body + b"s."


# Code -------------------------------------------------------------------------------------------------------------

CODE: dict[str, tuple[Callable[[str], bytes], str]] = {
    "system": (lambda do: file_with(Call(os.system, do)), r"refused 'posix\.system'"),
    "eval": (lambda do: file_with(Call(eval, f"__import__('os').system({do!r})")), r"refused 'builtins\.eval'"),
    "exec": (lambda do: file_with(Call(exec, f"import os; os.system({do!r})")), r"refused 'builtins\.exec'"),
    "subprocess": (lambda do: file_with(Call(subprocess.getoutput, do)), r"refused 'subprocess\.getoutput'"),
    "getattr": (
        lambda do: file_with(Call(CalledAttribute(getattr, Call(importlib.import_module, "os"), "system"), do)),
        r"refused 'builtins\.getattr'",
    ),
    "methodcaller": (
        lambda do: file_with(Call(operator.methodcaller("system", do), Call(importlib.import_module, "os"))),
        r"refused 'operator\.methodcaller'",
    ),
    "as_a_list": (lambda do: file_with(Call(list, Call(map, os.system, [do]))), r"refused 'builtins\.list'"),
    "text_global": (lambda do: opcodes(b"cposix\nsystem\n", do, b"\x85R"), r"refused 'posix\.system'"),
    "dotted_name": (
        lambda do: opcodes("shutil", "os.system", b"\x93", do, b"\x85R", protocol=4),
        r"refused 'shutil\.os\.system'",
    ),
    "inst": (lambda do: opcodes(b"(", do, b"iposix\nsystem\n"), r"refused the pickle opcode INST"),
    "obj": (lambda do: opcodes(b"(cposix\nsystem\n", do, b"o"), r"refused 'posix\.system'"),
    "setstate": (
        lambda do: opcodes(f"c{__name__}\nRestored\n".encode(), b")\x81", do, b"b"),
        r"refused 'tests\.checkpoints\.test_stylegan2_hostile\.Restored'",
    ),
    "another_pickle": (
        lambda do: file_with(Call(pickle.loads, file_with(Call(os.system, do)))),
        r"refused '_pickle\.loads'",
    ),
    "inside_a_storage": (
        lambda do: file_with(Call(torch.storage._load_from_bytes, pickle.dumps(Call(os.system, do), 2))),
        r"refused 'posix\.system'",
    ),
}


@pytest.mark.parametrize("attack", CODE)
def test_code_is_refused_without_running(tmp_path: Path, attack: str) -> None:
    write, message = CODE[attack]
    sentinel = tmp_path / "sentinel"
    data = write(f"touch {sentinel}")
    refuses(tmp_path, data, message)
    assert not sentinel.exists()
    with contextlib.suppress(Exception):
        pickle.loads(data)  # to know that the attack is one
    assert sentinel.exists()


def test_source_in_the_file_is_not_run(tmp_path: Path) -> None:
    sentinel = tmp_path / "sentinel"
    generator, discriminator = networks("skip")
    data = official_pickle(
        generator_module(generator, str(sentinel)), discriminator_module(discriminator, str(sentinel))
    )
    (tmp_path / "network.pkl").write_bytes(data)
    loaded = load_stylegan2(tmp_path / "network.pkl")
    assert loaded["generator"].resolution == (16, 16)
    assert not sentinel.exists()
    with official_modules():
        pickle.loads(data)
    assert sentinel.exists()


# Data that lie ----------------------------------------------------------------------------------------------------


def storage(length: int, numbers: bytes, kind: str = "torch\nFloatStorage", stored: int | None = None) -> bytes:
    """A storage as torch writes it into pickles, with lengths of one's choice."""
    entry = b"\x80\x02(" + text("storage") + f"c{kind}\n".encode() + text("0") + text("cpu")
    entry += pickle.dumps(length, 2)[2:-1] + b"NtQ."
    head = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    tail = struct.pack("<q", length if stored is None else stored)
    return b"".join(pickle.dumps(part, 2) for part in head) + entry + pickle.dumps(["0"], 2) + tail + numbers


def tensor(
    size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0, data: bytes = storage(8, bytes(32))
) -> Call:
    flat = Call(torch.storage._load_from_bytes, data)
    return Call(torch._utils._rebuild_tensor_v2, flat, offset, size, stride, False, {})


def in_network(**tensors: Any) -> bytes:
    module = Module()
    module.tensors = tensors
    return official_pickle(module, None)


def nested(depth: int, copies: int) -> bytes:
    """Modules that hold the one below them several times."""
    module = Module()
    for _ in range(depth):
        above = Module()
        above.children = {f"b{index}": module for index in range(copies)}
        module = above
    return official_pickle(module, Module())


def repeated_tensors() -> bytes:
    """Modules that share one table of parameters."""
    names: dict[str, Any] = dict.fromkeys((f"t{index}" for index in range(1000)), torch.ones(1))
    top = Module()
    for index in range(20):
        top.children[f"b{index}"] = Module()
        top.children[f"b{index}"].tensors = names
    return official_pickle(top, Module())


def one_set_many_times() -> bytes:
    members = b"".join(b"M" + struct.pack("<H", member) for member in range(1000))
    return opcodes(b"cbuiltins\nset\nq\x01](", members, b"e\x85q\x02](", b"h\x01h\x02R" * 1000, b"e\x86")


def endless() -> bytes:
    """A module that holds itself."""
    reconstruct = b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n"
    state = ("class_name", "M", "state", b"}", "_modules", b"}q\x01s")
    record_again = ("D", b"h\x02s", "again", b"h\x01", "b4", b"h\x02s")
    return opcodes(reconstruct, b"}(", *state, b"u\x85Rq\x02s", *record_again)


def one_tensor_many_times() -> bytes:
    numbers = pickle.dumps(Call(torch.storage._load_from_bytes, storage(999, bytes(3996))), 3)[2:-1]
    view = b"ctorch._utils\n_rebuild_tensor_v2\n(h\xffK\x00M\xe7\x03\x85K\x01\x85tR"
    return opcodes(numbers, b"q\xff](", view * 9, b"e\x86")


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", file_with(None))
    return stream.getvalue()


def saved(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


RANGE = r"offset, size or stride out of range"
BEYOND = r"reaches beyond its storage of 8 numbers"
LIES: dict[str, tuple[Callable[[], bytes], str]] = {
    # tensors
    "size": (lambda: in_network(t=tensor((9,), (1,))), RANGE),
    "stride": (lambda: in_network(t=tensor((2, 2), (7, 2))), BEYOND),
    "offset": (lambda: in_network(t=tensor((2,), (1,), offset=7)), BEYOND),
    "repeated": (lambda: in_network(t=tensor((1 << 20, 1 << 20), (0, 0))), RANGE),
    "overflowing": (lambda: in_network(t=tensor((1 << 62, 1 << 62), (4, 4))), RANGE),
    "far_stride": (lambda: in_network(t=tensor((1,), (1 << 70,))), RANGE),
    "empty": (lambda: in_network(t=tensor((0, 1 << 62), (1, 1))), RANGE),
    "negative_size": (lambda: in_network(t=tensor((-1,), (1,))), RANGE),
    "negative_stride": (lambda: in_network(t=tensor((2,), (-1,), offset=1)), RANGE),
    "negative_offset": (lambda: in_network(t=tensor((2,), (1,), offset=-2)), RANGE),
    "size_of_floats": (lambda: in_network(t=tensor((2.0,), (1,))), RANGE),  # type: ignore[arg-type]
    "repeated_few": (lambda: in_network(t=tensor((8, 8), (1, 0))), BEYOND),
    "no_strides": (lambda: in_network(t=tensor((2, 2), (1,))), r"sizes, and strides for them"),
    "many_sizes": (lambda: in_network(t=tensor((1,) * 99, (1,) * 99)), r"at most 8 sizes"),
    "no_storage": (
        lambda: in_network(t=Call(torch._utils._rebuild_tensor_v2, b"", 0, (1,), (1,), False, {})),
        r"must be made of a storage",
    ),
    "too_few_arguments": (lambda: in_network(t=Call(torch._utils._rebuild_tensor_v2)), r"malformed pickle: REDUCE"),
    # storages
    "storage_bomb": (lambda: in_network(t=tensor((1,), (1,), data=storage(1 << 40, bytes(32)))), r"a storage of 1099"),
    "storage_lengths": (lambda: in_network(t=tensor((1,), (1,), data=storage(8, bytes(32), stored=9))), r"needs 40"),
    "negative_storage": (lambda: in_network(t=tensor((1,), (1,), data=storage(-8, b""))), r"must be named by"),
    "storage_type": (
        lambda: in_network(t=tensor((1,), (1,), data=storage(8, bytes(32), "builtins\nprint"))),
        r"refused 'builtins\.print'",
    ),
    "storage_zip": (lambda: in_network(t=tensor((1,), (1,), data=saved(torch.ones(8)))), r"malformed pickle"),
    "storage_magic": (lambda: in_network(t=tensor((1,), (1,), data=pickle.dumps(1) * 5)), r"torch's format"),
    "storage_of_text": (lambda: in_network(t=tensor((1,), (1,), data="text")), r"must be bytes"),  # type: ignore[arg-type]
    "one_storage_many_times": (
        lambda: file_with([Call(torch.storage._load_from_bytes, data) for data in [storage(999, bytes(3996))] * 9]),
        r"more memory than the file",
    ),
    "one_tensor_many_times": (one_tensor_many_times, r"more memory than the file"),
    # nesting and sizes
    "nested_marks": (lambda: opcodes(b"(" * 100_000), r"nested deeper than 100"),
    "nested_key": (lambda: opcodes(b"})" + b"\x85" * 200_000 + b"Ns"), r"a key that is a tuple"),
    "nested_member": (lambda: opcodes(b"\x8f()" + b"\x85" * 200_000 + b"\x90", protocol=4), r"a key that is a tuple"),
    "nested_value": (lambda: opcodes(b")" + b"\x85" * 200_000), r"under the key 'G_ema', got tuple"),
    "nested_modules": (lambda: nested(9, 1), r"modules, or 8 inside each other"),
    "repeated_modules": (lambda: nested(7, 4), r"more than 4096 modules"),
    "repeated_children": (lambda: nested(2, 4000), r"more than 4096 modules"),
    "repeated_tensors": (repeated_tensors, r"more than 16384 tensors"),
    "one_set_many_times": (one_set_many_times, r"more memory than the file"),
    "huge_int": (
        lambda: opcodes(b"\x8b" + struct.pack("<I", 99_999) + bytes(99_999)),
        r"refused the pickle opcode LONG4",
    ),
    "endless_module": (endless, r"modules, or 8 inside each other"),
    "memo_bomb": (lambda: opcodes(b"Nr\x00\x00\x00\x7f"), r"under the key 'G_ema', got NoneType"),
    "bytes_bomb": (lambda: opcodes(b"\x8e" + struct.pack("<Q", 1 << 60), protocol=4), r"malformed pickle: expected"),
    "text_bomb": (lambda: opcodes(b"X\xff\xff\xff\xff"), r"malformed pickle: expected 4294967295"),
    # opcodes and states
    "persistent_id": (lambda: opcodes("0", b"Q"), r"refused a persistent id"),
    "persistent_text": (lambda: opcodes(b"P0\n"), r"refused the pickle opcode PERSID"),
    "extension": (lambda: opcodes(b"\x82\x01"), r"refused the pickle opcode EXT1"),
    "newobj_ex": (lambda: opcodes("f", b")}\x92", protocol=4), r"refused the pickle opcode NEWOBJ_EX"),
    "bytearray": (lambda: file_with(bytearray(9), 5), r"refused the pickle opcode BYTEARRAY8"),
    "future_protocol": (lambda: opcodes(b"N", protocol=9), r"protocol 5 or below, got 9"),
    "state_of_dict": (lambda: opcodes(b"}}", "keys", b"Nsb"), r"refused to set the state of dict"),
    "state_of_function": (
        lambda: opcodes(b"ccollections\nOrderedDict\n}", "function", b"Nsb"),
        r"refused to set the state of Constructor",
    ),
    "call_of_text": (lambda: opcodes("print", b")R"), r"refused a call of str"),
    "call_without_tuple": (lambda: opcodes(b"ccollections\nOrderedDict\n]R"), r"refused a call of Constructor"),
    "call_of_constant": (lambda: opcodes(b"cnumpy\nndarray\n)R"), r"refused a call of NoneType"),
    "set_of_dicts": (lambda: opcodes(b"cbuiltins\nset\n](}e\x85R"), r"a key that is a dict"),
    "set_of_text": (lambda: opcodes(b"cbuiltins\nset\n", "text", b"\x85R"), r"must be made of a list, got str"),
    "name_of_numbers": (lambda: opcodes(b"K\x01K\x02\x93", protocol=4), r"refused 'a name that is no text'"),
    "long_name": (lambda: opcodes(b"c" + b"o" * 9999 + b"\nx\n"), r"refused 'o{100}'"),
    "items_of_list": (lambda: opcodes(b"](NNu"), r"expected a dict, got list"),
    "key_without_value": (lambda: opcodes(b"}(Nu"), r"a key without a value"),
    "empty_stack": (lambda: opcodes(b"\x87\x87"), r"malformed pickle: TUPLE3 at byte"),
    "no_memo": (lambda: opcodes(b"h\x07"), r"malformed pickle: BINGET at byte"),
    "record_of_text": (
        lambda: opcodes(b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n", "text", b"\x85R"),
        r"must be a dict with class_name and state",
    ),
    "big_endian_number": (
        lambda: opcodes(b"cnumpy\ndtype\n", "f8", b"\x85R(K\x03", ">", b"tb"),
        r"little-endian numpy\.dtype",
    ),
    "number_of_objects": (
        lambda: opcodes(b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n", "O8", b"\x85R", "x", b"\x86R"),
        r"a numpy number must be",
    ),
    # other files
    "zip": (zipped, r"got a zip file"),
    "torch_save": (lambda: saved({"G_ema": {}}), r"got a zip file"),
    "garbage": (lambda: random.Random(0).randbytes(999), r"got a file that starts with b"),
    "text_file": (lambda: b"version https://git-lfs.github.com/spec/v1\n", r"got a file that starts with b'vers'"),
    "empty_file": (lambda: b"", r"got a file that starts with b''"),
    "old_protocol": (lambda: file_with(None, 0), r"got a file that starts with"),
    "no_dict": (lambda: pickle.dumps([1]), r"expected a pickled dict of networks, got a list"),
    "no_network": (lambda: pickle.dumps({}), r"under the key 'G_ema', got NoneType"),
    "array_for_network": (lambda: official_pickle(None, None), r"under the key 'G_ema', got NoneType"),
}


@pytest.mark.parametrize("lie", LIES)
def test_inconsistent_files_are_refused(tmp_path: Path, lie: str) -> None:
    write, message = LIES[lie]
    refuses(tmp_path, write(), message)


@pytest.mark.parametrize("kept", [1, 2, 100, 5000, 300_000, -1])
def test_truncated_files_are_refused(tmp_path: Path, kept: int) -> None:
    refuses(tmp_path, GOLDEN_FILE.read_bytes()[:kept], r"malformed pickle")


@pytest.mark.parametrize("seed", range(40))
def test_damaged_files_are_refused_or_read(tmp_path: Path, seed: int) -> None:
    data, chance = bytearray(GOLDEN_FILE.read_bytes()), random.Random(seed)
    for _ in range(8):
        data[chance.randrange(8000)] = chance.randrange(256)
    (tmp_path / "network.pkl").write_bytes(data)
    with contextlib.suppress(ValueError):
        load_stylegan2(tmp_path / "network.pkl")


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"load_stylegan2: path must be a network pickle, got .*nothing\.pkl"):
        load_stylegan2(tmp_path / "nothing.pkl")


def refuses(folder: Path, data: bytes, message: str) -> None:
    path = folder / "network.pkl"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=rf"load_stylegan2: .*network\.pkl.*: .*{message}"):
        load_stylegan2(path)
