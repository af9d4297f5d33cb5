"""The index of image files: what is opened, and when; and files of names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from stylelayers.data import image_archive, image_folder
from stylelayers.data import index as indexing
from stylelayers.data.names import Names
from stylelayers.images import read_header
from tests.data.pictures import pairs, stripes
from tests.data.test_archive import SHARDED, build

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("STYLELAYERS_CACHE", str(folder))
    return folder


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose header is read."""
    names: list[str] = []
    read = read_header

    def counted(file: object) -> object:
        names.append(os.path.basename(str(file)))
        return read(file)  # type: ignore[arg-type]

    monkeypatch.setattr(indexing, "read_header", counted)
    return names


def fill(folder: Path, count: int = 5) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        stripes(20 + number).save(folder / f"{number}.png")
    return folder


def test_only_new_and_changed_files_are_opened_again(tmp_path: Path, opened: list[str]) -> None:
    folder = fill(tmp_path / "images")
    image_folder(folder)
    assert sorted(opened) == [f"{number}.png" for number in range(5)]
    opened.clear()
    image_folder(folder)
    assert opened == []
    stripes(90).save(folder / "1.png")
    stripes(91).save(folder / "9.png")
    (folder / "2.png").unlink()
    image_folder(folder)
    assert sorted(opened) == ["1.png", "9.png"]
    opened.clear()
    os.utime(folder / "3.png", ns=(1, 1))
    image_folder(folder)
    assert opened == ["3.png"]


def test_decoding_is_done_once_and_contains_the_header(tmp_path: Path, opened: list[str]) -> None:
    folder = fill(tmp_path / "images")
    image_folder(folder)
    for expected in (5, 0):
        opened.clear()
        image_folder(folder, verify="decode")
        assert len(opened) == expected
    opened.clear()
    image_folder(folder)
    assert opened == []


def test_unreadable_files_are_tried_again(tmp_path: Path, opened: list[str]) -> None:
    folder = fill(tmp_path / "images")
    content = (folder / "2.png").read_bytes()
    (folder / "2.png").write_bytes(b"")
    for _ in range(2):
        opened.clear()
        with pytest.warns(UserWarning, match=r"2\.png \(it is empty\)"):
            assert len(pairs(image_folder(folder, on_error="skip"))) == 4
    assert opened == ["2.png"]
    (folder / "2.png").write_bytes(content)
    assert len(pairs(image_folder(folder))) == 5


def test_an_archive_is_known_by_the_checksums_of_its_files(tmp_path: Path, opened: list[str]) -> None:
    build(tmp_path / "x.zip", SHARDED)
    image_archive(tmp_path / "x.zip")
    assert len(opened) == 4
    os.utime(tmp_path / "x.zip", ns=(1, 1))
    opened.clear()
    image_archive(tmp_path / "x.zip")
    assert opened == []


@pytest.mark.parametrize("content", [b"", b"x" * 100, None])
def test_a_damaged_index_is_made_anew(tmp_path: Path, cache: Path, opened: list[str], content: bytes | None) -> None:
    folder = fill(tmp_path / "images")
    image_folder(folder)
    (path,) = (cache / "images").glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    opened.clear()
    with pytest.warns(UserWarning, match=r"image files are indexed anew: .*\.safetensors is damaged"):
        image_folder(folder)
    assert len(opened) == 5
    opened.clear()
    image_folder(folder)
    assert opened == []


def test_without_a_cache_that_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STYLELAYERS_CACHE", str(tmp_path / "file" / "cache"))
    folder = fill(tmp_path / "images")
    with pytest.warns(UserWarning, match="the index of images was not kept, and is made anew by the next run"):
        module = image_folder(folder)
    assert len(pairs(module)) == 5


TWO = """
import sys
from stylelayers.data import index
read, opened = index.read_header, []
index.read_header = lambda file: (opened.append(file), read(file))[1]
from stylelayers.data import image_folder
sys.stdin.readline()
image_folder(sys.argv[1])
print(len(opened))
"""


def test_of_two_processes_one_reads_and_the_other_waits(tmp_path: Path) -> None:
    folder = fill(tmp_path / "images", 40)
    pipe = subprocess.PIPE
    runs = [
        subprocess.Popen([sys.executable, "-c", TWO, str(folder)], stdin=pipe, stdout=pipe, text=True) for _ in range(2)
    ]
    assert sorted(int(run.communicate("\n", timeout=120)[0]) for run in runs) == [0, 40]


# Names ----------------------------------------------------------------------------------------------------------------


def test_names_are_a_list_of_text() -> None:
    given = ["", "a b.png", "[x]/犬.png", os.fsdecode(b"\xff\xfe.png"), "", "x" * 300]
    names = Names(given)
    assert [*names] == given
    assert (len(names), names[-1], [*names[1:3]], names.index("a b.png")) == (6, given[-1], given[1:3], 1)
    assert [*names.select(torch.tensor([3, 0]))] == [given[3], ""]
    assert names.equals(Names(given))
    assert not names.equals(Names(given[:-1]))
    assert not names.equals(Names([*given[:-1], "y" * 300]))
    assert [*Names.from_tensors(names.text, names.ends)] == given
    assert [*Names([])] == []
    for index in (6, -7):
        with pytest.raises(IndexError, match=rf"in \[-6, 6\), got {index}"):
            names[index]
