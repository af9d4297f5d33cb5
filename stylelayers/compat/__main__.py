"""Run a script or a module under :func:`.install`, as Python itself would run it."""

import builtins
import io
import os
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec
from pkgutil import get_importer
from types import CodeType, ModuleType, TracebackType
from typing import Any, NoReturn

from stylelayers.compat._spawned import install_here_and_in_spawned

USAGE = """\
usage: python -m stylelayers.compat SCRIPT [ARGUMENT ...]
       python -m stylelayers.compat -m MODULE [ARGUMENT ...]

Run a project's script or module with our operators in place of those of StyleGAN2 that the project has copied."""


def main(arguments: list[str]) -> None:
    """Run what the arguments name, or print the usage."""
    if arguments[:1] in (["-h"], ["--help"]):
        print(USAGE)
    elif arguments[:1] == ["-m"] and len(arguments) > 1:
        run(code_of_module, arguments[1], arguments[2:])
    elif arguments and not arguments[0].startswith("-"):
        run(code_of_script, arguments[0], arguments[1:])
    else:
        stop(USAGE, 2)


def run(find: Callable[[str], tuple[CodeType, ModuleType, str]], name: str, arguments: list[str]) -> None:
    """Execute a script or module as `__main__`, which stays for pickle, for threads and until the exit."""
    install_here_and_in_spawned()
    try:
        code, module, first_argument = find(name)
        sys.argv = [first_argument, *arguments]
        sys.modules["__main__"] = module
        exec(code, vars(module))
    except BaseException as error:
        hide_our_frames(error.__traceback__)
        raise


def code_of_script(path: str) -> tuple[CodeType, ModuleType, str]:
    """A file, or a folder or zip file with a `__main__.py`; its folder becomes the first place of imports."""
    file = os.path.abspath(path)
    importer: Any = get_importer(path)  # of folders and zip files
    set_first_place(file if importer else os.path.dirname(os.path.realpath(path)))
    if importer:
        spec = importer.find_spec("__main__") or stop(f"{sys.executable}: can't find '__main__' module in {file!r}", 1)
        return *code_of_spec(spec), path
    try:
        with io.open_code(file) as stream:
            source = stream.read()
    except OSError as error:
        stop(f"{sys.executable}: can't open file {file!r}: [Errno {error.errno}] {error.strerror}", 2)
    code = compile(source, file, "exec", dont_inherit=True)
    return code, main_module(file, SourceFileLoader("__main__", file), None), path


def code_of_module(name: str) -> tuple[CodeType, ModuleType, str]:
    """A module, or the `__main__` of a package."""
    spec = found = find_module(name)
    if found.submodule_search_locations is not None:
        spec = find_module(f"{name}.__main__", f"; {name!r} is a package and cannot be directly executed")
    return *code_of_spec(spec), str(spec.origin)


def find_module(name: str, more: str = "") -> ModuleSpec:
    try:
        spec = find_spec(name)
    except ModuleNotFoundError as error:
        told = f"Error while finding module specification for {name!r} ({type(error).__name__}: {error})"
        stop(f"{sys.executable}: {told}", 1)
    return spec or stop(f"{sys.executable}: No module named {name}{more}", 1)


def code_of_spec(spec: ModuleSpec) -> tuple[CodeType, ModuleType]:
    loader: Any = spec.loader
    return loader.get_code(spec.name), main_module(str(spec.origin), loader, spec)


def main_module(file: str, loader: object, spec: ModuleSpec | None) -> ModuleType:
    """An empty `__main__` with what Python gives to it."""
    module = ModuleType("__main__")
    package, cached = (spec.parent, spec.cached) if spec else (None, None)
    vars(module).update(__file__=file, __loader__=loader, __spec__=spec, __package__=package, __cached__=cached)
    vars(module).update(__builtins__=builtins, __annotations__={})
    return module


def set_first_place(folder: str) -> None:
    """Have imports begin at a script's folder, in place of the folder that Python was started in."""
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = folder


def hide_our_frames(trace: TracebackType | None) -> None:
    """Show an error that ends the process without the frames of this file."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    show = sys.excepthook
    sys.excepthook = lambda kind, error, _: show(kind, error.with_traceback(trace), trace)


def stop(message: str, status: int) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main(sys.argv[1:])
