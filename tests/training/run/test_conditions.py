"""Label vectors and transparent images, from the data through training to files, commands and numbers of quality."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor
from torch.utils.data import Dataset
from typer.testing import CliRunner

import train
from stylelayers.checkpoints import describe, load_generator, load_networks
from stylelayers.cli import app as commands
from stylelayers.data import ImageDataModule
from stylelayers.images import to_pixels
from stylelayers.metrics import QualityMeter, feature_space
from stylelayers.training import ImageGrid
from tests.training.tiny import BATCH, fit, tiny_config, tiny_gan

NAMES = ("bright", "wide")
HERE = "data._target_=tests.training.run.test_conditions."


class Squares(Dataset[Any]):
    """Squares on a background; the label is their brightness and whether they are wide."""

    resize_filter, own_features = "none", "random"

    def __init__(self, channels: int) -> None:
        self.channels = channels

    def __len__(self) -> int:
        return 3 * BATCH

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        brightness, wide = index / len(self), index % 2
        image = torch.full((self.channels, 8, 8), -1.0)
        image[:, 2:6, 3 - 2 * wide : 5 + 2 * wide] = 2 * brightness - 1
        if self.channels in (2, 4):
            image[-1, 2:6] = 1
        image = image.flip(2) if torch.rand(()) < 0.5 else image
        return image, torch.tensor([brightness, wide])


def vectors(
    resolution: Any, image_channels: int, labels: Any, batch_size: int, num_workers: int, images_per_class: int = 1
) -> ImageDataModule:
    """In the place of a source of label vectors."""
    return ImageDataModule(
        Squares(image_channels),
        batch_size=batch_size,
        num_labels=2,
        class_names=NAMES,
        label_kind="vectors",
    )


def classes(
    resolution: Any, image_channels: int, labels: Any, batch_size: int, num_workers: int, images_per_class: int = 1
) -> ImageDataModule:
    images = torch.zeros(8, image_channels, 8, 8)
    pairs = torch.utils.data.TensorDataset(images, torch.arange(8) % 2)
    return ImageDataModule(pairs, batch_size=batch_size, num_labels=2)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(commands.app, list(arguments))


def succeed(line: str) -> str:
    result = run(*shlex.split(line))
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr or result.exception
    return str(result.stdout)


def configuration(output: Path, *overrides: str) -> Any:
    data = (HERE + "vectors", "data.image_channels=4", "augment=ada", "augment.p=0.9")
    metrics = ("callbacks=metrics", "callbacks.quality.meter.cache=null")
    return tiny_config(output, *data, *metrics, *overrides)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on RGBA images with label vectors."""
    folder = tmp_path_factory.mktemp("conditions") / "run"
    numbers = train.train(configuration(folder))
    assert all(torch.tensor(list(numbers.values())).isfinite())
    assert {"quality/fid", "loss/generator"} <= numbers.keys()
    assert "quality/asked_recognised" not in numbers
    return folder


