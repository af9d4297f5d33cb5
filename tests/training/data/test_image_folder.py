"""image_folder: which files are read, their labels, and files that cannot be read."""

import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image

from stylelayers.training.data import image_folder
from tests.training.data.pictures import GREEN, colour, noise_jpeg, pairs, stripes


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


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.webp"])
def test_exif_orientation_is_honoured(tmp_path: Path, name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stripes(60, 30).save(tmp_path / name, exif=exif)
    out = image_folder(tmp_path, resolution=(60, 30)).dataset[0][0]
    rows = [out[:, row, 15].argmax().item() for row in (5, 30, 55)]
    assert rows == [0, 1, 2]


def test_truncated_image_is_named_before_training(tmp_path: Path) -> None:
    stripes().save(tmp_path / "a.png")
    noise_jpeg(tmp_path / "broken.jpg", keep=0.5)
    with pytest.raises(ValueError, match=r"unreadable image: .*broken\.jpg \(.*truncated.*data\.on_error=skip"):
        image_folder(tmp_path)


def test_unreadable_images_can_be_skipped(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        noise_jpeg(tmp_path / name / "whole.jpg")
    noise_jpeg(tmp_path / "a" / "cut.jpg", keep=0.5)
    (tmp_path / "b" / "whole.jpg").write_bytes(b"not an image")
    with pytest.warns(UserWarning, match=r"skipped 2 unreadable files of 4; .*cut\.jpg") as caught:
        module = image_folder(tmp_path, labels=True, on_error="skip")
    assert len(caught) == 1
    assert [label for _, label in pairs(module)] == [0, 1]
    assert module.num_labels == 2


def test_readable_folders_give_no_warning(mixed: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image_folder(mixed, on_error="skip")


def test_a_folder_without_readable_images_is_an_error(tmp_path: Path) -> None:
    noise_jpeg(tmp_path / "cut.jpg", keep=0.5)
    with pytest.raises(ValueError, match=r"none of 1 files is readable; the first is .*cut\.jpg"):
        image_folder(tmp_path, on_error="skip")


def test_folder_errors_say_what_to_change(tmp_path: Path) -> None:
    expected = r"^data\.root must name a folder of JPEG, PNG or WebP images, got "
    (tmp_path / "notes.txt").write_text("not an image")
    for root, match in [
        (None, "None$"),
        ("", "''$"),
        (tmp_path / "missing", r"'.*missing', which does not exist$"),
        (tmp_path / "notes.txt", r"'.*notes\.txt', which is a file$"),
        (tmp_path, r"'.*', which holds no \.jpg, \.jpeg, \.png, \.webp file$"),
    ]:
        with pytest.raises(ValueError, match=expected + match):
            image_folder(root)


def test_labels_need_two_sub_folders(mixed: Path) -> None:
    with pytest.raises(ValueError, match=r"at least 2 sub-folders .*got only 'deep'"):
        (mixed / "b" / "1.webp").unlink()
        (mixed / "b" / "2.png").unlink()
        (mixed / "b" / "3.jpg").unlink()
        image_folder(mixed / "b", labels=True)
    stripes().save(mixed / "loose.png")
    with pytest.raises(ValueError, match=r"in the sub-folder of its class, got .*loose\.png"):
        image_folder(mixed, labels=True)
