"""The package: public names, and what importing and using it needs, which is torch and nothing heavier."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import stylelayers
from stylelayers import functional

CLASSES = [
    "AliasFreeConv",
    "AliasFreeGenerator",
    "AliasFreeSynthesis",
    "BiasAct",
    "Blur",
    "ConstantInput",
    "Discriminator",
    "Downsample2d",
    "EqualConv2d",
    "EqualLinear",
    "FourierInput",
    "Generator",
    "MappingNetwork",
    "MinibatchStdDev",
    "ModulatedConv2d",
    "NoiseInjection",
    "PixelNorm",
    "StyledConv",
    "SynthesisNetwork",
    "ToRGB",
    "Upsample2d",
]
SUBMODULES = ["augment", "checkpoints", "functional", "losses", "testing"]
OPERATORS = [
    "activation_names",
    "bias_act",
    "blur2d",
    "downsample2d",
    "filtered_act",
    "filtered_lrelu",
    "fir_kernel",
    "lowpass_filter",
    "minibatch_stddev",
    "modulated_conv2d",
    "pixel_norm",
    "register_activation",
    "resample_conv2d",
    "upfirdn2d",
    "upsample2d",
]
HEAVY = [
    "lightning",
    "pytorch_lightning",
    "hydra",
    "omegaconf",
    "torchvision",
    "torchmetrics",
    "sklearn",
    "scipy",
    "PIL",
    "gradio",
    "matplotlib",
    "safetensors",
    "huggingface_hub",
    "onnx",
    "onnxscript",
    "onnxruntime",
    "typer",
    "yaml",
]
IMPORTS = "import stylelayers; from stylelayers import " + ", ".join([*SUBMODULES, "layers", "models"])

WITHOUT_HEAVY_PACKAGES = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {[*HEAVY, "numpy"]!r}:  # NumPy, which torch imports where it is
            raise ModuleNotFoundError(f"{{name}} is blocked")

sys.meta_path.insert(0, Blocker())
try:
    import scipy
except ImportError:
    {IMPORTS}
else:
    raise AssertionError("the block does not block")
"""

EVERY_LAYER = """
import torch
from stylelayers import *

from stylelayers.layers import Sampling

images, latents = torch.randn(2, 4, 8, 8), torch.randn(2, 6)
sampling = Sampling(8, rate=4, cutoff=1.5, half_width=1.0)
plan = {"channel_base": 8, "num_layers": 2, "num_critical": 1, "margin": 1}
runs = {
    "AliasFreeConv": (AliasFreeConv(4, 3, 3, 6, before=sampling, after=sampling), images, latents),
    "AliasFreeGenerator": (AliasFreeGenerator(8, z_dim=6, w_dim=5, **plan), latents),
    "AliasFreeSynthesis": (AliasFreeSynthesis(6, 8, **plan), latents[:, None].expand(-1, 4, -1)),
    "BiasAct": (BiasAct(4), images),
    "Blur": (Blur(), images),
    "Discriminator": (Discriminator(8, image_channels=4, channel_base=16), images),
    "Downsample2d": (Downsample2d(), images),
    "EqualConv2d": (EqualConv2d(4, 3, 3, resample="down", activation="swish"), images),
    "EqualLinear": (EqualLinear(6, 3, activation="lrelu"), latents),
    "FourierInput": (FourierInput(4, 6, sampling), latents),
    "Generator": (Generator(8, z_dim=6, w_dim=5, channel_base=16), latents),
    "MappingNetwork": (MappingNetwork(6, 5, 3), latents),
    "MinibatchStdDev": (MinibatchStdDev(), images),
    "ModulatedConv2d": (ModulatedConv2d(4, 3, 3, 6, resample="up", padding_mode="reflect"), images, latents),
    "NoiseInjection": (NoiseInjection(), images),
    "PixelNorm": (PixelNorm(), images),
    "StyledConv": (StyledConv(4, 3, 3, 6, resample="up"), images, latents),
    "SynthesisNetwork": (SynthesisNetwork(6, 8, channel_base=16), latents[:, None].expand(-1, 4, -1)),
    "ToRGB": (ToRGB(4, 3, 6), images, latents),
    "Upsample2d": (Upsample2d(), images),
}
for name, (module, *inputs) in runs.items():
    inputs = [tensor.detach().requires_grad_() for tensor in inputs]
    gradients = torch.autograd.grad(module(*inputs).square().sum(), inputs, create_graph=True)
    sum(gradient.square().sum() for gradient in gradients).backward()
    assert all(tensor.grad.isfinite().all() for tensor in inputs), name
print(*sorted([*runs, "ConstantInput"]))
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120)


def test_public_names() -> None:
    assert sorted(stylelayers.__all__) == sorted([*CLASSES, *SUBMODULES])
    assert sorted(functional.__all__) == sorted(OPERATORS)
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", stylelayers.__version__)


@pytest.mark.parametrize(("module", "names"), [(stylelayers, CLASSES), (functional, OPERATORS)], ids=str)
def test_every_public_name_exists_and_says_what_it_is(module: Any, names: list[str]) -> None:
    assert [name for name in names if not (getattr(module, name).__doc__ or "").strip()] == []


def test_is_typed() -> None:
    assert files("stylelayers").joinpath("py.typed").is_file()


def test_every_layer_works_without_heavy_packages() -> None:
    result = run("-c", WITHOUT_HEAVY_PACKAGES + EVERY_LAYER)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == sorted(CLASSES)


def test_import_is_light() -> None:
    result = run("-X", "importtime", "-c", f"import torch; {IMPORTS}")
    assert result.returncode == 0, result.stderr
    imported = re.findall(r"import time:.*\| +(\S+)", result.stderr)
    assert [name for name in imported if name.partition(".")[0] in HEAVY] == []
    assert "stylelayers.layers" in imported
    assert "stylelayers.training" not in imported


KEYS = re.compile(r"(?<![\w./:])(loss|model|data|callbacks|trainer)\.(?!pkl\b)[a-z_]+")


def texts(path: Path) -> Iterator[str]:
    """The string constants of a file, without the lines of doctests."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield "\n".join(line for line in node.value.splitlines() if not re.match(r"\s*(>>>|\.\.\.)", line))


