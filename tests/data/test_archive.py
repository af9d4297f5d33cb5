"""image_archive: zip files and folders of images, their labels, and archives that are odd, damaged or hostile."""

from __future__ import annotations

import io
import json
import pickle
import re
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from stylelayers.data import ImageDataModule, Source, image_archive, image_folder
from stylelayers.data.archive_files import ZipFiles
from tests.data.pictures import pairs

Build = Callable[..., Path]
GREYS = [0, 85, 170, 255]
SHARDED = [f"00000/img{number:08d}.png" for number in range(4)]


def picture(grey: int, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 4), grey).save(buffer, options.pop("format", "png"), **options)
    return buffer.getvalue()


def build(path: Path, names: list[str], told: object = None, **files: bytes) -> Path:
    """A zip file, or a folder if the path has no ending, of pictures of :data:`GREYS` and ``dataset.json``."""
    contents = {name: picture(GREYS[number % 4]) for number, name in enumerate(names)} | files
    if told is not None:
        contents["dataset.json"] = told if isinstance(told, bytes) else json.dumps(told).encode()
    if path.suffix:
        with zipfile.ZipFile(path, "w") as archive:
            for number, (name, content) in enumerate(contents.items()):
                archive.writestr(name, content, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)[number % 2])
    else:
        for name, content in contents.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    return path


