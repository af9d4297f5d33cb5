"""Command lines that cannot work: one line that says what to change, and no training."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch
from torch.multiprocessing import ProcessRaisedException

import train
from stylelayers.training.run.errors import explain_process
from tests.training.tiny import TINY, command_line, image_files, process, tiny_config

WRONG = {
    "misspelt key": (("loss.r1_gama=1",), "loss.r1_gama is not a key .* did you mean loss.r1_gamma?.*--help"),
    "no such key": (("xyzzy=1",), "xyzzy is not a key of the configuration; python train.py --help"),
    "no such data": (("data=cifar",), "'data/cifar'.*archive.*digits.*folder.*torchvision"),
    "no such experiment": (("experiment=digit",), "'experiment/digit'.*cifar10.*digits_sweep.*faces256.*reflect"),
    "no such preset": (("preset=published",), "preset must be one of digits, got published; ~preset for"),
    "a root folder for the trainer": (
        ("+trainer.default_root_dir=x",),
        r"trainer\.default_root_dir is a key already: leave out the \+: trainer\.default_root_dir=x$",
    ),
    "no such group": (("modell=stylegan2",), "modell is not a key of the configuration; did you mean model"),
    "no value": (("loss.r1_gamma",), r"'loss\.r1_gamma' missing EQUAL"),
    "a bad value of a sweep": (("-m", "loss.r1_gamma=-1,1"), r"loss\.r1_gamma must be .*at least 0, got -1"),
    "sweep without -m": (("loss.r1_gamma=1,2",), r"loss\.r1_gamma=1,2.*--multirun"),
    "no folder given": (("data=image_folder",), r"data\.root must name a folder .* got None"),
    "a key of other data": (
        ("data=digits", "data.root=x"),
        r"data\.root is a key of data=archive and .*choose data=",
    ),
    "a key of other data, misspelt": (
        ("data=digits", "data.rot=x"),
        "did you mean data.root of data=archive or",
    ),
    "a key of an augmentation": (("augment.target=1",), "augment.target is a key of augment=ada alone"),
    "no plugin": (
        ("-m", "hydra/launcher=submitit_slurm", "seed=1"),
        r"hydra/launcher=submitit.* needs a plugin .*slurm",
    ),
    "a path with brackets": (
        ("data.root=my [new] pictures",),
        r"quote the value, .*\"data.root='my \[new\] pictures'\"",
    ),
    "a path with an apostrophe": (("resume=it's",), r"""quote the value, .* "resume='it\\'s'"|'resume='"""),
    "a path in another alphabet": (("data.root=写真",), "quote the value, .*data.root='写真'"),
    "no folder at home": (
        ("data=folder", "data.root=~/absent"),
        r"data\.root .* '/.*/absent', which does not exist",
    ),
    "missing folder": (("data=folder", "data.root=absent"), r"data\.root .* 'absent', which does not exist"),
    "empty folder": (("data=folder", "data.root=empty"), r"data\.root .*'empty', which holds no .*\.png"),
    "unreachable resolution": (("data.resolution=31",), "resolution must be a power of two times .*such as .*got 31"),
    "a mapping for a list": (("model.freeze={a:b}",), r"model\.freeze={a:b}: Cannot merge"),
    "a key of nothing below one that is there": (
        ("model.generator.foo=1",),
        r"model\.generator\.foo is not a key of the configuration; (?!did you mean model\.generator\?)",
    ),
    "batch 0": (("data.batch_size=0",), r"data\.batch_size must be .*at least 1\b.*, got 0"),
    "batch of text": (("data.batch_size=four",), r"data\.batch_size must be .* got 'four'"),
    "grey and colour": (
        ("model.discriminator.image_channels=1",),
        r"same image_channels, got 3 and 1",
    ),
    "negative gamma": (("loss.r1_gamma=-1",), r"loss\.r1_gamma must be .*at least 0, got -1"),
    "gamma of text": (("loss.r1_gamma=much",), r"loss\.r1_gamma must be .*'?much"),
    "no such loss": (("loss.adversarial=lsgan",), r"loss\.adversarial must be one of .* relativistic, got 'lsgan'"),
    "Wasserstein without a penalty": (
        ("loss.adversarial=wasserstein", "loss.r1_gamma=0"),
        r"loss\.adversarial=wasserstein needs a penalty",
    ),
    "contradicting penalties": (
        ("loss=wgan_gp", "loss.r1_gamma=1"),
        r"loss\.gradient_penalty_weight .*loss\.r1_gamma=0",
    ),
    "negative R2": (("loss.r2_gamma=-1",), r"loss\.r2_gamma must be .*at least 0, got -1"),
    "negative gradient penalty": (("loss.gradient_penalty_weight=-1",), r"loss\.gradient_penalty_weight must be"),
    "no gradient penalty ever": (
        ("loss.gradient_penalty_interval=0",),
        r"loss\.gradient_penalty_interval must be an int",
    ),
    "sigma of nothing": (("loss.r1_sigma=0.1",), r"loss\.r1_sigma must be None unless .*finite_difference.*, got 0\.1"),
    "unequal parts": (("model.micro_batches=3",), r"model\.micro_batches must divide data\.batch_size=4 .* got 3"),
    "no parts": (("model.micro_batches=0",), r"model\.micro_batches must be an int of at least 1, got 0"),
    "nothing to begin with": (
        ("initialize_from=absent",),
        r"initialize_from: path must be .* got 'absent'",
    ),
    "networks of other sizes": (
        ("initialize_from=last.ckpt", "model.generator.w_dim=5"),
        r"initialize_from=last\.ckpt does not fit: .* sizes, model\.generator\.w_dim=4, or .*strict=false",
    ),
    "frozen by a wrong name": (("model.freeze=[generator.maping]",), r"model\.freeze must .* got 'generator\.maping'"),
    "points in disorder": (
        ("callbacks.schedules.learning_rate=[[9,1],[3,0]]",),
        r"callbacks\.schedules\.learning_rate must have points of images that increase, .*got",
    ),
    "a schedule of nothing": (("callbacks.schedules.r2_gamma=[[0,1]]",), r"callbacks\.schedules\.r2_gamma needs"),
    "unknown activation": (
        ("model.generator.activation=lreluu",),
        r"model\.generator\.activation must be one of linear, .* got 'lreluu'",
    ),
    "unknown optimizer argument": (("+model.generator_optimizer.momentum=1",), "momentum"),
    "unknown accelerator": (("trainer.accelerator=abacus",), r"abacus.*\(configuration: trainer\)"),
    "time in words": (("trainer.max_time=soon",), r"trainer\.max_time must be days:hours.*got .soon"),
    "clipping by the trainer": (
        ("+trainer.gradient_clip_val=1",),
        r"trainer\.gradient_clip_val=1 .*model\.max_grad_norm",
    ),
    "clipping by the trainer, without +": (
        ("trainer.gradient_clip_val=1",),
        r"trainer\.gradient_clip_val is for .*model\.max_grad_norm",
    ),
    "parts by the trainer": (
        ("+trainer.accumulate_grad_batches=2",),
        r"accumulate_grad_batches=2 .*model\.micro_batches",
    ),
    "a few images by the trainer": (("+trainer.overfit_batches=2",), r"trainer\.overfit_batches=2 .*data\.root="),
    "clipping to nothing": (("model.max_grad_norm=0",), r"model\.max_grad_norm must be a number above 0, got 0"),
    "processes that are spawned": (("trainer.strategy=ddp_spawn",), r"trainer\.strategy: ddp_spawn .* use auto or ddp"),
    "another optimizer's state": (
        ("resume=last.ckpt", "model.generator_optimizer._target_=torch.optim.AdamW"),
        r"resume: the generator_optimizer is \S+AdamW, and its state in .*last\.ckpt is of .*Adam;",
    ),
    "another activation": (
        ("resume=last.ckpt", "model.discriminator.activation=relu"),
        r"resume: the checkpoint .*last\.ckpt is of a discriminator .*: model\.discriminator\.activation=lrelu,",
    ),
    "missing checkpoint": (("resume=absent.ckpt",), r"resume must name a checkpoint .* got absent\.ckpt"),
    "not a checkpoint": (("resume=images/class0/0.png",), r"resume.*images/class0/0\.png"),
    "another checkpoint": (("resume=other.ckpt",), r"resume.*other\.ckpt"),
    "checkpoint of other sizes": (("resume=last.ckpt", "model.generator.w_dim=5"), r"resume.*last\.ckpt"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the command lines are started: an image folder, an empty one, and two checkpoints."""
    folder = tmp_path_factory.mktemp("start")
    image_files(folder / "images")
    (folder / "empty").mkdir()
    torch.save({"state_dict": {}}, folder / "other.ckpt")
    train.train(tiny_config(folder / "run", "data=folder", f"data.root={folder / 'images'}"))
    (folder / "run" / "checkpoints" / "last.ckpt").rename(folder / "last.ckpt")
    return folder


