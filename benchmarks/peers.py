"""Other public code as black boxes, from a folder of checkouts; none of it is part of this project.

``stylegan3/`` is github.com/NVlabs/stylegan3, whose StyleGAN2 networks run on CPUs through its reference operators;
``rosinality/`` is github.com/rosinality/stylegan2-pytorch; without CUDA, plain torch replaces its CUDA operators.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from .plain import plain_bias_act

__all__ = ["Official", "Rosinality"]


class Official:
    """The official networks, loss and operators."""

    def __init__(self, folder: Path) -> None:
        _on_path(folder / "stylegan3")
        sys.modules.setdefault("pkg_resources", _pkg_resources())
        if find_spec("requests") is None:  # which downloads files, and is not called here
            sys.modules.setdefault("requests", ModuleType("requests"))
        self.networks = import_module("training.networks_stylegan2")
        self.alias_free = import_module("training.networks_stylegan3")
        self.loss = import_module("training.loss")
        self.upfirdn2d: Any = import_module("torch_utils.ops.upfirdn2d")
        self.bias_act: Any = import_module("torch_utils.ops.bias_act")
        self.filtered_lrelu: Any = import_module("torch_utils.ops.filtered_lrelu")

    @staticmethod
    def found(folder: Path | None) -> Official | None:
        return Official(folder) if folder and (folder / "stylegan3").is_dir() else None

    def generator(
        self, resolution: int, *, channels: int, w_dim: int, mapping_layers: int = 8, half: bool = False, **sizes: int
    ) -> nn.Module:
        module: nn.Module = self.networks.Generator(
            w_dim,
            0,
            w_dim,
            resolution,
            channels,
            mapping_kwargs={"num_layers": mapping_layers},
            fused_modconv_default="inference_only",
            **_precision(half),
            **sizes,
        )
        return module

    def alias_free_generator(self, resolution: int, *, channels: int, w_dim: int, **sizes: Any) -> nn.Module:
        module: nn.Module = self.alias_free.Generator(
            w_dim, 0, w_dim, resolution, channels, mapping_kwargs={"num_layers": 2}, num_fp16_res=0, **sizes
        )
        return module

    def discriminator(self, resolution: int, *, channels: int, half: bool = False, **sizes: int) -> nn.Module:
        module: nn.Module = self.networks.Discriminator(0, resolution, channels, **_precision(half), **sizes)
        return module

    def try_compiled_operators(self, device: str) -> str:
        """Compile the CUDA operators, with nvcc, or take the reference ones; say which in words."""
        x, taps = torch.zeros(1, 1, 4, 4, device=device), self.upfirdn2d.setup_filter([1, 2, 1]).to(device)
        try:
            self.upfirdn2d.filter2d(x, taps)
            self.bias_act.bias_act(x, act="lrelu")
            self.filtered_lrelu.filtered_lrelu(x, taps[0], taps[0])
        except Exception as error:  # whatever a missing or broken compiler raises
            self.upfirdn2d.upfirdn2d = _by_reference(self.upfirdn2d.upfirdn2d)
            self.bias_act.bias_act = _by_reference(self.bias_act.bias_act)
            self.filtered_lrelu.filtered_lrelu = _by_reference(self.filtered_lrelu.filtered_lrelu)
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            return f"reference operators, because the CUDA ones do not compile: {reason}"
        return "compiled CUDA operators" if torch.device(device).type == "cuda" else "reference operators"


def _precision(half: bool) -> dict[str, Any]:
    """The published settings of float16, or none."""
    return {"num_fp16_res": 4, "conv_clamp": 256} if half else {"num_fp16_res": 0, "conv_clamp": None}


def _by_reference(operator: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *arguments, **options: operator(*arguments, **{**options, "impl": "ref"})


class Rosinality:
    """The modulated convolution and the generator of the widely used PyTorch port."""

    def __init__(self, folder: Path) -> None:
        if not torch.cuda.is_available():
            sys.modules.setdefault("op", _op_stand_ins())
        _on_path(folder / "rosinality")
        self.model = import_module("model")

    @staticmethod
    def found(folder: Path | None) -> Rosinality | None:
        return Rosinality(folder) if folder and (folder / "rosinality").is_dir() else None


def _on_path(folder: Path) -> None:
    sys.path.insert(0, str(folder))


def _pkg_resources() -> ModuleType:
    """The version parser of a module that setuptools has dropped."""
    from packaging.version import parse  # comes with lightning

    module = ModuleType("pkg_resources")
    module.parse_version = parse  # type: ignore[attr-defined]
    return module


def _op_stand_ins() -> ModuleType:
    """Plain-torch replacements of the operators that are compiled at import."""
    module: Any = ModuleType("op")
    module.upfirdn2d = _upfirdn2d
    module.fused_leaky_relu = lambda x, bias: plain_bias_act(x, bias) if x.ndim == 4 else _flat_act(x, bias)
    module.FusedLeakyReLU = _FusedLeakyReLU
    module.conv2d_gradfix = SimpleNamespace(
        conv2d=torch.nn.functional.conv2d, conv_transpose2d=torch.nn.functional.conv_transpose2d
    )
    return module


def _flat_act(x: Tensor, bias: Tensor) -> Tensor:
    return torch.nn.functional.leaky_relu(x + bias, 0.2) * 2**0.5


class _FusedLeakyReLU(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return plain_bias_act(x, self.bias)


def _upfirdn2d(x: Tensor, kernel: Tensor, up: int = 1, down: int = 1, pad: tuple[int, int] = (0, 0)) -> Tensor:
    n, c, h, w = x.shape
    if up > 1:
        spread = x.new_zeros(n, c, h, up, w, up)
        spread[:, :, :, 0, :, 0] = x
        x = spread.reshape(n, c, h * up, w * up)
    x = torch.nn.functional.pad(x, (*pad, *pad))
    x = torch.nn.functional.conv2d(x, kernel.flip(0, 1).expand(c, 1, -1, -1), groups=c)
    return x[:, :, ::down, ::down]
