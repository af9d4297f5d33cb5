"""Prepared images as parquet shards, as Hugging Face's ``datasets`` writes and reads them. Needs pyarrow."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._extras import needs_extra
from .._whole_files import whole_file
from .source import Source
from .targets import image_name

with needs_extra(__name__, "hf"):
    import pyarrow as pa
    from pyarrow import parquet

_MAX_IMAGES, _MAX_BYTES = 4096, 256 << 20  # of a shard
_ROWS = 128  # of a row group, which is read at once


class ParquetTarget:
    """A folder of shards ``train-00000.parquet`` with the columns ``image`` and, where there are labels, ``label``.

    Args:
        folder: is created, or taken up.
        source: of the images, for the kind and names of the labels.
    """

    def __init__(self, folder: Path, source: Source) -> None:
        self._folder, self._source = folder / "images", source
        self._folder.mkdir(exist_ok=True)
        self._rows: list[tuple[bytes, Any]] = []
        self._shards: list[int] = []  # images of each
        while (path := self._path(len(self._shards))).exists():
            self._shards.append(parquet.read_metadata(path).num_rows)
        self.count = sum(self._shards)

    def cut(self, count: int) -> int:
        while sum(self._shards) > count:
            self._shards.pop()
            self._path(len(self._shards)).unlink()
        self.count = sum(self._shards)
        return self.count

    def add(self, content: bytes, label: Any) -> None:
        self._rows.append((content, label))
        self.count += 1
        if len(self._rows) == _MAX_IMAGES or sum(len(each) for each, _ in self._rows) >= _MAX_BYTES:
            self._write()

    def flush(self) -> None:
        pass

    def finish(self, labels: Sequence[Any], class_names: Sequence[str]) -> Path:
        if self._rows:
            self._write()
        return self._folder

    def close(self) -> None:
        pass

    def _write(self) -> None:
        first = self.count - len(self._rows)
        images = [
            {"bytes": content, "path": Path(image_name(first + row, ".png")).name}
            for row, (content, _) in enumerate(self._rows)
        ]
        columns = {"image": images, "label": [label for _, label in self._rows]}
        schema = _schema(self._source)
        table = pa.table({name: columns[name] for name in schema.names}, schema=schema)
        with whole_file(self._path(len(self._shards))) as unfinished:
            parquet.write_table(table, unfinished, row_group_size=_ROWS, compression="snappy")
        self._shards.append(len(self._rows))
        self._rows = []

    def _path(self, shard: int) -> Path:
        return self._folder / f"train-{shard:05d}.parquet"


def _schema(source: Source) -> Any:
    """The types of the columns, with the description that ``datasets`` reads."""
    fields = [pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))]
    features: dict[str, Any] = {"image": {"_type": "Image"}}
    if source.vectors:
        fields.append(pa.field("label", pa.list_(pa.float32())))
        features["label"] = {"_type": "List", "feature": {"dtype": "float32", "_type": "Value"}}
    elif source.num_labels:
        fields.append(pa.field("label", pa.int64()))
        names = list(source.class_names) or [str(number) for number in range(source.num_labels)]
        features["label"] = {"names": names, "_type": "ClassLabel"}
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})
