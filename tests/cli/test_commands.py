"""The command line: every example runs, the same arguments give the same bytes, errors are one line."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from typer.testing import CliRunner

from stylelayers import Generator
from stylelayers.checkpoints import load_generator, save_generator
from stylelayers.checkpoints.post_hoc import save_snapshot
from stylelayers.cli import app as commands
from stylelayers.cli.support import parse_numbers
from stylelayers.explore import load_directions, sample, tile, to_pixels
from stylelayers.explore.projection import fingerprint
from tests.explore.tiny import tiny_alias_free, tiny_generator

OFFICIAL = Path(__file__).parents[1] / "data" / "stylegan2_official_32.pkl"
README = Path(__file__).parents[2] / "README.md"
GUIDE = Path(__file__).parents[2] / "docs" / "using_a_generator.md"
DATA_GUIDE = Path(__file__).parents[2] / "docs" / "data.md"
SHORTER = {"project": "--steps=3", "interpolate": "--frames=2"}


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the examples name."""
    monkeypatch.chdir(tmp_path)
    generator = tiny_generator(labels=3)
    generator.class_names = ("cats", "dogs", "pigs")
    save_generator(generator, tmp_path / "runs" / "RUN" / "generator.safetensors")
    (tmp_path / "generator.safetensors").write_bytes(Path("runs/RUN/generator.safetensors").read_bytes())
    (tmp_path / "runs" / "RUN" / "none").touch()
    for width, images_seen in product((0.05, 0.1), (50_000, 60_000, 70_000)):
        save_snapshot(generator, tmp_path / "runs" / "RUN", width=width, images_seen=images_seen)
    (tmp_path / "runs" / "RUN" / "metrics.csv").write_text("step,quality/fid\n1,30.5\n2,20.5\n3,\n")
    unlabelled = Generator(8, z_dim=4, w_dim=4, channel_base=32, mapping_layers=2)
    save_generator(unlabelled, tmp_path / "faces.safetensors")
    save_generator(tiny_alias_free(), tmp_path / "faces3.safetensors")
    (tmp_path / "official.pkl").write_bytes(OFFICIAL.read_bytes())
    Image.linear_gradient("L").save(tmp_path / "picture.png")
    for name in ("images/cats/1.png", "images/dogs/2.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        Image.radial_gradient("L").save(tmp_path / name)
    return tmp_path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(commands.app, list(arguments))


def succeed(*arguments: str) -> str:
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr or result.exception
    return str(result.stdout)


def files(*but: str) -> dict[str, bytes]:
    """All files by their names, but for those that the fixture made."""
    made = {"picture.png", "generator.safetensors", "faces.safetensors", "faces3.safetensors", "official.pkl", *but}
    found = (path for path in Path().rglob("*") if path.is_file() and path.parts[0] not in ("runs", "images"))
    return {str(path): path.read_bytes() for path in found if str(path) not in made}


def name(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def lines(text: str) -> list[str]:
    return re.findall(r"^stylelayers (.+)$", text, re.MULTILINE)


ELSEWHERE = ("demo", "metrics")  # run in tests/demo, which end the server, and in `test_metrics.py`, which has data
EXAMPLES = sorted(
    line
    for module in commands.COMMANDS
    for line in lines(module.EXAMPLES)  # those of the pages run in tests/test_documents.py
    if line.split()[0] not in ELSEWHERE
)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_run_and_give_the_same_bytes_again(example: str) -> None:
    arguments = shlex.split(example)
    shorter = [option for command, option in SHORTER.items() if command == arguments[0]]
    outputs = [succeed(*arguments, *shorter), files()]
    for path in files():
        Path(path).unlink()
    assert [succeed(*arguments, *shorter), files()] == outputs
    assert files() or arguments[0] in ("info", "inspect", "env") or Path("runs/RUN/report.html").is_file()
    assert not any(path.endswith(".part") for path in files())


@pytest.mark.parametrize("module", commands.COMMANDS, ids=name)
def test_help_ends_with_the_examples(module: ModuleType) -> None:
    shown = succeed(name(module), "--help")
    told = [line.strip() for line in shown.split("Examples:")[1].strip().splitlines()]
    assert told == module.EXAMPLES.strip().splitlines()
    assert len(lines(module.EXAMPLES)) >= 2
    assert f"  {name(module)} " in succeed("--help")


def test_the_guides_tell_of_every_command() -> None:
    told = lines(GUIDE.read_text()) + lines(DATA_GUIDE.read_text())
    assert {line.split()[0] for line in told} >= {name(module) for module in commands.COMMANDS}


# What the commands make -----------------------------------------------------------------------------------------------


def test_a_grid_shows_the_seeds() -> None:
    succeed("generate", "runs/RUN", "x.png", "--seeds=4,6-9", "--columns=3", "--labels=1", "--psi=0.5", "--batch=2")
    images = torch.cat(list(sample(tiny_generator(labels=3), [4, 6, 7, 8, 9], labels=[1], truncation_psi=0.5)))
    shown = torch.tensor(list(Image.open("x.png").tobytes())).view(16, 24, 3)
    assert (shown - tile(to_pixels(images), 3).long()).abs().max() <= 1


@pytest.mark.parametrize("noise", ["const", "random", "none"])
def test_files_are_the_places_of_the_grid(noise: str) -> None:
    succeed("generate", "runs/RUN", "folder", "--seeds=4,11", f"--noise={noise}", "--format=webp")
    succeed("generate", "runs/RUN", "grid.webp", "--seeds=4,11", f"--noise={noise}", "--columns=2")
    grid = Image.open("grid.webp")
    for column, file in enumerate(["folder/seed0004.webp", "folder/seed0011.webp"]):
        assert Image.open(file).tobytes() == grid.crop((8 * column, 0, 8 * column + 8, 8)).tobytes()


def test_walks_have_their_frames_and_size() -> None:
    for loop, frames in (((), 7), (("--loop",), 9)):
        succeed("interpolate", "runs/RUN", "x.gif", "--seeds=0-2", "--frames=3", "--zoom=2", *loop)
        gif = Image.open("x.gif")
        assert (gif.n_frames, gif.size) == (frames, (16, 16))  # type: ignore[attr-defined]


def test_films_of_one_seed_move_and_turn() -> None:
    x = ("interpolate", "faces3.safetensors", "x.gif", "--seeds=3", "--frames=4")
    for options, frames in ((["--move", "-0.25,0.5"], 5), (["--turn", "-90"], 5), (["--turn=360", "--loop"], 4)):
        succeed(*x, *options)
        gif = Image.open("x.gif")
        assert gif.n_frames == frames  # type: ignore[attr-defined]
        still = gif.convert("RGB")
        gif.seek(frames - 1)
        assert still.tobytes() != gif.convert("RGB").tobytes()
    succeed(*x, "--move", "0,0")
    assert Image.open("x.gif").convert("RGB").tobytes() == still.tobytes()


def test_tables_of_mixtures_stand_under_each_other() -> None:
    succeed("mix", "runs/RUN", "x.png", "--rows=0-1", "--columns=2-4", "--layers=0", "--layers=1,3")
    assert Image.open("x.png").size == (4 * 8, 2 * 3 * 8)
    succeed("mix", "runs/RUN", "y.png", "--rows=0-1", "--columns=2-4", "--layers=1,3")
    assert Image.open("x.png").crop((0, 24, 32, 48)).tobytes() == Image.open("y.png").tobytes()


def test_a_generated_picture_is_projected_back() -> None:
    succeed("generate", "runs/RUN", "folder", "--seeds=5", "--labels=2")
    shown = succeed("project", "runs/RUN", "folder/seed0005.png", "out", "--steps=150", "--labels=2", "--zoom=2")
    start, end = (float(number) for number in re.findall(r"distance ([\d.e-]+) .* ([\d.e-]+) at the end", shown)[0])
    assert end < 0.05 * start
    assert load_file("out/ws.safetensors")["ws"].shape == (1, 4, 5)
    with safe_open("out/ws.safetensors", framework="pt") as file:
        told = {name: json.loads(text) for name, text in file.metadata().items() if name not in ("format", "version")}
    assert (told["seed"], told["labels"], told["space"], told["steps"]) == (0, [2], "w", 150)
    assert (told["generator"], told["picture"], told["distance_by"]) == ("RUN", "seed0005.png", "pixels")
    assert told["generator_sha256"] == fingerprint(load_generator("generator.safetensors"))
    assert told["generator_sha256"] != fingerprint(load_generator("faces.safetensors"))
    assert told["distance"] == pytest.approx(end, rel=1e-3)
    both = Image.open("out/comparison.png")
    assert both.size == (32, 16)
    assert both.crop((16, 0, 32, 16)).tobytes() == Image.open("out/projection.png").tobytes()
    assert both.crop((0, 0, 16, 16)).resize((8, 8), 0).tobytes() == Image.open("folder/seed0005.png").tobytes()


@pytest.mark.parametrize("line", [
    "generate runs/RUN x.png", "interpolate runs/RUN x.gif", "mix runs/RUN x.png", "directions runs/RUN out",
    "project runs/RUN picture.png out --steps=2",
])  # fmt: skip
def test_classes_are_numbers_or_names(line: str) -> None:
    made = []
    for labels in ("--labels=pigs,dogs", "--labels=2,1", "--labels=0", "--labels=2 --labels=dogs"):
        succeed(*shlex.split(line), *labels.split())
        made.append(files())
    assert made[0] == made[1] == made[3] != made[2]


def test_numbers_with_a_point_mix_classes() -> None:
    mixed = torch.cat(list(sample(load_generator("runs/RUN"), [0], labels=[[0.5, 0.5, 0.0]])))
    succeed("generate", "runs/RUN", "x.png", "--seeds=0", "--labels=.5,.5,0")
    shown = torch.tensor(list(Image.open("x.png").tobytes())).view(8, 8, 3)
    assert (shown - to_pixels(mixed)[0].long()).abs().max() <= 1


def test_info_has_the_names_of_classes() -> None:
    assert json.loads(succeed("info", "runs/RUN", "--json"))["class_names"] == ["cats", "dogs", "pigs"]
    assert "class_names  ('cats', 'dogs', 'pigs')" in succeed("info", "runs/RUN")
    assert "class_names" not in succeed("info", "official.pkl")


def test_directions_are_saved_and_shown() -> None:
    succeed("directions", "runs/RUN", "out", "--layers=1-2", "--count=3", "--columns=5", "--seed=2")
    assert load_directions("out/directions.safetensors").layers == [1, 2]
    strips = Image.open("out/directions.png")
    assert strips.size == (5 * 8, 3 * 8)
    succeed("generate", "runs/RUN", "out", "--seeds=2")
    middle = strips.crop((16, 8, 24, 16)).tobytes()
    assert max(abs(a - b) for a, b in zip(middle, Image.open("out/seed0002.png").tobytes(), strict=True)) <= 1


def test_info_shows_the_same_as_json() -> None:
    facts = json.loads(succeed("info", "generator.safetensors", "--json"))
    shown = succeed("info", "generator.safetensors")
    assert facts["parameters"]["generator"] == sum(each.numel() for each in tiny_generator(labels=3).parameters())
    assert f"generator  {facts['parameters']['generator']:,}" in shown


def test_info_has_a_table_of_layers() -> None:
    summary = load_generator("generator.safetensors").summary()
    assert succeed("info", "generator.safetensors", "--layers").endswith(f"\n\n{summary}\n")
    assert "layer " not in succeed("info", "generator.safetensors")
    rows = json.loads(succeed("info", "runs/RUN", "--json", "--layers"))["layers"]
    assert [(row["name"], row["parameters"]) for row in rows] == [(row.name, row.parameters) for row in summary.layers]


def test_info_of_a_run_has_its_last_metrics() -> None:
    assert json.loads(succeed("info", "runs/RUN", "--json"))["last_metrics"] == {"step": 3, "quality/fid": 20.5}


def test_a_converted_file_is_the_same_generator() -> None:
    assert succeed("convert", "faces.safetensors", "port.pt") == "port.pt: generator of a generator file\n"
    succeed("convert", "port.pt", "back.safetensors")
    z = torch.randn(2, 4)
    there, back = (load_generator(name)(z, noise="const") for name in ("faces.safetensors", "back.safetensors"))
    torch.testing.assert_close(there, back)


def test_the_version_and_the_help() -> None:
    assert re.fullmatch(r"stylelayers \d+\.\d+\.\d+\S* \(torch \d.*\)\n", succeed("--version"))
    assert succeed() == succeed("--help") == succeed("-h")
    assert len(succeed().splitlines()) > 10


# What goes wrong ------------------------------------------------------------------------------------------------------

WRONG_ARGUMENTS = {
    "generate runs/RUN": "Missing argument",
    "generate runs/RUN x.png --colour": "No such option: --colour",
    "generate nothing x.png": "does not exist",
    "generat runs/RUN x.png": "No such command 'generat'",
    "generate runs/RUN x.png --seeds 5-": "--seeds must be numbers and ranges such as 0-63 or 0,5,7-9, got '5-'",
    "generate runs/RUN x.png --seeds 9-5": "--seeds must be",
    "generate runs/RUN x.png --seeds 0-99999999999": "--seeds must be at most 10,000,000 numbers",
    "generate runs/RUN x.png --seeds 9223372036854775808": "seeds must be in [0, 2**63)",
    "generate runs/RUN x.png --labels 3": "labels must be in [0, 3), at least one, got [3]",
    "generate runs/RUN x.png --labels birds": "labels must be among the classes cats, dogs, pigs, got 'birds'",
    "interpolate runs/RUN x.gif --labels dog": "among the classes cats, dogs, pigs, got 'dog'; did you mean 'dogs'?",
    "mix runs/RUN x.png --labels 0-3": "labels must be in [0, 3)",
    "project runs/RUN picture.png out --labels ,": "labels must be among the classes cats, dogs, pigs, got ''",
    "directions runs/RUN out --labels 2-1": "labels must be in [0, 3)",
    "generate runs/RUN x.png --labels 0.5,0.5": "labels must be among the classes cats, dogs, pigs, got '0.5'",
    "generate faces.safetensors x.png --labels cats": "labels were given, but the generator has no classes",
    "generate runs/RUN x.png --psi 0.5 --truncation-cutoff 9": "truncation_cutoff must be in [0, 4], got 9",
    "generate runs/RUN x.png --noise some": "--noise must be one of random, const, none, got 'some'",
    "generate runs/RUN x.jpg": "the file's ending must be .png or .webp, got 'x.jpg'",
    "generate runs/RUN x --format jpg": "--format must be one of png, webp, got 'jpg'",
    "generate runs/RUN x.png --batch 0": "batch",
    "generate runs/RUN x.png --device gpu": "--device 'gpu' cannot be used",
    "generate runs/RUN x.png --device meta": "--device 'meta' cannot be used",
    "generate runs/RUN x.png --psi nan": "truncation_psi must be a finite number, got nan",
    "generate runs/RUN x.png --psi much": "'--psi': Input should be a valid number",
    "generate runs/RUN x.png --truncation-cutoff -1": "truncation_cutoff must be in [0, 4], got -1",
    "generate runs/RUN x.png --seeds 1.5": "--seeds must be numbers and ranges",
    "generate runs/RUN x.png --zoom 9000 --seeds 0-3": "zoom 9000 make a picture of 144000x144000 pixels",
    "generate runs/RUN x.png --seeds 0-9999999": "10,000,000 images at zoom 1 make a picture of 25600x25000 pixels; at",
    "mix runs/RUN x.png --rows 0-99999 --columns 0-99999": "make a picture of 800008x800008 pixels; at most 268,",
    "directions runs/RUN out --columns 999999999": "make a picture of 7999999992x",
    "generate runs/RUN ''": "Invalid value for 'OUTPUT': expected a path, got ''",
    "generate ' ' x.png": "Invalid value for 'MODEL': expected a path, got ' '",
    "generate ~nobody/runs x.png": "Invalid value for 'MODEL': '~nobody/runs'",
    "generate runs/RUN generator.safetensors": "the file's ending must be .png or .webp",
    "generate runs/RUN runs/RUN/none": "which is another file",
    "interpolate runs/RUN runs": "'runs' is a folder, and the name of a file is expected",
    "mix runs/RUN runs": "'runs' is a folder, and the name of a file is expected",
    "directions runs/RUN picture.png": "'picture.png' is a file, and the name of a folder is expected",
    "directions runs/RUN out --strength inf": "--strength must be a finite number of 32 bits, got inf",
    "directions runs/RUN out --strength 1e39": "--strength must be a finite number of 32 bits, got 1e+39",
    "directions runs/RUN out --count x": "Invalid value for '--count'",
    "project runs/RUN picture.png picture.png": "'picture.png' is a file, and the name of a folder is expected",
    "project runs/RUN runs out": "'runs' is a folder, and a file is expected",
    "project runs/RUN picture.png out --learning-rate -1": "learning_rate must be a number of at least 0, got -1.0",
    "project runs/RUN picture.png out --seed 9223372036854775808": "Invalid value for '--seed'",
    "project runs/RUN picture.png out --distance json:loads": "distance 'json:loads' is no module:factory that makes",
    "project runs/RUN picture.png out --distance :": "distance ':' is no module:factory that makes a network",
    "convert generator.safetensors x": "convert: target must end in one of .safetensors, .pt, .pth, got 'x'",
    "convert generator.safetensors generator.safetensors": "convert: target must be another file than source",
    "convert generator.safetensors runs": "'runs' is a folder, and the name of a file is expected",
    "export runs/RUN runs": "'runs' is a folder, and the name of a file is expected",
    "generate runs/RUN /dev/null": "Invalid value for 'OUTPUT': '/dev/null' is a device or a pipe",
    "export runs/RUN /dev/null": "Invalid value for 'OUTPUT': '/dev/null' is a device or a pipe",
    "convert faces.safetensors /dev/null": "Invalid value for 'TARGET': '/dev/null' is a device or a pipe",
    "directions runs/RUN /dev/null": "Invalid value for 'OUTPUT': '/dev/null' is a device or a pipe",
    "project runs/RUN /dev/null out": "'/dev/null' is not a picture that can be read: it is no regular file",
    "export runs/RUN x.onnx --format pt2": "--format pt2 must have another ending than .onnx",
    "metrics runs/RUN --data ''": "data must be digits, or a folder or zip archive of images, got ''",
    "metrics runs/RUN --data ~nobody-here/x": "got '~nobody-here/x', which does not",
    "metrics runs/RUN --data digits --psi nan": "truncation_psi must be a finite number",
    "metrics runs/RUN --data digits --samples many": "Invalid value for '--samples'",
    "metrics runs/RUN --data digits --metrics ''": "metrics must be some of fid",
    "demo runs/RUN --port 70000": "Invalid value for '--port'",
    "interpolate runs/RUN x.avi": "the file's ending must be .gif or .mp4, got 'x.avi'",
    "interpolate runs/RUN x.gif --seeds 1": "a walk needs at least 2 points",
    "interpolate runs/RUN x.gif --fps 0": "fps must be in [0.01, 1000], got 0",
    "interpolate runs/RUN x.gif --fps 0.001": "fps must be in [0.01, 1000], got 0.001",
    "interpolate runs/RUN x.gif --move 0.1,0": "of an alias-free generator (StyleGAN3), got one of class Generator",
    "interpolate runs/RUN x.gif --turn 0": "--move, --turn: images are moved and turned by the input of an alias-free",
    "interpolate faces3.safetensors x.gif --move 0.1": "--move must be two numbers such as 0.25,0 (parts of the width",
    "interpolate faces3.safetensors x.gif --move 1,x": "--move must be two numbers such as 0.25,0",
    "interpolate faces3.safetensors x.gif --move 0,nan": "shift must be a number in [-100, 100], got nan",
    "interpolate faces3.safetensors x.gif --turn 1e9": "turn must be a number in [-36000, 36000], got 1000000000.0",
    "interpolate faces3.safetensors x.gif --seeds 1": "a walk needs at least 2 points",
    "interpolate runs/RUN x.gif --space s": "--space must be one of z, w, got 's'",
    "interpolate runs/RUN x.gif --noise random": "--noise must be one of const, none, got 'random'",
    "mix runs/RUN x.png --layers 4": "layers must be in [0, 4), at least one, got [4]",
    "mix runs/RUN x.gif": "the file's ending must be",
    "project runs/RUN generator.safetensors out": "is not a picture that can be read",
    "project runs/RUN picture.png out --space z": "--space must be one of w, w+, got 'z'",
    "project runs/RUN picture.png out --distance lpips": "distance must be pixels, vgg16, a TorchScript file",
    "directions runs/RUN out --layers 9": "layers must be in [0, 4)",
    "info nothing": "does not exist",
    "export runs/RUN x --format tflite": "--format must be one of onnx, pt2, got 'tflite'",
}
FAILURES = {
    "generate picture.png x.png": "load_generator: 'picture.png'",
    "generate runs x.png": "load_generator:",
    "export picture.png x.onnx": "load_generator: 'picture.png'",
    "generate runs/RUN picture.png/x.png": "'picture.png/x.png' cannot be written: ",
    "directions runs/RUN picture.png/a/b": "'picture.png/a/b' cannot be written: ",
    "convert faces.safetensors picture.png/x.pt": "cannot be written: ",
    "project picture.png runs/RUN/generator.safetensors out": "a network comes first",
    "convert official.pkl x.pt": "convert: the port has only",
    "info picture.png": "describe: 'picture.png'",
    "convert picture.png x.safetensors": "picture.png",
}


@pytest.mark.parametrize(("line", "message", "code"), [
    *((line, message, 2) for line, message in WRONG_ARGUMENTS.items()),
    *((line, message, 1) for line, message in FAILURES.items()),
])  # fmt: skip
def test_errors_are_one_line_and_leave_nothing(line: str, message: str, code: int) -> None:
    result = run(*shlex.split(line))
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("stylelayers: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    assert files() == {}


@pytest.mark.parametrize("name", ["a b", "a=1", "[a]", "a'b\"c", "ψ 猫", "-a", "a,b", "$HOME", "a;b", "a.v2", "{a}"])
def test_paths_of_any_letters(name: str) -> None:
    there = Path("runs", name)
    there.mkdir()
    (there / "generator.safetensors").write_bytes(Path("generator.safetensors").read_bytes())
    Path(name).mkdir()  # so that a name with an ending is known as a folder
    for output in (f"./{name}", f"./{name}/x.png"):
        assert succeed("generate", str(there), output, "--seeds=3") == f"{Path(output)}\n"
    assert sorted(path.name for path in Path(name).iterdir()) == ["seed0003.png", "x.png"]


@pytest.mark.parametrize(
    "line", ["generate ~/runs/RUN ~/x.png --seeds 0", "info ~/runs/RUN", "convert ~/faces.safetensors ~/x.pt"]
)
def test_the_users_folder_may_be_quoted(line: str, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workplace / "elsewhere").mkdir()
    monkeypatch.setenv("HOME", str(workplace))
    monkeypatch.chdir(workplace / "elsewhere")
    succeed(*line.split())
    assert files() == {} and ("x." not in line or any(workplace.glob("x.*")))


@pytest.mark.parametrize("table", ["step,fid\n1,many\n", "step\n\xff\n", "a\n\0\n"])
def test_metrics_of_a_run_that_are_no_numbers(table: str) -> None:
    Path("runs/RUN/metrics.csv").write_bytes(table.encode("latin-1"))
    result = run("info", "runs/RUN")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert "metrics.csv' is no table of numbers" in result.stderr


def test_what_a_file_says_of_itself_reaches_the_terminal_spelled_out() -> None:
    save_generator(tiny_generator(), "x.safetensors", summary={"by": "\x1b[31mred\x1b[0m\nnext"})
    assert "by  \\x1b[31mred\\x1b[0m next" in succeed("info", "x.safetensors")


@pytest.mark.parametrize("line", [
    "generate runs/RUN x.png", "generate runs/RUN folder", "mix runs/RUN x.webp", "interpolate runs/RUN x.gif",
    "directions runs/RUN out", "project runs/RUN picture.png out --steps 1",
])  # fmt: skip
def test_a_full_disk_leaves_no_half_written_picture(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(image: Any, path: Path, **options: Any) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", half)
    result = run(*shlex.split(line))
    assert (result.exit_code, result.stderr) == (1, "stylelayers: [Errno 28] No space left on device\n")
    assert [path for path in files() if not path.endswith(".safetensors")] == []


def test_an_interrupted_command_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(image: Any, path: Path, **options: Any) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", interrupted)
    assert run("generate", "runs/RUN", "x.png").exit_code == 130
    assert files() == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3", [3]), ("0-3", [0, 1, 2, 3]), ("0,5,7-9", [0, 5, 7, 8, 9]), (" 2 - 3 , 1", [2, 3, 1]), ("4-4,4", [4, 4])],
)
def test_numbers(text: str, expected: list[int]) -> None:
    assert parse_numbers("--seeds", text) == expected


@pytest.mark.parametrize("text", ["", ",", "1,", "-1", "a", "1-2-3", "1.5", "5-3"])
def test_texts_that_are_no_numbers(text: str) -> None:
    with pytest.raises(ValueError, match="--seeds must be numbers and ranges"):
        parse_numbers("--seeds", text)


# The process ----------------------------------------------------------------------------------------------------------

WITHOUT_TYPER = """
import sys
sys.modules["typer"] = None
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "typer" else found(name)
from stylelayers.cli import main
main()
"""


def test_the_module_is_the_command(workplace: Path) -> None:
    arguments = [sys.executable, "-m", "stylelayers", "generate", "runs/RUN", "x.png", "--seeds=0-3"]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(arguments, cwd=workplace, capture_output=True, text=True, timeout=200, env=environment)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "x.png\n", "")
    succeed("generate", "runs/RUN", "y.png", "--seeds=0-3")
    assert Path("x.png").read_bytes() == Path("y.png").read_bytes()


def test_a_missing_typer_is_told_in_one_line(workplace: Path) -> None:
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    arguments = [sys.executable, "-c", WITHOUT_TYPER]
    ended = subprocess.run(arguments, cwd=workplace, capture_output=True, text=True, timeout=200, env=environment)
    assert ended.returncode == 1
    assert ended.stderr == 'stylelayers: the command line needs typer: pip install "stylelayers[cli]"\n'
