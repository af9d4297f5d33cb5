"""Training by several processes in a test: forked, as torchrun would start them, or from a command line."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import multiprocessing

__all__ = ["free_port", "in_processes"]


def in_processes(count: int, function: Callable[..., None], *arguments: Any) -> None:
    """Call ``function(rank, count, *arguments)`` in so many processes; raise what one of them raises."""
    can_fork = not torch.cuda.is_available() and not _has_autograd_threads()
    method = "fork" if can_fork else "spawn"  # a fork has all imports, but no CUDA and no threads
    multiprocessing.start_processes(_process, (count, free_port(), function, arguments), count, start_method=method)


def _has_autograd_threads() -> bool:
    """Whether a nested backward pass has started threads, without which a fork cannot differentiate."""
    names = (path.read_text() for path in Path("/proc/self/task").glob("*/comm"))
    return any(name.startswith("pt_autograd") for name in names)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _process(rank: int, count: int, port: int, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    variables = {"RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": 0, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    variables |= {"TORCHELASTIC_RUN_ID": 0, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in variables.items()}, MASTER_ADDR="127.0.0.1")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    function(rank, count, *arguments)
