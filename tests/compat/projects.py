"""Small projects with copies of the operators, which call for a compiler when they are imported."""

from __future__ import annotations

from pathlib import Path

LOAD = "from torch.utils.cpp_extension import load\nextension = load('extension', ['extension.cpp'])\n"
UPFIRDN2D = LOAD + "def upfirdn2d(input, kernel, up=1, down=1, pad=(0, 0)):\n    return 'theirs'\n"
FUSED_ACT = (
    LOAD
    + """
import torch
from torch import nn
from torch.autograd import Function

class FusedLeakyReLUFunction(Function):
    pass

class FusedLeakyReLU(nn.Module):
    def __init__(self, channel, negative_slope=0.2, scale=2**0.5):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channel))
        self.negative_slope, self.scale = negative_slope, scale

def fused_leaky_relu(input, bias, negative_slope=0.2, scale=2**0.5):
    return 'theirs'
"""
)
PORT_GRADFIX = """
enabled = True

def no_weight_gradients():
    return 'theirs'

def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    return 'theirs'

def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    return 'theirs'
"""
EXPORTS = "from .fused_act import FusedLeakyReLU, fused_leaky_relu\nfrom .upfirdn2d import upfirdn2d\n"
MODEL = """
from {op} import FusedLeakyReLU, conv2d_gradfix, fused_leaky_relu
from {op} import upfirdn2d as resample
from {op}.upfirdn2d import upfirdn2d

class Model(FusedLeakyReLU.__bases__[0]):
    def __init__(self):
        super().__init__()
        self.activation = FusedLeakyReLU(4)
"""
OFFICIAL = {
    "upfirdn2d": """
from .. import custom_ops
plugin = custom_ops.get_plugin('upfirdn2d_plugin', ['upfirdn2d.cpp'])

def _parse_padding(padding):
    return 'theirs'

def setup_filter(f, device='cpu', normalize=True, flip_filter=False, gain=1, separable=None):
    return 'theirs'

def upfirdn2d(x, f, up=1, down=1, padding=0, flip_filter=False, gain=1, impl='cuda'):
    return 'theirs'
""",
    "bias_act": """
from .. import custom_ops
plugin = custom_ops.get_plugin('bias_act_plugin', ['bias_act.cpp'])

def bias_act(x, b=None, dim=1, act='linear', alpha=None, gain=None, clamp=None, impl='cuda'):
    return 'theirs'
""",
    "conv2d_resample": """
from . import upfirdn2d
from .upfirdn2d import _parse_padding

def conv2d_resample(x, w, f=None, up=1, down=1, padding=0, groups=1, flip_weight=True, flip_filter=False):
    return 'theirs'
""",
    "fma": "def fma(a, b, c):\n    return 'theirs'\n",
}
CUSTOM_OPS = (
    "import torch.utils.cpp_extension\n"
    "def get_plugin(module_name, sources, **build_kwargs):\n"
    "    return torch.utils.cpp_extension.load(module_name, sources, **build_kwargs)\n"
)


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def write_port(root: Path, package: str = "op", model: str = "model") -> None:
    """A copy of the port's operators, and a model that uses them."""
    folder = package.replace(".", "/")
    files = {f"{folder}/{name}.py": text for name, text in PORT_FILES.items()}
    write(root, {**files, f"{model}.py": MODEL.format(op=package)})


PORT_FILES = {
    "__init__": EXPORTS,
    "fused_act": FUSED_ACT,
    "upfirdn2d": UPFIRDN2D,
    "conv2d_gradfix": PORT_GRADFIX,
}


def write_official(root: Path) -> None:
    """A copy of the official operators, and networks that use them; one file begins with a byte order mark."""
    files = {f"torch_utils/ops/{name}.py": text for name, text in OFFICIAL.items()}
    files["torch_utils/ops/upfirdn2d.py"] = "\ufeff" + OFFICIAL["upfirdn2d"]
    networks = "from torch_utils.ops import bias_act, conv2d_resample, fma, upfirdn2d\n"
    write(root, {**files, "torch_utils/ops/__init__.py": "", "torch_utils/custom_ops.py": CUSTOM_OPS})
    write(root, {"networks.py": networks})


def write_basicsr(root: Path) -> None:
    """The operators as BasicSR has them: a package for each, and one of another kind."""
    write(
        root,
        {
            "basicsr/ops/fused_act/__init__.py": "from .fused_act import FusedLeakyReLU, fused_leaky_relu\n",
            "basicsr/ops/fused_act/fused_act.py": FUSED_ACT,
            "basicsr/ops/upfirdn2d/__init__.py": "from .upfirdn2d import upfirdn2d\n",
            "basicsr/ops/upfirdn2d/upfirdn2d.py": UPFIRDN2D,
            "basicsr/ops/dcn/__init__.py": "from .deform_conv import DeformConv\n",
            "basicsr/ops/dcn/deform_conv.py": "class DeformConv:\n    pass\n",
            "arch.py": "from basicsr.ops.fused_act import FusedLeakyReLU\n"
            "from basicsr.ops.upfirdn2d import upfirdn2d\n",
        },
    )