@pytest.fixture(params=["x.zip", "x"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The path of a zip file, and of a folder."""
    return tmp_path / str(request.param)


def shades(module: ImageDataModule) -> list[int]:
    return [round((float(image.mean()) + 1) * 127.5) for image, _ in pairs(module)]


def labelled(labels: list[Any], names: list[str] = SHARDED, **more: Any) -> dict[str, Any]:
    return {"labels": [list(pair) for pair in zip(names, labels, strict=True)], **more}


# What is read ---------------------------------------------------------------------------------------------------------


def test_class_numbers(place: Path) -> None:
    build(place, SHARDED, labelled([2, 0, 2, 1]))
    module = image_archive(place, labels="classes", resolution=4)
    assert shades(module) == GREYS
    assert [label for _, label in pairs(module)] == [2, 0, 2, 1]
    assert (module.num_labels, module.class_names) == (3, ())


def test_class_names_count_classes_without_images(place: Path) -> None:
    build(place, SHARDED, labelled([2, 0, 2, 1], class_names=["cats", "dogs", "pigs", "owls"]))
    module = image_archive(place, labels=True)
    assert (module.num_labels, module.class_names) == (4, ("cats", "dogs", "pigs", "owls"))


def test_vectors(place: Path) -> None:
    rows = [[0.2, 1], [0, -1.5], [1, 1], [0.1, 0]]
    build(place, SHARDED, labelled(rows, class_names=["smile", "age"]))
    module = image_archive(place, labels="vectors")
    torch.testing.assert_close(torch.stack([torch.as_tensor(label) for _, label in pairs(module)]), torch.tensor(rows))
    assert (module.num_labels, module.class_names) == (2, ("smile", "age"))


@pytest.mark.parametrize("told", [{"labels": None}, {"labels": []}, None])
def test_no_labels(place: Path, told: object) -> None:
    module = image_archive(build(place, SHARDED, told))
    assert ([label for _, label in pairs(module)], module.num_labels, module.remarks) == ([0] * 4, 0, ())


def test_labels_that_are_not_used_are_told(place: Path) -> None:
    build(place, SHARDED, labelled([2, 0, 2, 1]))
    assert image_archive(place).remarks == ("its labels (3 classes) are not used",)


def test_labels_in_any_order_as_a_mapping_and_repeated(place: Path) -> None:
    entries: list[Any] = [[name, number] for number, name in enumerate(SHARDED)]
    for told in (dict(reversed(entries)), [*reversed(entries), entries[1]]):
        module = image_archive(build(place, SHARDED, {"labels": told}), labels=True)
        assert [label for _, label in pairs(module)] == [0, 1, 2, 3]


def test_labels_of_missing_images_are_told(place: Path) -> None:
    build(place, SHARDED[:2], labelled([0, 1, 1, 1]))
    assert image_archive(place, labels=True).remarks == (f"2 labels belong to no image, such as {SHARDED[2]!r}",)


def test_folders_are_classes_where_there_are_no_labels(place: Path) -> None:
    for above in ("", "all of them/pictures/"):
        build(place, [f"{above}{name}/1.png" for name in ("b", "a", "c/deep", "a/deep")])
        module = image_archive(place, labels=True)
        assert module.class_names == ("a", "b", "c")
        assert [label for _, label in pairs(module)] == [0, 0, 1, 2]
        assert image_archive(place).num_labels == 0
        if not place.suffix:
            break


@pytest.mark.parametrize("build_module", [image_archive, image_folder])
def test_shards_are_no_classes(place: Path, build_module: Callable[..., ImageDataModule]) -> None:
    build(place, ["00000/img00000000.png", "00001/img00001000.png"])
    if place.suffix and build_module is image_folder:
        return
    assert build_module(place).num_labels == 0
    with pytest.raises(ValueError, match=r"labels must be 'none' for .*, whose folders are shards of a data set"):
        build_module(place, labels=True)


def test_a_folder_in_this_layout_is_recognised_by_image_folder(tmp_path: Path) -> None:
    build(tmp_path / "x", SHARDED, labelled([2, 0, 2, 1]))
    assert [label for _, label in pairs(image_folder(tmp_path / "x", labels=True))] == [2, 0, 2, 1]


NAMES = ["a b/1 (2).png", "[x]/{y}.png", "犬/Ёж.png", "Cafe\u0301/%20&'\".PNG"]


def test_any_names(place: Path) -> None:
    build(place, NAMES, labelled([0, 1, 2, 3], NAMES))
    module = image_archive(place, labels=True)
    found = {label: shade for (_, label), shade in zip(pairs(module), shades(module), strict=True)}
    assert found == dict(enumerate(GREYS))


def test_backslashes_as_some_programs_on_windows_write(tmp_path: Path) -> None:
    names = [f"{name}\\1.png" for name in "abcd"]
    build(tmp_path / "x.zip", names, labelled([3, 2, 1, 0], names))
    assert [label for _, label in pairs(image_archive(tmp_path / "x.zip", labels=True))] == [3, 2, 1, 0]


def test_an_archive_of_a_folder_in_this_layout(tmp_path: Path) -> None:
    told = json.dumps(labelled([2, 0, 2, 1])).encode()
    path = build(tmp_path / "x.zip", [f"faces/{name}" for name in SHARDED], **{"faces/dataset.json": told})
    assert [label for _, label in pairs(image_archive(path, labels=True))] == [2, 0, 2, 1]


def test_other_files_are_counted_and_hidden_ones_ignored(place: Path) -> None:
    others = {"notes.txt": b"x", "inner.zip": b"x", ".hidden/1.png": b"x", "__MACOSX/._1.png": b"x", "a/.1.png": b"x"}
    module = image_archive(build(place, ["1.png", "a/2.png"], **others))
    assert (len(pairs(module)), module.remarks) == (2, ("other files: 1 .zip, 1 .txt",))


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "tiff", "bmp", "gif"])
def test_every_format_is_read_from_a_zip_as_from_a_folder(tmp_path: Path, format: str) -> None:
    image = Image.linear_gradient("L").resize((300, 200)).convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, format, **({"exif": b"Exif\0\0" + bytes(60_000)} if format == "jpeg" else {}))
    content = {f"1.{format}": buffer.getvalue()}
    read = [image_archive(build(tmp_path / name, ["0.png"], **content), resolution=32) for name in ("x", "x.zip")]
    for one, other in zip(*map(pairs, read), strict=True):
        assert torch.equal(one[0], other[0])


def test_zip64(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for number, grey in enumerate(GREYS):
            with archive.open(f"{number}.png", "w", force_zip64=True) as file:
                file.write(picture(grey))
    assert shades(image_archive(tmp_path / "x.zip")) == GREYS


def test_an_archive_after_other_bytes(tmp_path: Path) -> None:
    build(tmp_path / "x.zip", SHARDED)
    (tmp_path / "x.zip").write_bytes(b"#!self-extracting\n" + (tmp_path / "x.zip").read_bytes())
    assert shades(image_archive(tmp_path / "x.zip")) == GREYS


# Reading from several places ------------------------------------------------------------------------------------------


def test_threads_and_processes_read_one_archive(tmp_path: Path) -> None:
    names = [f"{number:03d}.png" for number in range(96)]
    module = image_archive(build(tmp_path / "x.zip", names), batch_size=8, num_workers=0)
    expected = [GREYS[number % 4] for number in range(96)]
    with ThreadPoolExecutor(8) as pool:
        greys = pool.map(lambda index: round((float(module.dataset[index][0].mean()) + 1) * 127.5), range(96))
        assert list(greys) == expected
    alone = [images.clone() for images, _ in module.train_dataloader()]
    module.num_workers = 2
    for one, (images, _) in zip(alone, module.train_dataloader(), strict=True):
        assert torch.equal(one, images)


def test_archives_are_sent_to_workers_without_their_file(tmp_path: Path) -> None:
    module = image_archive(build(tmp_path / "x.zip", SHARDED))
    copy = pickle.loads(pickle.dumps(module.dataset))
    assert torch.equal(copy[1][0], module.dataset[1][0])


# Odd, damaged and hostile archives ------------------------------------------------------------------------------------

LABEL_ERRORS: dict[str, tuple[object, str]] = {
    "no JSON": (b"{", "it is no JSON"),
    "deep": (b"[" * 100_000, "it is no JSON"),
    "not UTF-8": (b'{"labels": "\xff"}', "it is no JSON"),
    "a list": ([1], 'it must hold {"labels"'),
    "no labels": ({"names": []}, 'it must hold {"labels"'),
    "text": ({"labels": "none"}, "labels must be a list of pairs of a name and a label, got str"),
    "no pair": ({"labels": [["a.png"]]}, "entry 0 of labels must be a pair of a name and a label, got ['a.png']"),
    "no name": ({"labels": [[1, 2]]}, "entry 0 of labels must be a pair of a name and a label, got [1, 2]"),
    "missing": (labelled([0, 1], SHARDED[1:3]), f"2 lack one: {SHARDED[0]!r}"),
    "two labels": ({"labels": [[SHARDED[0], 1], [SHARDED[0], 2]]}, f"{SHARDED[0]!r} has two labels, 1 and 2"),
    "null": (labelled([0, 1, None, 1]), f"{SHARDED[2]!r} must be a class number below 1,000,000, got None"),
    "negative": (labelled([0, -1, 0, 1]), f"{SHARDED[1]!r} must be a class number below 1,000,000, got -1"),
    "huge": (labelled([0, 10**30, 0, 1]), f"{SHARDED[1]!r} must be a class number below 1,000,000, got 1000"),
    "float": (labelled([0, 1.0, 0, 1]), f"{SHARDED[1]!r} must be a class number below 1,000,000, got 1.0"),
    "true": (labelled([0, True, 0, 1]), f"{SHARDED[1]!r} must be a class number below 1,000,000, got True"),
    "mixed length": (labelled([[1, 2], [1, 2], [1], [1, 2]]), f"{SHARDED[2]!r} must be a list of 2 numbers, like the"),
    "mixed kinds": (labelled([[1, 2], [1, 2], 3, [1, 2]]), f"{SHARDED[2]!r} must be a list of 2 numbers, like the"),
    "empty vectors": (labelled([[], [], [], []]), f"{SHARDED[0]!r} must be a class number below 1,000,000, got []"),
    "not a number": (b'{"labels": [["%s", [NaN]]]}' % SHARDED[0].encode(), "must be a list of 1 numbers"),
    "too large": (labelled([[1], [10**400], [1], [1]]), f"{SHARDED[1]!r} must be a list of 1 numbers, like the"),
    "few names": (labelled([0, 1, 2, 1], class_names=["a", "b"]), "class_names must be a list of 3 different names"),
    "equal names": (labelled([0, 1, 0, 1], class_names=["a", "a"]), "class_names must be a list of 2 different names"),
    "names of vectors": (labelled([[1], [2], [3], [4]], class_names=["a", "b"]), "must be a list of 1 different"),
}  # fmt: skip


@pytest.mark.parametrize("kind", LABEL_ERRORS)
def test_labels_that_are_none_are_named(place: Path, kind: str) -> None:
    told, message = LABEL_ERRORS[kind]
    build(place, SHARDED[:1] if kind == "not a number" else SHARDED, told)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        image_archive(place, labels=True)
    assert str(place / "dataset.json") in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("told", "asked", "kind"),
    [
        (labelled([0, 1, 0, 1]), "vectors", "classes"),
        (labelled([[0], [1], [0], [1]]), "classes", "vectors"),
        ({"labels": None}, "classes", "none"),
        (None, "vectors", "none"),
    ],
)
def test_labels_of_another_kind_are_refused(place: Path, told: object, asked: Any, kind: str) -> None:
    build(place, SHARDED, told)
    with pytest.raises(ValueError, match=rf"labels must be '{kind}' for .*dataset\.json, got '{asked}'"):
        image_archive(place, labels=asked)


def central(content: bytes) -> int:
    """Where the first entry of the directory begins."""
    return content.index(b"PK\1\2")


def patched(path: Path, values: Mapping[int, bytes], *, local: Mapping[int, bytes] | None = None) -> None:
    """Write over bytes of the first entry of the directory, and of the first file's own header."""
    content = bytearray(path.read_bytes())
    for base, patches in ((central(bytes(content)), values), (0, local or {})):
        for offset, new in patches.items():
            content[base + offset : base + offset + len(new)] = new
    path.write_bytes(bytes(content))


def uint(value: int, size: int = 4) -> bytes:
    return value.to_bytes(size, "little")


PATCHES: dict[str, tuple[dict[int, bytes], str]] = {  # offsets in an entry of the directory
    "encrypted": ({8: uint(1, 2)}, "it is encrypted, or packed by a method other than deflate"),
    "LZMA": ({10: uint(14, 2)}, "it is encrypted, or packed by a method other than deflate"),
    "longer than it is": ({24: uint(500_000)}, "it has not the 500,000 bytes that the archive says"),
    "shorter than it is": ({24: uint(20)}, r"truncated|it has not the 20 bytes"),
    "2 GiB": ({24: uint(1 << 31)}, "it has 2,147,483,648 bytes, more than the 1,073,741,824"),
    "packed in 2 GiB": ({20: uint(1 << 31)}, "it has 2,147,483,648 bytes, more than the 1,073,741,824"),
    "elsewhere": ({42: uint(7)}, "the archive is cut off or damaged there"),
    "behind the end": ({42: uint(1 << 30)}, "cut off|Bad offset|no zip archive"),
}


@pytest.mark.parametrize("kind", PATCHES)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_entries_that_lie_are_named(tmp_path: Path, kind: str, method: int) -> None:
    values, message = PATCHES[kind]
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
        archive.writestr("0.png", picture(0))
        archive.writestr("1.png", picture(85))
    patched(tmp_path / "x.zip", values)
    with pytest.raises(ValueError, match=message) as error:
        pairs(image_archive(tmp_path / "x.zip", num_workers=0))
    assert str(tmp_path / "x.zip") in str(error.value)
    assert "\n" not in str(error.value)
    if "no zip archive" not in str(error.value):
        assert "0.png" in str(error.value)
        with pytest.warns(UserWarning, match=r"skipped.*0\.png"):
            image_archive(tmp_path / "x.zip", on_error="skip", verify="decode")


def test_a_bomb_is_read_in_bounded_memory(tmp_path: Path) -> None:
    bomb = zlib.compressobj(9, wbits=-15)
    packed = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(200)) + bomb.flush()
    name = b"0.png"
    sizes = uint(0) + uint(len(packed)) + uint(1000)
    header = struct.pack("<4sHHHHH", b"PK\3\4", 20, 0, 8, 0, 0) + sizes + uint(len(name), 2) + uint(0, 2)
    entry = struct.pack("<4sHHHHHH", b"PK\1\2", 20, 20, 0, 8, 0, 0) + sizes + uint(len(name), 2) + bytes(12) + uint(0)
    directory = entry + name
    start = len(header) + len(name) + len(packed)
    end = b"PK\5\6" + bytes(4) + uint(1, 2) * 2 + uint(len(directory)) + uint(start) + uint(0, 2)
    (tmp_path / "x.zip").write_bytes(header + name + packed + directory + end)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"0\.png.*it has not the 1,000 bytes"):
        image_archive(tmp_path / "x.zip")
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["../0.png", "a/../../0.png", "/0.png", "..\\0.png"])
def test_names_that_leave_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    build(tmp_path / "x.zip", [name, "1.png"])
    with pytest.raises(ValueError, match=r"x\.zip' holds '.*', which leaves the archive"):
        image_archive(tmp_path / "x.zip")


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "truncated": (lambda content: content[: len(content) // 2], "is no zip archive that can be read: "),
    "empty": (lambda content: b"", "is no zip archive that can be read: "),
    "text": (lambda content: b"<!DOCTYPE html>", "is no zip archive that can be read: File is not a zip file"),
    "no names": (lambda content: content.replace(b"PK\1\2", b"PK\1\3"), "is no zip archive that can be read: "),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_archives_are_refused(tmp_path: Path, kind: str) -> None:
    change, message = BROKEN[kind]
    path = build(tmp_path / "x.zip", SHARDED)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=rf"^image_archive: root: '.*x\.zip' {message}"):
        image_archive(path)


def test_archives_without_images_are_refused(place: Path) -> None:
    build(place, [], **{"inner.zip": b"x", "notes.txt": b"x"})
    with pytest.raises(ValueError, match=r"^image_archive: root must name .*, which holds no image but 1 .*, 1 .*"):
        image_archive(place)
    with pytest.raises(ValueError, match="which does not exist"):
        image_archive(place / "missing")


def test_unreadable_images_are_skipped_with_their_labels(place: Path) -> None:
    build(place, [*SHARDED[:2], *SHARDED[3:]], labelled([2, 0, 3, 1]), **{SHARDED[2]: b"no image"})
    with pytest.raises(ValueError, match=rf"readable images, got .*{SHARDED[2]} \(it is none of"):
        image_archive(place, labels=True)
    with pytest.warns(UserWarning, match=r"skipped 1 unreadable files of 4; the first is .*00002\.png"):
        module = image_archive(place, labels=True, on_error="skip")
    assert [label for _, label in pairs(module)] == [2, 0, 1]
    source: Source = module.dataset.source  # type: ignore[attr-defined]
    assert [name.endswith("img00000002.png (it is none of JPEG, PNG, WEBP, TIFF, BMP, GIF)") for name in source.skipped]


def test_headers_are_read_from_the_first_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name, grey in zip(SHARDED, GREYS, strict=True):
            buffer = io.BytesIO()
            Image.new("L", (256, 256), grey).save(buffer, "png", compress_level=0)
            archive.writestr(name, buffer.getvalue(), zipfile.ZIP_DEFLATED)
    whole: list[int] = []
    read = ZipFiles._read

    def counted(files: ZipFiles, index: int, length: int) -> bytes:
        whole.extend([index] if length > 1 << 15 else [])
        return read(files, index, length)

    monkeypatch.setattr(ZipFiles, "_read", counted)
    assert shades(image_archive(tmp_path / "x.zip", num_workers=0)) == GREYS
    assert whole == [0, 0, 1, 2, 3]  # the first image, which the data module looks at, and then each once
