"""Export generators to files that run without this package: ONNX and `torch.export` programs."""

from .onnx_file import export_onnx
from .program_file import export_program
from .tracing import Exported

__all__ = ["Exported", "export_onnx", "export_program"]