@pytest.fixture
def workplace(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a link to the run."""
    (tmp_path / "RUN").symlink_to(trained)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_know_that_labels_are_vectors_and_what_they_are(trained: Path) -> None:
    for path in (trained, trained / "checkpoints" / "last.ckpt", trained / "best.safetensors"):
        generator = load_generator(path)
        told = describe(path)
        assert (generator.label_kind, generator.class_names, generator.image_channels) == ("vectors", NAMES, 4)
        assert (told.label_kind, told.class_names) == ("vectors", NAMES)
    discriminator = load_networks(trained / "checkpoints" / "last.ckpt").discriminator
    assert discriminator is not None and discriminator.num_labels == 2


def test_the_average_depends_on_every_entry(trained: Path) -> None:
    generator = load_generator(trained)
    labels = torch.tensor([[0.2, 0.0], [0.7, 0.0], [0.2, 1.0]])
    images = generator(torch.randn(1, 4).expand(3, -1), labels, noise="none")
    assert all(not torch.equal(images[0], other) for other in images[1:])


def test_a_run_that_is_resumed_draws_the_same_columns(trained: Path, tmp_path: Path) -> None:
    train.train(configuration(tmp_path / "run", f"callbacks.stop.max_images={4 * BATCH}"))
    one = tmp_path / "again"
    train.train(configuration(one, f"callbacks.stop.max_images={2 * BATCH}"))
    train.train(configuration(one, f"callbacks.stop.max_images={4 * BATCH}", "resume=auto"))
    ours, theirs = (Image.open(folder / "samples" / "last.png") for folder in (one, tmp_path / "run"))
    assert ours.mode == "RGBA"
    assert ours.tobytes() == theirs.tobytes()


def test_the_grids_columns_have_the_labels_of_real_images() -> None:
    data = vectors(8, 1, True, BATCH, 0)
    before = torch.get_rng_state()
    drawn = data.draw_label_vectors(50, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    real = torch.stack([data.dataset[index][1] for index in range(3 * BATCH)])
    assert {tuple(row.tolist()) for row in drawn} == {tuple(row.tolist()) for row in real}
    assert torch.equal(drawn, data.draw_label_vectors(50, seed=1))
    assert not torch.equal(drawn, data.draw_label_vectors(50, seed=2))


def test_a_grid_of_vectors_without_a_data_module_of_ours_is_refused(tmp_path: Path) -> None:
    model = tiny_gan(labels=2)
    model.name_classes((), "vectors")
    with pytest.raises(ValueError, match="ImageGrid: label vectors are drawn from an ImageDataModule, got NoneType"):
        ImageGrid(tmp_path)._labels(type("Without", (), {})(), model.generator)  # type: ignore[arg-type]


def test_the_first_line_tells_of_vectors(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    train.train(configuration(tmp_path / "run", f"callbacks.stop.max_images={BATCH}"))
    assert "data: 12 images, vectors of 2 (bright, wide)" in capsys.readouterr().out


# Other kinds of labels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strict", [True, False])
def test_a_run_is_not_resumed_with_labels_of_another_kind(trained: Path, tmp_path: Path, strict: bool) -> None:
    overrides = [HERE + "classes", "data.image_channels=4", "augment=ada"]
    message = r"^resume: the checkpoint .*last\.ckpt is of a run whose labels are vectors, and the data's are classes; "
    with pytest.raises(ValueError, match=message):
        train.train(tiny_config(tmp_path / "run", *overrides, f"resume={trained}", f"initialize_strict={strict}"))


def test_checkpoints_of_earlier_versions_are_of_classes(tmp_path: Path) -> None:
    trainer = fit(tiny_gan(labels=2), 1, data=classes(8, 1, True, BATCH, 0))
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    contents = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert contents.pop("label_kind") == "classes"
    torch.save(contents, tmp_path / "last.ckpt")
    assert describe(tmp_path / "last.ckpt").label_kind == load_generator(tmp_path / "last.ckpt").label_kind == "classes"
    fit(tiny_gan(labels=2), 1, resume=tmp_path / "last.ckpt", data=classes(8, 1, True, BATCH, 0))
    with pytest.raises(ValueError, match="labels are classes, and the data's are vectors"):
        fit(tiny_gan(labels=2), 1, resume=tmp_path / "last.ckpt", data=vectors(8, 1, True, BATCH, 0))


def test_networks_of_labels_of_another_kind_are_told(trained: Path, tmp_path: Path) -> None:
    overrides = [HERE + "classes", "data.image_channels=4", f"initialize_from={trained}"]
    message = "initialize_from: the labels of its networks are vectors, and the data's are classes"
    with pytest.warns(UserWarning, match=message):
        train.train(tiny_config(tmp_path / "run", *overrides))
    assert load_generator(tmp_path / "run").label_kind == "classes"


# Commands -----------------------------------------------------------------------------------------------------------


def test_info_tells_the_kind(workplace: Path) -> None:
    assert json.loads(succeed("info RUN --json"))["label_kind"] == "vectors"


@pytest.mark.parametrize("line", ["generate RUN x.png", "mix RUN x.png", "directions RUN out", "interpolate RUN x.gif"])
def test_pictures_need_labels_and_show_them(workplace: Path, line: str) -> None:
    result = run(*shlex.split(line))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "stylelayers: --labels must be given: vectors of 2 numbers such as 0.2,0.8 (bright, wide), or names "
        "joined by +\n"
    )
    shown = []
    for labels in ("--labels 0.5,1", "--labels bright=0.5+wide", "--labels -0.5,0"):
        result = run(*shlex.split(line), *labels.split(), *(["--frames=2"] if "gif" in line else []))
        assert result.exit_code == 0, result.stderr
        assert ("no alpha channel" in result.stderr) == ("gif" in line)
        made = next(path for path in workplace.rglob("*.*") if path.suffix in (".png", ".gif"))
        shown.append(made.read_bytes())
        assert "gif" in line or Image.open(made).mode == "RGBA"
    assert shown[0] == shown[1] != shown[2]


def test_several_vectors_run_along_the_seeds(workplace: Path) -> None:
    succeed("generate RUN many --seeds 3-5 --labels 0.5,1 --labels bright,wide=0.2")
    for seed, labels in ((3, "0.5,1"), (4, "1,0"), (5, "0,0.2")):
        succeed(f"generate RUN one --seeds {seed} --labels {labels}")
        many, one = (np.asarray(Image.open(f"{name}/seed{seed:04d}.png"), dtype=int) for name in ("many", "one"))
        assert abs(many - one).max() <= 1


WRONG = {
    "0.5": "vectors of 2 numbers such as 0.2,0.8 (bright, wide), or names joined by +, got 1 number: '0.5'",
    "1,2,3": "got 3 numbers: '1,2,3'",
    "0-1": "labels must be among the names bright, wide, got '0-1'",
    "''": "labels must be among the names bright, wide, got ''",
    "brigt": "got 'brigt'; did you mean 'bright'?",
    "bright+": "got ''",
    "bright=": "got 'bright='; did you mean 'bright'?",
    "bright+bright": "labels must name each label once, got 'bright' twice",
    "nan,1": "got 'nan'",
    "1e99,1": "got [1e+99, 1.0]",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_labels_are_one_line(workplace: Path, text: str) -> None:
    result = run(*shlex.split(f"generate RUN x.png --labels {text}"))
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert WRONG[text] in result.stderr
    assert not Path("x.png").exists()


def test_metrics_draw_labels_from_the_data_of_the_run(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLELAYERS_CACHE", str(workplace / "cache"))
    shown = json.loads(succeed("metrics RUN --trust --json"))
    assert shown["notes"] == ["images are composited over white", "label vectors are those of real images"]
    assert shown["features"] == "random filters"
    assert "notes                images are composited over white; label vectors" in succeed("metrics RUN --trust")
    data, generator = vectors(8, 4, True, BATCH, 0), load_generator("RUN")
    meter = QualityMeter(data, features="digits", metrics=["recognised", "perceptual_path_length"], cache=None)
    report = meter(generator)
    assert report.asked_recognised is None and report.recognised is not None and report.ppl is not None
    assert report.notes[-1] == "asked_recognised is left out, as the labels are no classes"
    with pytest.raises(ValueError, match=r"vectors of 2 numbers, which are .* such labels, got classes \(2\); comp"):
        QualityMeter(classes(8, 4, True, BATCH, 0), features="random", cache=None)(generator)
    with pytest.raises(ValueError, match="features=classifier needs data with labels that are classes, got vectors"):
        QualityMeter(data, features="classifier", cache=None)


@pytest.mark.parametrize("ending", ["onnx", "pt2"])
def test_exports_take_vectors(workplace: Path, ending: str) -> None:
    if ending == "onnx":
        pytest.importorskip("onnxruntime")
    assert "inputs z, truncation_psi, labels" in succeed(f"export RUN x.{ending}")
    generator, z, labels = load_generator("RUN"), torch.randn(3, 4), torch.rand(3, 2)
    if ending == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession("x.onnx", providers=["CPUExecutionProvider"])
        inputs = {"z": z.numpy(), "truncation_psi": np.array(1, dtype=np.float32), "labels": labels.numpy()}
        (images,) = map(torch.from_numpy, session.run(["images"], inputs))
    else:
        images = torch.export.load("x.pt2").module()(z=z, truncation_psi=torch.tensor(1.0), labels=labels)
    torch.testing.assert_close(images, generator(z, labels, noise="const"), rtol=1e-4, atol=1e-4)


def test_transparent_pictures_are_projected_with_their_vector(workplace: Path) -> None:
    succeed("generate RUN picture --seeds 2 --labels wide+bright=0.5")
    succeed("project RUN picture/seed0002.png out --steps 2 --labels wide+bright=0.5")
    with safe_open("out/ws.safetensors", framework="pt") as file:
        assert json.loads(file.metadata()["labels"]) == [[0.5, 1.0]]
    both = Image.open("out/comparison.png")
    assert both.mode == "RGBA"
    assert both.crop((0, 0, 8, 8)).tobytes() == Image.open("picture/seed0002.png").tobytes()


def test_an_archives_vectors_go_all_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLELAYERS_CACHE", str(tmp_path / "cache"))
    folder, labels = tmp_path / "archive", []
    (folder / "00000").mkdir(parents=True)
    for index in range(3 * BATCH):
        image, label = Squares(4)[index]
        Image.fromarray(to_pixels(image[None])[0].numpy()).save(folder / "00000" / f"{index}.png")
        labels.append([f"00000/{index}.png", label.tolist()])
    (folder / "dataset.json").write_text(json.dumps({"labels": labels, "class_names": NAMES}))
    data = ("data=archive", f"data.root={folder}", "data.labels=vectors", "data.image_channels=4", "data.num_workers=0")
    train.train(tiny_config(tmp_path / "run", *data))
    generator = load_generator(tmp_path / "run")
    assert (generator.label_kind, generator.class_names, generator.image_channels) == ("vectors", NAMES, 4)
    shown = json.loads(succeed(f"metrics {tmp_path / 'run'} --features random --json"))
    assert shown["notes"] == ["images are composited over white", "label vectors are those of real images"]
    again = json.loads(succeed(f"metrics {tmp_path / 'run'} --data {folder} --features random --json"))
    assert again == shown
    train.train(tiny_config(tmp_path / "run", *data, "resume=auto", f"callbacks.stop.max_images={3 * BATCH}"))
    result = run("metrics", str(tmp_path / "run"), "--data", str(tmp_path / "run" / "samples"), "--features=random")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


# Channels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "mode"), [(2, "LA"), (5, "RGB")])
def test_other_channels_train_and_are_shown(channels: int, mode: str, tmp_path: Path) -> None:
    overrides = (HERE + "vectors", f"data.image_channels={channels}", "augment=diffaugment", "augment.policy=[cutout]")
    numbers = train.train(tiny_config(tmp_path / "run", *overrides))
    assert all(torch.tensor(list(numbers.values())).isfinite())
    assert Image.open(tmp_path / "run" / "samples" / "last.png").mode == mode


def test_numbers_of_transparent_images_are_those_over_white() -> None:
    images = torch.rand(9, 4, 8, 8) * 2 - 1
    images[:, 3] = 1
    sizes: Any = {"resolution": (8, 8), "labelled": None}
    spaces = [feature_space("random", image_channels=channels, **sizes) for channels in (3, 4)]
    torch.testing.assert_close(spaces[1](images), spaces[0](images[:, :3]))
    images[:, 3] = -1
    torch.testing.assert_close(spaces[1](images), spaces[0](torch.ones(9, 3, 8, 8)))
