"""Is a file a checkpoint that a model can go on from? Asked before training starts."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import torch

from .gan import GAN

__all__ = ["check_resumable"]


def check_resumable(path: str | os.PathLike[str], model: GAN) -> None:
    """Raise a ValueError unless `path` is a checkpoint of a model of the same sizes.

    The file is read as tensors and plain values alone, never as code.
    """
    if not Path(path).is_file():
        raise ValueError(f"resume must name a checkpoint such as runs/<name>/checkpoints/last.ckpt, got {path}")
    try:
        checkpoint = torch.load(path, map_location="meta", weights_only=True)
        saved = checkpoint["state_dict"]
        checkpoint["images_seen"], checkpoint["iterations"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        raise ValueError(f"resume must name a checkpoint of train.py, got {path}, which is none") from error
    own = model.state_dict()
    different = [name for name in own if name not in saved or saved[name].shape != own[name].shape]
    different += [name for name in saved if name not in own]
    if different:
        raise ValueError(
            f"resume must name a checkpoint of the same networks and sizes, got {path}, in which "
            f"{len(different)} tensors differ, the first being {different[0]}; repeat the overrides of its run"
        )
