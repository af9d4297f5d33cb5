"""Atomic writing of files."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor


def save_tensors(
    tensors: Mapping[str, Tensor], path: str | os.PathLike[str], *, metadata: Mapping[str, str] | None = None
) -> Path:
    """Write one safetensors file atomically, with the same bytes for the same tensors and metadata.

    The library writes metadata in an order that changes from call to call, and files that only their owner can read.
    Here the header is sorted and the file has the usual permissions.
    """
    from safetensors.torch import save  # so that the layers need torch alone

    path = Path(path)
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with whole_file(path) as unfinished:
        unfinished.write_bytes(_with_sorted_header(save(held, dict(metadata or {}))))
    return path


def _with_sorted_header(file: bytes) -> bytes:
    end = 8 + int.from_bytes(file[:8], "little")
    text = json.dumps(json.loads(file[8:end]), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return file[:8] + text.ljust(end - 8) + file[end:] if 8 + len(text) <= end else file


@contextmanager
def whole_file(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """Yield a temporary path to write to; afterwards the file is flushed to disk and replaces `path`.

    After an exception `path` is unchanged and the temporary file removed. Missing folders are created.

    Args:
        path: of the finished file.
        flush: wait for the disk, so that the file is whole even after a power failure. Without, it is whole after any
            failure of the process, and writing is much faster.
    """
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    try:
        yield unfinished
        if flush:
            _flush(unfinished)
        unfinished.replace(path)
        if flush:
            _flush(path.parent)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _flush(path: Path) -> None:
    """Flush a file, or the entries of a folder, to disk; Windows cannot do so for folders."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
