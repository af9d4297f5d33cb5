"""huggingface_dataset, read at random: formats, columns, labels, what is refused; without a network."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from stylelayers import Generator
from stylelayers.checkpoints import save_generator
from stylelayers.data import huggingface_dataset, image_folder
from stylelayers.data.huggingface_columns import Columns, read_vectors
from stylelayers.metrics import data_for
from tests.data.shards import numbered_png, write_images, write_parquet, write_tars
from tests.training.tiny import assert_resumes_exactly

COUNT = 9
pytestmark = pytest.mark.usefixtures("hub_is_off")


def read(module: Any) -> list[tuple[int, int]]:
    """The number that each picture shows, and its label, in the stored order."""
    numbers = ((image, int(label)) for image, label in (module.dataset[index] for index in range(len(module.dataset))))
    return [(round((image[0, 0, 0].item() + 1) * 127.5), label) for image, label in numbers]


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    """Two shards with labels of every kind."""
    return write_parquet(
        tmp_path / "parquet",
        [5, 4],
        number=[index % 3 for index in range(COUNT)],
        word=["dog", "cat", "owl"] * 3,
        row=[[0.5, float(index)] for index in range(COUNT)],
        age=[float(index) for index in range(COUNT)],
        smiles=[index % 2 == 0 for index in range(COUNT)],
        odd=[{"x": 1}] * COUNT,
    )


def write_saved(folder: Path, *splits: str) -> Path:
    images = [{"bytes": numbered_png(number), "path": None} for number in range(COUNT)]
    table = datasets.Dataset.from_dict({"image": images, "number": [index % 3 for index in range(COUNT)]})
    table = table.cast_column("image", datasets.Image())
    (datasets.DatasetDict(dict.fromkeys(splits, table)) if splits else table).save_to_disk(str(folder))
    return folder


# Formats -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "name", "column"),
    [
        (lambda folder: write_parquet(folder, [5, 4], number=[i % 3 for i in range(9)]), "", "number"),
        (lambda folder: write_parquet(folder, [9], number=[i % 3 for i in range(9)]), "train-00000.parquet", "number"),
        (lambda folder: write_tars(folder, [5, 4]), "", "cls"),
        (lambda folder: write_tars(folder, [5, 4]), "*.tar", "cls"),
        (write_saved, "", "number"),
        (lambda folder: write_saved(folder, "train", "test"), "", "number"),
        (write_saved, "data-00000-of-00001.arrow", "number"),
        (lambda folder: write_images(folder, 9), "", "label"),
    ],
    ids=["parquet", "one parquet file", "tars", "pattern", "saved", "saved splits", "arrow file", "image folder"],
)
@pytest.mark.parametrize("workers", [0, 1])
def test_every_format_gives_the_same(make: Any, name: str, column: str, workers: int, tmp_path: Path) -> None:
    folder = make(tmp_path / "set")
    module = huggingface_dataset(
        folder / name, label_column=column, labels="classes", resolution=4, batch_size=9, num_workers=workers
    )
    assert sorted(read(module)) == [(number, number % 3) for number in range(COUNT)]
    assert module.num_labels == 3
    ((images, labels),) = module.train_dataloader()
    assert (((images[:, 0, 0, 0] + 1) * 127.5).round().int() % 3).tolist() == labels.tolist()


def test_splits_and_parts_of_them(tmp_path: Path, parquet: Path) -> None:
    assert len(huggingface_dataset(parquet, split="train[:4]", resolution=4).dataset) == 4  # type: ignore[arg-type]
    saved = write_saved(tmp_path / "saved", "train", "test")
    assert len(huggingface_dataset(saved, split="test", resolution=4).dataset) == COUNT  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^huggingface_dataset: split must be one of test, train, got 'dev'$"):
        huggingface_dataset(saved, split="dev")
    with pytest.raises(ValueError, match=r"cannot be opened: Unknown split \"dev\". Should be one of \['train'\]"):
        huggingface_dataset(parquet, split="dev")
    one = huggingface_dataset(parquet, data_files="train-00001.parquet", resolution=4)
    assert [number for number, _ in read(one)] == [5, 6, 7, 8]


def test_pictures_are_read_as_those_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    ramp = Image.fromarray(np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16))
    turned, exif = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)), Image.Exif()
    exif[0x0112] = 6
    large = Image.fromarray(np.random.default_rng(0).integers(0, 256, (256, 192, 3), dtype=np.uint8))
    pictures: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (ramp, "png", {}),
        (turned, "jpg", {"exif": exif}),
        (large, "jpg", {}),
        (turned.convert("CMYK"), "jpg", {}),
        (turned.convert("RGBA"), "png", {}),
        (turned.convert("P"), "png", {"transparency": 0}),
    ]
    for index, (picture, ending, options) in enumerate(pictures):
        picture.save(tmp_path / "files" / f"{index}.{ending}", **options)
    files = sorted((tmp_path / "files").iterdir())
    cells = [{"bytes": file.read_bytes(), "path": None} for file in files]
    table = datasets.Dataset.from_dict({"image": cells}).cast_column("image", datasets.Image())
    table.to_parquet(str(tmp_path / "all.parquet"))
    bare = datasets.Dataset.from_dict({"picture": [file.read_bytes() for file in files]})
    bare.to_parquet(str(tmp_path / "bare.parquet"))
    ours = image_folder(tmp_path / "files", resolution=8).dataset
    for name in ("all", "bare"):
        theirs = huggingface_dataset(tmp_path / f"{name}.parquet", resolution=8).dataset
        assert all(torch.equal(ours[index][0], theirs[index][0]) for index in range(len(files))), name


# Columns and labels --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "names", "expected", "known"),
    [
        ("number", None, [0, 1, 2], ()),
        ("number", ["a", "b", "c", "d"], [0, 1, 2], ("a", "b", "c", "d")),
        ("word", None, [1, 0, 2], ("cat", "dog", "owl")),
        ("word", ["owl", "dog", "cat"], [1, 2, 0], ("owl", "dog", "cat")),
        ("smiles", None, [1, 0, 1], ()),
    ],
)
def test_classes_are_numbers_or_words(parquet: Path, column: str, names: Any, expected: Any, known: Any) -> None:
    module = huggingface_dataset(parquet, label_column=column, class_names=names, labels="classes", resolution=4)
    assert [label for _, label in read(module)][:3] == expected
    assert module.class_names == known


def test_the_only_column_of_classes_need_not_be_named(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "files", 9)
    module = huggingface_dataset(folder, labels="classes", resolution=4, balance_classes=True, max_images=8)
    assert (module.class_names, len(module.dataset)) == (("0", "1", "2"), 8)  # type: ignore[arg-type]
    assert huggingface_dataset(folder, resolution=4).remarks == ("its labels (label) are not used",)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("column", "names", "second"),
    [("row", (), [0.5, 1.0]), ("age", ("age",), [1.0]), (["age", "smiles"], ("age", "smiles"), [1.0, 0.0])],
)
def test_vectors_come_with_their_pictures(
    parquet: Path, streaming: bool, column: Any, names: Any, second: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stylelayers.data.options.ImageOptions.make_module", lambda self, source, caller: source)
    source: Any = huggingface_dataset(parquet, label_column=column, labels="vectors", streaming=streaming)
    assert (source.label_kind, source.num_labels, source.class_names) == ("vectors", len(second), names)
    assert (source.read(1)[1].tolist(), source.read(1)[1].dtype) == (second, torch.float32)


@pytest.mark.parametrize("streaming", [False, True])
def test_vectors_of_a_data_module(parquet: Path, streaming: bool) -> None:
    module = huggingface_dataset(
        parquet, label_column="row", labels="vectors", streaming=streaming, resolution=4, batch_size=9, num_workers=0
    )
    ((images, labels),) = module.train_dataloader()
    numbers = ((images[:, 0, 0, 0] + 1) * 127.5).round()
    assert torch.equal(labels, torch.stack([torch.full((COUNT,), 0.5), numbers], dim=1))
    drawn = module.draw_label_vectors(COUNT + 2, seed=1)[:, 1].tolist()
    assert (drawn == [*range(COUNT), 0, 1]) == streaming


@pytest.mark.parametrize("rows", [[[1.0], [1.0, 2.0]], [[1.0], None], [[1.0], [float("nan")]], [[1.0], []]])
def test_vectors_that_are_none_are_named(rows: Any) -> None:
    table = datasets.Dataset.from_dict({"row": rows})
    with pytest.raises(ValueError, match=r"^f: label_column 'row' must hold rows of 1 finite numbers, .* for image 1$"):
        read_vectors("f", table.with_format("arrow")[:], Columns("image", ("row",), table.features))


LISTED = r"the columns are image \(Image\), number \(int64\), word \(string\), row \(List\)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": None}, "name must be a data set of the Hugging Face hub or its files on disk, got None"),
        ({"name": "./missing"}, r"name must be .*, got '\./missing', which does not exist"),
        ({"name": "missing.parquet"}, r"name must be .*, got 'missing\.parquet', which does not exist"),
        ({"name": "nobody/nothing"}, r"name must be .*, but 'nobody/nothing' cannot be opened: .*"),
        ({"image_column": "picture"}, f"image_column must be a column of the data set, got 'picture'; {LISTED}.*"),
        ({"image_column": "number"}, f"image_column must be a column of images, got 'number'; {LISTED}.*"),
        ({"label_column": "kind", "labels": "classes"}, f"label_column must be a column of .*'kind'; {LISTED}.*"),
        ({"label_column": "row", "labels": "classes"}, f"label_column must be of class numbers .*'row'; {LISTED}.*"),
        ({"label_column": "age", "labels": "classes"}, f"label_column must be of class numbers .*'age'; {LISTED}.*"),
        ({"label_column": "word", "labels": "vectors"}, f"label_column must be of rows of .*'word'; {LISTED}.*"),
        ({"label_column": ["age", "word"], "labels": "vectors"}, r"label_column must be .*got \['age', 'word'\].*"),
        ({"label_column": ["age", "age"], "labels": "vectors"}, r"label_column must be .*got \['age', 'age'\].*"),
        ({"label_column": [], "labels": "vectors"}, r"label_column must be .*got \[\].*"),
        ({"labels": "classes"}, f"label_column must be named for labels='classes': {LISTED}.*"),
        ({"labels": "vectors"}, f"label_column must be named for labels='vectors': {LISTED}.*"),
        ({"label_column": "number"}, "labels must be 'classes' or 'vectors' with a label_column, got 'none'"),
        ({"class_names": ["a"]}, "labels must be 'classes' or 'vectors' with class_names, got 'none'"),
        (
            {"label_column": "number", "labels": "classes", "class_names": ["a", "b"]},
            r"label_column 'number' must hold class numbers in \[0, 2\), as there are 2 names, got 2 for image 2",
        ),
        (
            {"label_column": "word", "labels": "classes", "class_names": ["cat", "dog"]},
            "class_names must name every class of 'word', 'owl' is missing",
        ),
        ({"shuffle_buffer": 0}, "shuffle_buffer must be an int of at least 1, got 0"),
        ({"streaming": "yes"}, "streaming must be one of False, True, got 'yes'"),
        ({"config": "a", "name": "saved"}, "config must be left out for .*"),
        ({"revision": "a", "name": "parquet/*.parquet"}, "revision must be left out for .*"),
    ],
)
def test_what_is_refused(
    arguments: dict[str, Any], message: str, parquet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments.get("name") == "saved":
        write_saved(tmp_path / "saved")
    with pytest.raises(ValueError, match=f"^huggingface_dataset: {message}$"):
        huggingface_dataset(**{"name": parquet, **arguments})


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([0, -1, 1], r"label_column 'label' must hold class numbers from 0 on, got -1 for image 1"),
        ([0, None, 1], r"label_column 'label' must have a label for every image, 1 lack one"),
    ],
)
def test_classes_that_are_none_are_named(column: Any, message: str, tmp_path: Path) -> None:
    folder = write_parquet(tmp_path / "set", [3], label=column)
    with pytest.raises(ValueError, match=f"^huggingface_dataset: {message}$"):
        huggingface_dataset(folder, label_column="label", labels="classes")


def test_a_damaged_picture_is_named_or_skipped(tmp_path: Path) -> None:
    cells = [{"bytes": content, "path": None} for content in (numbered_png(0), b"no image", numbered_png(2))]
    table = datasets.Dataset.from_dict({"image": [*cells, None], "label": [0, 1, 0, 1]})
    table.cast_column("image", datasets.Image()).to_parquet(str(tmp_path / "a.parquet"))
    arguments: dict[str, Any] = {"label_column": "label", "labels": "classes", "resolution": 4, "batch_size": 4}
    module = huggingface_dataset(tmp_path / "a.parquet", num_workers=0, **arguments)
    with pytest.raises(ValueError, match="image 1 cannot be read: it is none of JPEG"):
        module.dataset[1]
    with pytest.raises(ValueError, match="image 3 cannot be read: its cell is empty"):
        module.dataset[3]
    module = huggingface_dataset(tmp_path / "a.parquet", num_workers=0, on_error="skip", **arguments)
    with pytest.warns(UserWarning, match="skipped: image [13] cannot be read"):
        ((_, labels),) = module.train_dataloader()
    assert labels.tolist() == [0, 0, 0, 0]


# Safety --------------------------------------------------------------------------------------------------------------


class _Trap:
    def __reduce__(self) -> Any:
        return pytest.fail, ("a pickle was read",)


def test_no_code_is_run(tmp_path: Path) -> None:
    (tmp_path / "frame.pkl").write_bytes(pickle.dumps(_Trap()))
    with pytest.raises(ValueError, match="'pandas' cannot be opened: it is the name of a format; of formats, parquet"):
        huggingface_dataset("pandas", data_files=str(tmp_path / "frame.pkl"))
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "script.py").write_text("raise SystemExit('a script was run')")
    with pytest.raises(ValueError, match="cannot be opened: "):
        huggingface_dataset(tmp_path / "script")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="cannot be opened: it is of csv files, not of Parquet, Arrow, images or"):
        huggingface_dataset(tmp_path / "text")


def test_local_data_name_no_files_elsewhere(tmp_path: Path, parquet: Path) -> None:
    with pytest.raises(ValueError, match=r"data_files must be files of .*, got 'https://localhost:1/a\.parquet', "):
        huggingface_dataset(parquet, data_files="https://localhost:1/a.parquet")
    (tmp_path / "yaml").mkdir()
    (tmp_path / "yaml" / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files: https://localhost:1/a.parquet\n---\n"
    )
    with pytest.raises(ValueError, match="cannot be opened: "):
        huggingface_dataset(tmp_path / "yaml")
    stored = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    cells = pa.array([{"bytes": None, "path": "https://localhost:1/a.png"}], stored)
    pq.write_table(pa.table({"image": cells}), tmp_path / "far.parquet")
    with pytest.raises(ValueError, match=r"its bytes are not in the data set, but at https://localhost:1/a\.png"):
        huggingface_dataset(tmp_path / "far.parquet")


WITHOUT = """
import sys
sys.modules["datasets"] = None
from stylelayers.data import huggingface_dataset
for streaming in (False, True):
    try:
        huggingface_dataset("user/name", streaming=streaming)
    except ModuleNotFoundError as error:
        print(error)