def left_behind(folder: Path) -> list[str]:
    """Names of what only a training writes."""
    return [path.name for path in (folder / "runs").rglob("*") if path.suffix in (".png", ".ckpt", ".safetensors")]


@pytest.mark.parametrize("case", WRONG)
def test_one_line_says_what_to_change(
    case: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, message = WRONG[case]
    options = [argument for argument in arguments if argument.startswith("-")]
    overrides = arguments[len(options) :]
    shutil.rmtree(folder / "runs", ignore_errors=True)
    data = () if any(text.startswith("data=") for text in overrides) else ("data=folder", "data.root=images")
    with pytest.raises(SystemExit) as end:
        command_line(monkeypatch, folder, *options, *TINY, *data, *overrides)
    line = end.value.code
    assert isinstance(line, str)
    assert line.startswith("train.py: ")
    assert "\n" not in line
    assert re.search(message, line), line
    assert capsys.readouterr().err == ""
    assert left_behind(folder) == []


def test_errors_of_a_forked_process_are_one_line_if_they_are_ours() -> None:
    trace = "\n\n-- Process 0 terminated with the following error:\nTraceback (most recent call last):\n  File x\n"
    refused = ProcessRaisedException(trace + "stylelayers.training.run.errors.PreflightError: pre-flight: no\n", 0, 1)
    assert explain_process(refused) == "pre-flight: no"
    assert explain_process(ProcessRaisedException(trace + "KeyError: 3\n", 0, 1)) == (trace + "KeyError: 3").strip()


def test_the_shell_sees_the_line_and_a_failure(tmp_path: Path) -> None:
    """In processes of their own, at the same time: a key that Hydra refuses, and a value that we refuse."""
    running = {name: process(tmp_path, *TINY, *WRONG[name][0]) for name in ("misspelt key", "missing folder")}
    for name, run in running.items():
        _, errors = run.communicate()
        assert run.returncode not in (0, None), name
        assert re.fullmatch(rf"train\.py: .*{WRONG[name][1]}.*\n", errors), errors
    assert left_behind(tmp_path) == []
