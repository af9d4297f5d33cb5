"""Training by several processes in a test: as torchrun would start them, or from a command line."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import socket
from collections.abc import Callable
from typing import Any

import torch
from torch import multiprocessing as torch_multiprocessing

__all__ = ["free_port", "in_processes"]


def in_processes(count: int, function: Callable[..., None], *arguments: Any) -> None:
    """Call ``function(rank, count, *arguments)`` in so many processes; raise what one of them raises.

    They are forks of a server that has imported torch and done nothing else: a fork of the tests' own process would
    inherit the state of threads (OpenMP, autograd, compiled code) without the threads.
    """
    multiprocessing.set_forkserver_preload(["torch", "lightning", "stylelayers.training", "torchmetrics"])
    arguments = (count, free_port(), function, arguments)
    torch_multiprocessing.start_processes(_process, arguments, count, start_method="forkserver")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _process(rank: int, count: int, port: int, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    variables = {"RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": 0, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    variables |= {"TORCHELASTIC_RUN_ID": 0, "MASTER_PORT": port}
    faulthandler.enable()  # a crash says where
    os.environ.update({name: str(value) for name, value in variables.items()}, MASTER_ADDR="127.0.0.1")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    function(rank, count, *arguments)