"""


def test_without_the_extra_one_line_says_what_to_install() -> None:
    told = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True).stdout
    assert told == 2 * 'stylelayers.data needs datasets: pip install "stylelayers[hf]"\n'


# Runs ----------------------------------------------------------------------------------------------------------------


def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(parquet: Path, tmp_path: Path) -> None:
    given = [
        "data=huggingface", f"data.name={parquet}", "data.label_column=word", "data.labels=classes",
        "data.horizontal_flip=true", "data.num_workers=1",
    ]  # fmt: skip
    assert_resumes_exactly(tmp_path, *given)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "user/name"}, r"is not run.*data\.name: 'user/name'"),
        ({"data_files": "https://localhost:1/a.parquet"}, r"is not run.*data\.data_files: 'https"),
        ({"cache_dir": "/somewhere"}, r"is not run.*data\.cache_dir"),
        ({"name": "/moved/away"}, r"the data of .*'/moved/away', which does not exist; if they have moved"),
    ],
)
def test_metrics_build_local_data_alone(section: dict[str, Any], message: str, parquet: Path, tmp_path: Path) -> None:
    from omegaconf import OmegaConf

    def run(**data: Any) -> Path:
        target = {"_target_": "stylelayers.data.huggingface_dataset", "name": str(parquet), "resolution": 8}
        (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create({"data": {**target, **data}})))
        return tmp_path

    generator = Generator(8, z_dim=4, w_dim=4, channel_base=32).eval()
    save_generator(generator, tmp_path / "generator.safetensors")
    assert len(data_for(run(streaming=True), None, generator).dataset) == COUNT  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        data_for(run(**section), None, generator)
