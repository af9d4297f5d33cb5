"""image_folder: which files are read, their labels, and files that cannot be read."""

import os
import warnings
from pathlib import Path

import pytest
import torch

from stylelayers.data import image_folder
from tests.data.pictures import GREEN, colour, noise_jpeg, pairs, stripes


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("resize", ["crop", "fit", "stretch"])
def test_folder_reads_every_kind_of_file(mixed: Path, channels: int, resize: str) -> None:
    module = image_folder(mixed, resolution=(8, 12), image_channels=channels, resize=resize, batch_size=10)
    (images, labels), *rest = module.train_dataloader()
    assert (images.shape, rest) == ((10, channels, 8, 12), [])
    assert (images.min() >= -1).all() and (images.max() <= 1).all()
    assert (module.image_channels, module.resolution, module.num_labels) == (channels, (8, 12), 0)
    assert labels.tolist() == [0] * 10


def test_folder_is_sorted_and_labelled_by_its_sub_folders(mixed: Path) -> None:
    module = image_folder(mixed, resolution=9, labels=True)
    assert module.num_labels == 2
    assert [label for _, label in pairs(module)] == [0] * 5 + [1] * 5
    white = [torch.equal(image, torch.ones(3, 9, 9)) for image, _ in pairs(module)]
    assert white == [False] * 8 + [True] * 2
    assert colour(module.dataset[0][0], 4, 4) == GREEN


def test_truncated_image_is_named_before_training(tmp_path: Path) -> None:
    stripes().save(tmp_path / "a.png")
    noise_jpeg(tmp_path / "broken.jpg", keep=0.5)
    with pytest.raises(ValueError, match=r"readable images, got .*broken\.jpg \(.*truncated.*set on_error=\"skip\""):
        image_folder(tmp_path, verify="decode")
    module = image_folder(tmp_path)
    with pytest.raises(ValueError, match=r"broken\.jpg cannot be read: .*truncated"):
        pairs(module)


