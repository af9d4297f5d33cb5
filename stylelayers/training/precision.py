"""Parts of a model that stay in float32 under half precision (``bf16-true``, ``16-true``).

A number with b bits of mantissa does not change if less than its 2^b-th part is added. Running means change by such
small parts, and so do mapping networks, whose weights are 100 times larger than their effect (``lr_multiplier`` 0.01):
in bfloat16 they would stand still. Phases of waves need the digits themselves.
"""

from collections.abc import Callable, Iterable
from itertools import chain

import torch
from torch import Tensor, nn

HALF = {"bf16-true": torch.bfloat16, "16-true": torch.float16}  # the trainer's name → the dtype
_Conversion = Callable[[Tensor], Tensor]


def at_least_float32_in(parts: Iterable[nn.Module | Tensor | None], convert: _Conversion) -> _Conversion:
    """`convert`, which moves tensors or changes their dtype, but with those of `parts` in float32 at least."""
    wide = {id(tensor) for part in parts if part is not None for tensor in _tensors(part)}

    def converted(tensor: Tensor) -> Tensor:
        result = convert(tensor)
        is_narrow = id(tensor) in wide and result.dtype in HALF.values()
        return tensor.to(result.device, torch.promote_types(tensor.dtype, torch.float32)) if is_narrow else result

    return converted


def _tensors(part: nn.Module | Tensor) -> Iterable[Tensor]:
    return (part,) if isinstance(part, Tensor) else chain(part.parameters(), part.buffers())


def vanishing_eps(optimizers: Iterable[torch.optim.Optimizer], dtype: torch.dtype) -> float | None:
    """The first `eps` that is 0 in a dtype, so that gradients of 0 are divided by 0; None if there is none."""
    values = [group["eps"] for optimizer in optimizers for group in optimizer.param_groups if group.get("eps")]
    return next((eps for eps in values if not torch.tensor(eps, dtype=dtype)), None)
