"""``stylelayers env``: versions and devices, for reports of errors."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch.utils import collect_env

from .._cache_folder import cache_folder
from .._version import __version__
from .support import as_one_line

EXAMPLES = """
stylelayers env
stylelayers env --json
"""
_ALWAYS = ("torchvision", "lightning", "hydra-core")  # told even where they are missing
_VARIABLES = re.compile(
    r"(STYLELAYERS|MALLOC|OMP|MKL|CUDA|HIP|NCCL)_\w+|PYTORCH_\w*ALLOC_CONF|GLIBC_TUNABLES|LD_PRELOAD|CXX"
)
_GIB = 1 << 30


def env(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Versions, devices and settings, to be pasted into a report of an error.

    Nothing is sent. Of the environment's variables only those of threads, memory and devices are shown.
    """
    found = {name: _guarded(fact) for name, fact in _facts()}
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        width = max(map(len, found))
        print("\n".join(f"{name:<{width}}  {value}" for name, value in found.items()))


def _guarded(fact: Callable[[], object]) -> str:
    """A fact as one line, or why there is none: what is broken must not hide the rest."""
    try:
        text = str(fact())
    except Exception as error:
        text = f"unknown ({_told(error)})"
    return as_one_line(text.replace(str(Path.home()), "~"))


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _facts() -> Iterator[tuple[str, Callable[[], object]]]:
    yield "stylelayers", lambda: __version__
    yield "Python", lambda: f"{platform.python_version()} ({platform.python_implementation()})"
    yield "torch", _torch
    yield from ((name, partial(_version, name)) for name in _packages())
    yield "system", lambda: collect_env.get_os(collect_env.run)
    yield "processor", _processor
    yield "memory", lambda: f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / _GIB:.1f} GiB"
    yield from _devices()
    yield "threads", lambda: f"{torch.get_num_threads()}, and {torch.get_num_interop_threads()} between operators"
    yield from ((name, partial(os.environ.get, name)) for name in sorted(os.environ) if _VARIABLES.fullmatch(name))
    yield "cache folder", cache_folder
    yield "C++ compiler", _compiler


def _torch() -> str:
    """The version, and the kinds of devices that it was built for."""
    builds = {"CUDA": "cuda", "ROCm": "hip", "XPU": "xpu"}
    built = [f"{name} {version}" for name, key in builds.items() if (version := getattr(torch.version, key, None))]
    built += ["MPS"] if torch.backends.mps.is_built() else []
    if not built:
        return f"{torch.__version__} (CPU build)"
    available = any(module.is_available() for module in (torch.cuda, torch.xpu, torch.backends.mps))
    return f"{torch.__version__} ({', '.join(built)}: {'available' if available else 'not available'})"


def _packages() -> list[str]:
    """Names of the packages that this one and its extras require and that are installed; torch is told before."""
    try:
        required = metadata.requires("stylelayers") or []
    except metadata.PackageNotFoundError:  # a folder of sources
        required = []
    names = [match[0].lower() for text in required if (match := re.match(r"[\w.-]+", text))]
    return [name for name in dict.fromkeys((*_ALWAYS, *names)) if name in _ALWAYS or _is_other_package(name)]


def _is_other_package(name: str) -> bool:
    return name not in ("torch", "stylelayers") and any(metadata.distributions(name=name))


def _version(name: str) -> str:
    """The version; torchvision is imported as well, because it fails beside another torch than its own."""
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
    if name == "torchvision":
        try:
            import_module(name)
        except Exception as error:
            return f"{version}, which cannot be imported ({_told(error)})"
    return version


def _processor() -> str:
    text = collect_env.get_cpu_info(collect_env.run)
    named = re.search(r"^(?:Model name|Name):\s*(.+)$", text, re.MULTILINE)  # of Linux and Windows; macOS: all of it
    name = named[1] if named else text if sys.platform == "darwin" else platform.machine()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {os.cpu_count()} cores, {usable} usable, {torch.backends.cpu.get_cpu_capability()}"


def _devices() -> Iterator[tuple[str, Callable[[], object]]]:
    try:
        accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        count = torch.accelerator.device_count()
    except Exception as error:  # a broken driver, or a torch without torch.accelerator
        yield "devices", partial(str, f"unknown ({_told(error)})")
        return
    if accelerator is None:
        yield "devices", lambda: "cpu"
        return
    for index in range(count):
        yield f"{accelerator.type}:{index}", partial(_device, accelerator, index)


def _device(accelerator: torch.device, index: int) -> str:
    if accelerator.type == "mps":
        return f"Apple, {torch.mps.recommended_max_memory() / _GIB:.1f} GiB"
    properties = torch.get_device_module(accelerator).get_device_properties(index)
    capability = f", compute capability {properties.major}.{properties.minor}" if accelerator.type == "cuda" else ""
    return f"{properties.name}, {properties.total_memory / _GIB:.1f} GiB{capability}"


def _compiler() -> str:
    """The compiler that ``torch.compile`` needs for CPUs."""
    path = shutil.which(os.environ.get("CXX") or "g++")
    if path is None:
        return "none, which torch.compile needs on CPUs"
    shown = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True)
    return shown.stdout.partition("\n")[0]