def test_only_the_run_speaks_of_configuration_keys() -> None:
    package = Path(stylelayers.__file__).parent
    files = (path for path in package.rglob("*.py") if path.parent != package / "training" / "run")
    found = {
        str(path.relative_to(package)): keys
        for path in files
        if (keys := [match[0] for text in texts(path) for match in KEYS.finditer(text)])
    }
    assert found == {}


OPTIONAL = [  # what is imported, what is missing, who says so, and the extra that brings it
    ("stylelayers.training", "lightning", "stylelayers.training", "train"),
    ("stylelayers.training", "PIL", "stylelayers.training", "train"),
    ("stylelayers.data", "PIL", "stylelayers.data", "train"),
    ("stylelayers.metrics", "lightning", "stylelayers.metrics", "train"),
    ("stylelayers.explore", "PIL", "stylelayers.explore", "cli"),
    ("stylelayers.images.writing", "PIL", "stylelayers.images", "cli"),
    ("stylelayers.cli.app", "typer", "stylelayers.cli.app", "cli"),
    ("stylelayers.cli.app", "rich", "stylelayers.cli.app", "cli"),
    ("stylelayers.cli.app", "PIL", "stylelayers.cli.app", "cli"),
    ("stylelayers.demo", "PIL", "stylelayers.demo", "demo"),
    ("stylelayers.demo.page", "gradio", "stylelayers.demo.page", "demo"),
    ("stylelayers.demo.server", "gradio", "stylelayers.demo.server", "demo"),
    ("stylelayers.checkpoints.hub", "huggingface_hub", "stylelayers.checkpoints.hub", "hub"),
]
IMPORTED_WITHOUT = """
import importlib, os, sys, torch
for line in sys.argv[1:]:
    module, missing = line.split()
    if child := os.fork():  # torch is imported once
        os.waitpid(child, 0)
        continue
    sys.modules[missing] = None
    try:
        importlib.import_module(module)
        told = "nothing"
    except BaseException as error:
        told = f"{type(error).__name__}: {error}"
    os.write(1, f"{told}\\n".encode())
    os._exit(0)
"""


def test_a_missing_extra_is_named() -> None:
    result = run("-c", IMPORTED_WITHOUT, *(f"{module} {missing}" for module, missing, _, _ in OPTIONAL))
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        f'ModuleNotFoundError: {who} needs {missing}: pip install "stylelayers[{extra}]"'
        for _, missing, who, extra in OPTIONAL
    ]


def test_the_command_line_without_extras_imports_and_says_what_is_missing() -> None:
    result = run("-c", 'import sys; sys.modules["typer"] = None; import stylelayers.cli as cli; cli.main()')
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == 'stylelayers: the command line needs typer: pip install "stylelayers[cli]"\n'