def test_unreadable_images_can_be_skipped(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        noise_jpeg(tmp_path / name / "whole.jpg")
    noise_jpeg(tmp_path / "a" / "cut.jpg", keep=0.5)
    (tmp_path / "b" / "whole.jpg").write_bytes(b"not an image")
    told = r"skipped 2 unreadable files of 4; .*cut\.jpg.*; sub-folders without readable images are no classes .*: 'b'$"
    with pytest.warns(UserWarning, match=told) as caught:
        module = image_folder(tmp_path, labels=True, on_error="skip", verify="decode")
    assert len(caught) == 1
    assert [label for _, label in pairs(module)] == [0, 1]
    assert (module.num_labels, module.class_names) == (2, ("a", "c"))


def test_readable_folders_give_no_warning(mixed: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image_folder(mixed, on_error="skip")


EMPTY_CLASSES: dict[str, dict[str, bytes | None]] = {
    "nothing": {"b": None},
    "no pictures": {"b/notes.txt": b"none", "b/list.csv": b"none"},
    "hidden pictures": {"b/.1.png": b"none", "b/.ipynb_checkpoints/1-checkpoint.png": b"none", "b/__MACOSX/1.png": b""},
    "empty folders": {"b/deep/deeper": None},
}


def put(folder: Path, files: dict[str, bytes | None]) -> None:
    """Write files with so many bytes, and folders where there are none."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).mkdir() if content is None else (folder / name).write_bytes(content)


@pytest.mark.parametrize("kind", EMPTY_CLASSES)
def test_empty_classes_warn_and_have_no_number(tmp_path: Path, kind: str) -> None:
    for name in "ac":
        (tmp_path / name).mkdir()
        stripes().save(tmp_path / name / "1.png")
    put(tmp_path, EMPTY_CLASSES[kind])
    with pytest.warns(UserWarning, match="sub-folders without readable images are no classes and have no number: 'b'$"):
        module = image_folder(tmp_path, labels=True)
    assert (module.num_labels, module.class_names) == (2, ("a", "c"))
    assert [label for _, label in pairs(module)] == [0, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert image_folder(tmp_path).class_names == ()
    (tmp_path / "c" / "1.png").unlink()
    with pytest.raises(ValueError, match=r"at least 2 sub-folders .* with only 'a'; sub-folders without .*: 'b', 'c'$"):
        image_folder(tmp_path, labels=True)


SYSTEM = (".git", ".ipynb_checkpoints", "__MACOSX", "@eaDir", ".Trash-1000", "lost+found", "$RECYCLE.BIN")


@pytest.mark.parametrize("name", SYSTEM)
def test_folders_of_tools_and_systems_are_no_classes(tmp_path: Path, name: str) -> None:
    for folder in ("a", "b", name, f"a/{name}"):
        (tmp_path / folder).mkdir(parents=True)
        stripes().save(tmp_path / folder / "1.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module = image_folder(tmp_path, labels=True)
    assert (module.class_names, len(pairs(module)), module.remarks) == (("a", "b"), 2, ())


@pytest.mark.parametrize("name", ["x.tif", "x.TIFF", "x.bmp", "x.gif", "x.jfif"])
def test_every_ending_is_read(tmp_path: Path, name: str) -> None:
    stripes().save(tmp_path / "a.png")
    stripes().save(tmp_path / name, format="JPEG" if name.endswith("jfif") else None)
    assert len(pairs(image_folder(tmp_path))) == 2


OTHERS: dict[str, tuple[dict[str, bytes], str]] = {
    "other formats": ({"a.heic": b"x", "b/c.HEIC": b"", "d.psd": b"x"}, r"files .*\(2 \.heic, 1 \.psd\), .*a\.heic$"),
    "without an ending": ({"a": b"", "img001": b"BM"}, r"files .*\(1 without ending\), .*img001$"),
    "another ending": ({"a.jpg_large": b"BM"}, r"files .*\(1 \.jpg_large\), .*a\.jpg_large$"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_ignored_images_warn(tmp_path: Path, kind: str) -> None:
    files, told = OTHERS[kind]
    stripes().save(tmp_path / "1.png")
    put(tmp_path, {name: content for name, content in files.items() if content != b"BM"})
    for name in (name for name, content in files.items() if content == b"BM"):
        stripes().save(tmp_path / name, format="BMP")
    with pytest.warns(UserWarning, match=rf"ignored {told}"):
        module = image_folder(tmp_path)
    assert len(pairs(module)) == 1


def test_other_files_are_counted(tmp_path: Path) -> None:
    stripes().save(tmp_path / "1.png")
    put(tmp_path, {"a.txt": b"x", "b.txt": b"", "c/d.csv": b"x", "LICENSE": b"x", "Thumbs.db": b"x", ".DS_Store": b"x"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert image_folder(tmp_path).remarks == ("other files: 2 .txt, 1 without ending, 1 .csv",)


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    for folder in ("root/a/deep", "root/b", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
        stripes().save(tmp_path / folder / "1.png")
    for link, target in (("root/c", "elsewhere"), ("root/circle", "root"), ("root/a/deep/up", "root/a")):
        (tmp_path / link).symlink_to(tmp_path / target, target_is_directory=True)
    module = image_folder(tmp_path / "root", labels=True)
    assert (module.class_names, [label for _, label in pairs(module)]) == (("a", "b", "c"), [0, 1, 2])


def test_class_names_are_printable_text(tmp_path: Path) -> None:
    for folder in (b"Cafe\xcc\x81", b"\xff", b"a b, c", "犬".encode()):
        path = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), folder)))
        path.mkdir()
        stripes().save(path / "1.png")
    assert image_folder(tmp_path, labels=True).class_names == ("Café", "a b, c", "犬", "\ufffd")


@pytest.mark.parametrize("folders", [("é".encode(), b"e\xcc\x81"), (b"\xff", b"\xfe")])
def test_folders_with_the_same_printed_name_are_refused(tmp_path: Path, folders: tuple[bytes, bytes]) -> None:
    for folder in (b"a", *folders):
        path = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), folder)))
        path.mkdir()
        stripes().save(path / "1.png")
    with pytest.raises(
        ValueError, match=r"^image_folder: root must hold sub-folders of different names .* are both the class"
    ):
        image_folder(tmp_path, labels=True)
    assert len(image_folder(tmp_path, labels=False).dataset) == 3  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["x.png", "x"])
def test_named_pipes_do_not_block(tmp_path: Path, name: str) -> None:
    stripes().save(tmp_path / "a.png")
    os.mkfifo(tmp_path / name)
    if name == "x":
        assert len(image_folder(tmp_path).dataset) == 1  # type: ignore[arg-type]
        return
    with pytest.raises(ValueError, match=r"readable images, got .*x\.png \(it is no regular file\)"):
        image_folder(tmp_path)


def test_a_folder_without_readable_images_is_an_error(tmp_path: Path) -> None:
    noise_jpeg(tmp_path / "cut.jpg", keep=0.5)
    with pytest.raises(ValueError, match=r"none of 1 files is readable; the first is .*cut\.jpg"):
        image_folder(tmp_path, on_error="skip", verify="decode")


def test_folder_errors_say_what_to_change(tmp_path: Path) -> None:
    expected = r"^image_folder: root must name a folder of JPEG, PNG, WebP, TIFF, BMP or GIF images, got "
    (tmp_path / "notes.txt").write_text("not an image")
    for root, match in [
        (None, "None$"),
        ("", "''$"),
        (tmp_path / "missing", r"'.*missing', which does not exist$"),
        ("~nobody-here/x", "'~nobody-here/x', which does not exist$"),
        (tmp_path / "notes.txt", r"'.*notes\.txt', which is a file$"),
        (tmp_path, r"'.*', which holds no \.jpg, \.jpeg, .*, \.gif file but 1 \.txt$"),
    ]:
        with pytest.raises(ValueError, match=expected + match):
            image_folder(root)


def test_labels_need_two_sub_folders(mixed: Path) -> None:
    with pytest.raises(ValueError, match=r"at least 2 sub-folders .*with only 'deep'"):
        (mixed / "b" / "1.webp").unlink()
        (mixed / "b" / "2.png").unlink()
        (mixed / "b" / "3.jpg").unlink()
        image_folder(mixed / "b", labels=True)
    stripes().save(mixed / "loose.png")
    with pytest.raises(ValueError, match=r"in the sub-folder of its class for labels='classes', got .*loose\.png"):
        image_folder(mixed, labels=True)
