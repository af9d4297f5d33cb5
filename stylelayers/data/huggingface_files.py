"""Where the files of a Hugging Face data set are, and how ``datasets`` opens them.

Only builders of formats that cannot run code are used: a name such as ``pandas`` would have pickles read.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from .._extras import needs_extra
from .huggingface_shards import Shards, count_images

_KINDS = {"parquet": "Parquet", "arrow": "Arrow", "imagefolder": "images", "webdataset": "WebDataset"}
_ENDINGS = {".parquet": "parquet", ".arrow": "arrow", ".tar": "webdataset"}
_CACHED = "cache"  # the builder of what an earlier run fetched, offline
_EXPECTED = "a data set of the Hugging Face hub or its files on disk"


def names_files(name: str) -> bool:
    """Whether the name of a data set is that of files on disk, there or not, rather than of the hub."""
    path = os.path.expanduser(name)
    return os.path.exists(path) or has_magic(path) or name.startswith((".", "/", "~")) or name.endswith((*_ENDINGS,))


@dataclass(frozen=True)
class Location:
    """The arguments of :func:`.huggingface_dataset` that say where a data set is; `caller` is for errors."""

    caller: str
    name: str | Path | None
    config: str | None = None
    split: str = "train"
    data_files: str | Sequence[str] | None = None
    revision: str | None = None
    cache_dir: str | Path | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, (str, os.PathLike)) or not str(self.name).strip():
            raise ValueError(f"{self.caller}: name must be {_EXPECTED}, got {self.name!r}")
        if self.path is None and names_files(str(self.name)):
            raise ValueError(f"{self.caller}: name must be {_EXPECTED}, got {str(self.name)!r}, which does not exist")

        if names_files(str(self.name)) and "://" in str(self.data_files):
            raise ValueError(
                f"{self.caller}: data_files must be files of {str(self.name)!r}, got {self.data_files!r}, elsewhere"
            )

    @property
    def path(self) -> Path | None:
        """The file or folder on disk, if it is one; also a pattern of files, such as ``shards/*.tar``."""
        path = os.path.expanduser(str(self.name))
        return Path(path) if os.path.exists(path) or has_magic(path) else None

    def failed(self, error: BaseException | str) -> ValueError:
        reason = " ".join(str(error).split()) or type(error).__name__
        return ValueError(f"{self.caller}: name must be {_EXPECTED}, but {str(self.name)!r} cannot be opened: {reason}")


def open_table(where: Location) -> Any:
    """The ``datasets.Dataset`` of a split, mapped into memory.

    Raises:
        ValueError: it cannot be opened, or there is no such split.
    """
    with needs_extra(__package__, "hf"):
        import datasets
    saved = _find_saved(where)
    if saved is not None:
        _refuse(where, "config", "data_files", "revision")
        try:
            return datasets.load_from_disk(str(saved))
        except Exception as error:
            raise where.failed(error) from error
    builder = _make_builder(where)
    try:
        builder.download_and_prepare()
        return builder.as_dataset(split=where.split)
    except Exception as error:  # of the network, of damaged files, of Arrow, ...
        raise where.failed(error) from error


def open_stream(where: Location) -> Shards:
    """The shards of a split, unread but for the numbers of their images.

    Raises:
        ValueError: they cannot be opened, there is no such split, or the data set is not made of shards.
    """
    with needs_extra(__package__, "hf"):
        import datasets  # noqa: F401
    builder = _make_builder(where, streaming=True)
    kind = _kind(builder)
    if kind not in _ENDINGS.values():
        raise ValueError(
            f"{where.caller}: streaming must be False for a data set of {_KINDS.get(kind, kind)}; Parquet, Arrow and "
            "WebDataset files are streamed"
        )
    try:
        dataset = builder.as_streaming_dataset(split=where.split)
        files = [str(file) for file in builder.config.data_files[where.split]]
        lengths = count_images(kind, files)
    except Exception as error:
        raise where.failed(error) from error
    if not sum(lengths):
        raise ValueError(f"{where.caller}: split must hold at least 1 image, got {where.split!r}, which is empty")
    return Shards(dataset, files, lengths)


def _make_builder(where: Location, *, streaming: bool = False) -> Any:
    """The builder of ``datasets``: of files by their ending, else the one that it finds itself."""
    import datasets

    path, given = where.path, where.data_files
    named: dict[str, Any] = {"path": str(path.resolve() if path else where.name), "name": where.config}
    saved = _find_saved(where) if streaming else None
    if saved is not None:
        _refuse(where, "config", "data_files", "revision")
        given = sorted(map(str, saved.glob("*.arrow")))
        named["path"] = "arrow"
    elif path is not None and not path.is_dir():
        files = sorted(glob(str(path)))
        kind = _ENDINGS.get(Path(files[0]).suffix) if files else None
        if kind is None:
            problem = f"which is no {', '.join(_ENDINGS)} file" if files else "which does not exist"
            raise ValueError(f"{where.caller}: name must be {_EXPECTED}, got {str(where.name)!r}, {problem}")
        _refuse(where, "config", "data_files", "revision")
        named["path"], given = kind, files
    elif path is None and str(where.name) not in (*_KINDS,) and "/" not in str(where.name):
        _refuse_builder(where, str(where.name))
    if given is not None:
        files = [given] if isinstance(given, str) else list(given)
        named["data_files"] = {re.match(r"\w*", where.split).group() or "train": files}  # type: ignore[union-attr]
    for option in ("revision", "cache_dir"):
        if getattr(where, option) is not None:
            named[option] = str(getattr(where, option))
    try:
        builder = datasets.load_dataset_builder(**named)
    except Exception as error:
        raise where.failed(error) from error
    return _checked(where, builder)


def _checked(where: Location, builder: Any) -> Any:
    """The builder, if it reads a format of images, and local files for a local name."""
    kind = _kind(builder)
    if kind not in (*_KINDS, _CACHED):
        raise where.failed(f"it is of {kind} files, not of Parquet, Arrow, images or WebDataset")
    files = [str(file) for each in (builder.config.data_files or {}).values() for file in each]
    remote = next((file for file in files if "://" in file), None)
    if where.path is not None and remote is not None:
        raise where.failed(f"it names files elsewhere ({remote})")
    return builder


def _kind(builder: Any) -> str:
    """The name of a builder of ``datasets`` itself; empty for any other."""
    package, _, module = type(builder).__module__.partition(".packaged_modules.")
    return module.split(".")[0] if package == "datasets" else ""


def _refuse(where: Location, *arguments: str) -> None:
    """Refuse arguments that files on disk do not have."""
    for argument in arguments:
        if getattr(where, argument) is not None:
            raise ValueError(
                f"{where.caller}: {argument} must be left out for {str(where.name)!r}, got {getattr(where, argument)!r}"
            )


def _refuse_builder(where: Location, name: str) -> None:
    """Refuse the names of the other builders of ``datasets``, some of which run code of the files."""
    from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES

    if name in _PACKAGED_DATASETS_MODULES:
        raise where.failed(f"it is the name of a format; of formats, {', '.join(_KINDS)} are read")


def _find_saved(where: Location) -> Path | None:
    """The folder of a split that ``save_to_disk`` has written; None if it was not.

    Raises:
        ValueError: there is no such split.
    """
    path = where.path
    if path is None or not path.is_dir():
        return None
    if (path / "dataset_dict.json").is_file():
        splits = sorted(each.parent.name for each in path.glob("*/state.json"))
        if where.split not in splits:
            raise ValueError(f"{where.caller}: split must be one of {', '.join(splits)}, got {where.split!r}")
        return path / where.split
    if not (path / "state.json").is_file():
        return None
    if where.split != "train":
        raise ValueError(f"{where.caller}: split must be 'train' for {str(path)!r}, the only one, got {where.split!r}")
    return path
