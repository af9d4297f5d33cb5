"""`install` and `uninstall`: modules imported later, modules imported before, and modules that are something else."""

from __future__ import annotations

import importlib
import logging
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Thread
from types import ModuleType
from typing import Any

import pytest
import torch

from stylelayers.compat import install, uninstall
from stylelayers.compat._replaced_module import ReplacedModule
from stylelayers.compat._targets import TARGETS
from stylelayers.compat.official import upfirdn2d as official_upfirdn2d
from stylelayers.compat.port import fused_act, upfirdn2d

from . import projects


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the extensions that were compiled."""
    found: list[str] = []
    monkeypatch.setattr("torch.utils.cpp_extension.load", lambda name, *_, **__: found.append(name))
    return found


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled: list[str]) -> Iterator[Path]:
    """An empty folder on the path of imports, forgotten at the end."""
    modules = dict(sys.modules)
    finders = list(sys.meta_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    uninstall()
    assert sys.meta_path == finders
    for name in [name for name in sys.modules if name not in modules and not name.startswith("stylelayers")]:
        del sys.modules[name]


def load(name: str) -> Any:
    return importlib.import_module(name)


def is_theirs(value: Any) -> bool:
    return not value.__module__.startswith("stylelayers.")


def bindings(*modules: ModuleType) -> list[dict[str, object]]:
    return [dict(vars(module)) for module in modules]


# Imported later --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", ["op", "models.stylegan2.op"])
def test_a_copy_of_the_port_gets_ours_without_a_compiler(package: str, root: Path, compiled: list[str]) -> None:
    projects.write_port(root, package)
    report = install()
    model = load("model")
    assert (model.upfirdn2d, model.resample) == (upfirdn2d, upfirdn2d)
    assert (model.FusedLeakyReLU, model.fused_leaky_relu) == (fused_act.FusedLeakyReLU, fused_act.fused_leaky_relu)
    assert model.conv2d_gradfix.__name__ == f"{package}.conv2d_gradfix"
    assert model.conv2d_gradfix.conv2d.__module__ == "stylelayers.compat.port.conv2d_gradfix"
    assert pickle.loads(pickle.dumps(model.conv2d_gradfix.conv2d)) is model.conv2d_gradfix.conv2d
    assert compiled == []
    assert report.replaced == {
        f"{package}.{name}": f"stylelayers.compat.port.{name}" for name in ("fused_act", "upfirdn2d", "conv2d_gradfix")
    }
    assert (report.left, report.rebound) == ({}, [])


def test_a_copy_of_the_official_operators_gets_ours(root: Path, compiled: list[str]) -> None:
    projects.write_official(root)
    report = install()
    networks = load("networks")
    assert networks.upfirdn2d.setup_filter is official_upfirdn2d.setup_filter
    assert networks.conv2d_resample.conv2d_resample.__module__ == "stylelayers.compat.official.conv2d_resample"
    assert load("torch_utils.custom_ops").get_plugin.__module__.startswith("stylelayers.")
    assert compiled == []
    ops = {f"torch_utils.ops.{name}" for name in projects.OFFICIAL}
    assert set(report.replaced) == {*ops, "torch_utils.custom_ops"}


def test_the_operators_of_basicsr_are_replaced_and_no_others(root: Path, compiled: list[str]) -> None:
    projects.write_basicsr(root)
    report = install()
    arch = load("arch")
    assert (arch.FusedLeakyReLU, arch.upfirdn2d) == (fused_act.FusedLeakyReLU, upfirdn2d)
    assert load("basicsr.ops.dcn").DeformConv.__module__ == "basicsr.ops.dcn.deform_conv"
    assert (set(report.replaced), report.left, compiled) == (
        {"basicsr.ops.fused_act.fused_act", "basicsr.ops.upfirdn2d.upfirdn2d"},
        {},
        [],
    )


def test_all_operators_in_one_file_are_replaced(root: Path, compiled: list[str]) -> None:
    projects.write(root, {"stylegan2/op.py": projects.UPFIRDN2D + projects.FUSED_ACT})
    report = install("port")
    op = load("stylegan2.op")
    assert (op.upfirdn2d, op.FusedLeakyReLU, compiled) == (upfirdn2d, fused_act.FusedLeakyReLU, [])
    assert report.replaced == {"stylegan2.op": "stylelayers.compat.port"}


def test_a_name_that_ours_lacks_comes_from_the_projects_own_file(
    root: Path, compiled: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    projects.write_port(root)
    projects.write(root, {"op/upfirdn2d.py": projects.UPFIRDN2D + "def blur(image):\n    return upfirdn2d(image, 1)\n"})
    install()
    load("op")
    module = sys.modules["op.upfirdn2d"]
    assert (module.upfirdn2d, compiled) == (upfirdn2d, [])
    assert module.blur(None) == "theirs"
    assert (module.upfirdn2d, compiled) == (upfirdn2d, ["extension"])
    assert "op.upfirdn2d runs after all" in caplog.text
    with pytest.raises(AttributeError, match=r"'op.upfirdn2d', replaced by stylelayers.*, has no attribute 'nothing'"):
        _ = module.nothing


def test_a_missing_module_stays_missing(root: Path) -> None:
    report = install()
    for name in ("op", "torch_utils.ops.bias_act"):
        with pytest.raises(ModuleNotFoundError, match=f"No module named '{name.partition('.')[0]}'"):
            load(name)
    projects.write(root, {"op/__init__.py": "", "op/fused_act.py": projects.FUSED_ACT})
    importlib.invalidate_caches()
    with pytest.raises(ModuleNotFoundError, match=r"op\.upfirdn2d"):
        load("op.upfirdn2d")
    assert (report.replaced, report.left) == ({}, {})


def test_switches_of_a_module_are_read_where_ours_sets_them(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    projects.write_port(root)
    install()
    gradfix = load("op.conv2d_gradfix")
    ours = sys.modules["stylelayers.compat.port.conv2d_gradfix"]
    monkeypatch.setattr(ours, "enabled", "set by ours")
    assert gradfix.enabled == "set by ours"
    gradfix.enabled = "set by the project"
    assert gradfix.enabled == "set by the project"
    assert ours.enabled == "set by ours"


# Something else --------------------------------------------------------------------------------------------------

OTHERS = {
    "op": ({"op.py": "def add(a, b):\n    return a + b\n"}, "it does not define upfirdn2d, fused_leaky_relu"),
    "op.upfirdn2d": ({"op/upfirdn2d.py": "def upfirdn(h, x):\n    return x\n"}, "it does not define upfirdn2d"),
    "torch_utils.ops.fma": (
        {"torch_utils/ops/fma.py": "def fma(a, b, c, rounding):\n    return a\n"},
        "its fma takes rounding, which ours does not take",
    ),
    "torch_utils.ops.bias_act": ({"torch_utils/ops/bias_act.py": "def bias_act("}, "its source cannot be read"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_module_of_the_same_name_is_left_and_named(name: str, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    files, reason = OTHERS[name]
    projects.write(root, files)
    report = install()
    try:
        module = load(name)
        assert not isinstance(module, ReplacedModule)
    except SyntaxError as error:
        assert str(root) in str(error.filename)
    assert report.left[name].startswith(reason)
    assert f"{name} is not replaced by stylelayers, because {reason}" in caplog.text
    assert report.replaced == {}


def test_a_module_of_the_same_name_imported_before_is_left(root: Path) -> None:
    projects.write(root, {"op.py": "def add(a, b):\n    return a + b\n"})
    before = bindings(load("op"))
    report = install()
    assert bindings(sys.modules["op"]) == before
    assert list(report.left) == ["op"]


def test_a_module_without_a_source_is_left(root: Path) -> None:
    sys.modules["op"] = ModuleType("op")
    assert install().left == {"op": "its source cannot be read"}


def test_a_project_beside_one_of_the_same_name_is_left(root: Path) -> None:
    """Only the last parts of the path and the contents count: both copies get ours, `other` does not."""
    projects.write_port(root, "first.op", "first_model")
    projects.write_port(root, "second.op", "second_model")
    projects.write(root, {"other/op.py": "upfirdn2d = None\n"})
    report = install()
    first, second = load("first_model"), load("second_model")
    assert first.upfirdn2d is second.upfirdn2d is upfirdn2d
    assert first.conv2d_gradfix is not second.conv2d_gradfix
    assert load("other.op").upfirdn2d is None
    assert list(report.left) == ["other.op"]


# Imported before -------------------------------------------------------------------------------------------------


def test_modules_imported_before_are_patched_and_restored_exactly(root: Path) -> None:
    projects.write_port(root)
    model = load("model")
    op, file = load("op"), sys.modules["op.upfirdn2d"]
    before = bindings(model, op, file, model.conv2d_gradfix)
    report = install()
    assert model.upfirdn2d is model.resample is op.upfirdn2d is file.upfirdn2d is upfirdn2d
    assert model.FusedLeakyReLU is fused_act.FusedLeakyReLU
    assert model.conv2d_gradfix.conv2d.__module__.startswith("stylelayers.")
    assert {"model.resample", "model.upfirdn2d", "op.upfirdn2d", "op.upfirdn2d.upfirdn2d"} <= set(report.rebound)
    uninstall()
    assert bindings(model, op, file, model.conv2d_gradfix) == before
    assert sys.modules["op.upfirdn2d"] is file


def test_a_function_that_a_module_only_borrows_is_not_rebound(root: Path) -> None:
    projects.write_port(root)
    conv2d = torch.nn.functional.conv2d
    text = projects.PORT_GRADFIX + "from torch.nn.functional import conv2d\n"
    projects.write(root, {"op/conv2d_gradfix.py": text})
    load("op.conv2d_gradfix")
    install()
    assert torch.nn.functional.conv2d is conv2d


def test_a_name_that_the_project_bound_again_is_kept(root: Path) -> None:
    projects.write_port(root)
    model = load("model")
    install()
    model.upfirdn2d = print
    uninstall()
    assert model.upfirdn2d is print
    assert is_theirs(model.resample)


# Undone ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [projects.write_port, projects.write_official, projects.write_basicsr])
def test_after_uninstall_an_import_gets_theirs(write: Any, root: Path, compiled: list[str]) -> None:
    write(root)
    names = {"write_port": "op", "write_official": "torch_utils.ops", "write_basicsr": "basicsr.ops.upfirdn2d"}
    name = names[write.__name__]
    user = {"op": "model", "torch_utils.ops": "networks"}.get(name, "arch")
    with install() as report:
        load(user)
    assert all(module not in sys.modules for module in report.replaced)
    fresh = load(f"{name}.upfirdn2d")
    assert is_theirs(fresh.upfirdn2d)
    assert compiled
    if name != "torch_utils.ops":
        assert is_theirs(load(name).upfirdn2d)


def test_a_nested_installation_ends_with_its_block(root: Path) -> None:
    projects.write_port(root)
    model = load("model")
    with install("port.upfirdn2d") as outer:
        assert is_theirs(model.FusedLeakyReLU)
        with install("port") as inner:
            assert model.FusedLeakyReLU is fused_act.FusedLeakyReLU
        assert is_theirs(model.FusedLeakyReLU)
        assert model.upfirdn2d is upfirdn2d
    assert is_theirs(model.upfirdn2d)
    assert set(outer.replaced) == {"op.upfirdn2d"}
    assert set(inner.replaced) == {"op.upfirdn2d", "op.fused_act", "op.conv2d_gradfix"}


def test_uninstall_undoes_every_install_and_may_be_repeated(root: Path) -> None:
    projects.write_port(root)
    model = load("model")
    first, second = install(), install()
    assert first.replaced == second.replaced
    uninstall()
    uninstall()
    assert is_theirs(model.upfirdn2d)
    with install():
        assert model.upfirdn2d is upfirdn2d
        uninstall()
        assert is_theirs(model.upfirdn2d)
    assert is_theirs(model.upfirdn2d)


def test_an_error_in_the_block_undoes_it(root: Path) -> None:
    finders = list(sys.meta_path)
    with pytest.raises(KeyError), install():
        raise KeyError
    assert sys.meta_path == finders


@pytest.mark.parametrize("before", [True, False])
def test_a_reload_keeps_ours(before: bool, root: Path, compiled: list[str]) -> None:
    projects.write_port(root)
    if before:
        load("op")
    compiled.clear()
    install()
    load("op")
    module: Any = importlib.reload(sys.modules["op.upfirdn2d"])
    assert importlib.reload(sys.modules["op"]).upfirdn2d is module.upfirdn2d is upfirdn2d
    assert compiled == []
    uninstall()
    if before:
        assert sys.modules["op.upfirdn2d"] is module
        assert is_theirs(module.upfirdn2d)
        assert is_theirs(importlib.reload(module).upfirdn2d)
    assert is_theirs(load("op").upfirdn2d)


# Names, pickles, threads -----------------------------------------------------------------------------------------


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    known = ", ".join(sorted({"official", "port", *(target.name for target in TARGETS)}))
    with pytest.raises(ValueError, match="install: names must be among") as error:
        install("port", "ports")
    assert str(error.value) == f"install: names must be among {known}, got 'ports'"


def test_one_family_leaves_the_other(root: Path) -> None:
    projects.write_port(root)
    projects.write_official(root)
    report = install("official")
    assert is_theirs(load("op").upfirdn2d)
    assert load("torch_utils.ops.fma").fma.__module__ == "stylelayers.compat.official.fma"
    assert (set(report.replaced), report.left) == ({"torch_utils.ops.fma"}, {})


def test_the_log_and_the_report_say_the_same(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    projects.write_port(root)
    projects.write(root, {"other/op.py": "a = 1\n"})
    caplog.set_level(logging.INFO, "stylelayers.compat")
    report = install()
    assert str(report) == "nothing replaced yet"
    load("model")
    load("other.op")
    lines = str(report).splitlines()
    assert lines[1] == "op.upfirdn2d is replaced by stylelayers.compat.port.upfirdn2d"
    assert lines[-1].startswith("other.op is left, because it does not define")
    assert [record.levelname for record in caplog.records] == ["INFO"] * 3 + ["WARNING"]
    assert [record.getMessage() for record in caplog.records][:3] == lines[:3]


def test_a_layer_of_ours_is_pickled_by_our_path(root: Path) -> None:
    projects.write_port(root)
    with install():
        layer = load("model").Model().activation
    data = pickle.dumps(layer)
    assert b"stylelayers.compat.port.fused_act" in data
    assert type(pickle.loads(data)) is fused_act.FusedLeakyReLU


def test_a_layer_pickled_by_their_path_is_read_as_ours(root: Path, compiled: list[str]) -> None:
    projects.write_port(root)
    data = pickle.dumps(load("op").FusedLeakyReLU(4))
    for name in [name for name in sys.modules if name.partition(".")[0] == "op"]:
        del sys.modules[name]
    compiled.clear()
    with install():
        layer = pickle.loads(data)
    assert type(layer) is fused_act.FusedLeakyReLU
    assert layer(torch.ones(1, 4, 2, 2)).shape == (1, 4, 2, 2)
    assert compiled == []


def test_threads_that_import_at_the_same_time_get_one_module(root: Path, compiled: list[str]) -> None:
    projects.write_port(root)
    barrier, found = Barrier(8), []

    def work(name: str) -> None:
        barrier.wait()
        with install():
            found.append(load(name).upfirdn2d)

    with install():
        threads = [Thread(target=work, args=(name,)) for name in ["op", "op.upfirdn2d", "model", "model"] * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert found == [upfirdn2d] * 8
    assert compiled == []
