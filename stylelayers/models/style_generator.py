"""What all generators share: a mapping network in front of a synthesis network of any kind."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..layers import EqualLinear
from ..layers.noise import Noise
from .class_names import checked_class_names, checked_label_kind
from .mapping import MappingNetwork
from .summary import Summarized


class StyleSynthesis(Summarized):
    """A synthesis network, as generators and the tools around them use it; a base class.

    The part of arXiv:1812.04948, section 2, that makes images from styles. A subclass sets the attributes and defines
    `forward`, :attr:`num_ws`, :meth:`affine_maps`, :meth:`layer_names` and `reset_parameters`.

    Attributes:
        w_dim: length of w.
        resolution: ``(height, width)`` of the images.
        image_channels: of the images.
        noise_modes: names that ``forward(ws, noise=...)`` takes, the default first; only ``"none"`` without noise
            inputs.

    Shape:
        `ws` ``(N, num_ws, w_dim)`` → ``(N, image_channels, height, width)``.

    Example:
        >>> from stylelayers import SynthesisNetwork
        >>> from stylelayers.models import StyleSynthesis
        >>> issubclass(SynthesisNetwork, StyleSynthesis)
        True
    """

    w_dim: int
    resolution: tuple[int, int]
    image_channels: int
    noise_modes: tuple[str, ...]

    @property
    def num_ws(self) -> int:
        """Number of styles."""
        raise NotImplementedError

    @property
    def fixed_noise(self) -> str:
        """The mode with which equal styles give equal images, ``"const"``, or ``"none"`` without stored maps."""
        return "const" if "const" in self.noise_modes else "none"

    @property
    def input_transform(self) -> Tensor | None:
        """The buffer ``(3, 3)`` that moves and turns all images, see :func:`stylelayers.layers.motion`.

        None for a network whose images cannot be moved; with it, `forward` takes `transform`, for one call.
        """
        return None

    def affine_maps(self) -> list[list[EqualLinear]]:
        """The affine maps that read each style."""
        raise NotImplementedError

    def layer_names(self) -> list[str]:
        """Number and size of the layer that reads each style, for people."""
        raise NotImplementedError

    def running_statistics(self) -> list[Tensor]:
        """Buffers that follow the batches of training."""
        return []

    def float32_parts(self) -> list[nn.Module | Tensor]:
        """Modules and tensors that need more digits than half precision has."""
        return [*self.running_statistics()]

    def example_inputs(self) -> tuple[Tensor, ...]:
        return (torch.empty(1, self.num_ws, self.w_dim, dtype=next(self.parameters()).dtype, device="meta"),)

    def reset_parameters(self) -> None:
        raise NotImplementedError


class StyleGenerator(Summarized):
    """Map latents to images: a mapping network, then a synthesis network.

    The two parts of arXiv:1812.04948, figure 1b; a base class. A class of generators builds both from its arguments,
    and keeps each as an attribute of the same name: files store them.

    Args:
        synthesis: any :class:`StyleSynthesis`.
        mapping: a :class:`stylelayers.MappingNetwork` for its styles.

    Shape:
        `z` ``(N, z_dim)``, `labels` ``(N,)`` ints or ``(N, num_labels)`` → ``(N, image_channels, height, width)``.

    Attributes:
        class_names: names of the classes, or of the numbers in a label vector, in their order; empty if they are not
            known.
        label_kind: ``"classes"``, ``"vectors"`` or, without labels, ``"none"``: what it was trained on. Training takes
            both from the data; generator files and checkpoints store them.

    Example:
        >>> import torch
        >>> from stylelayers import MappingNetwork, SynthesisNetwork
        >>> from stylelayers.models import StyleGenerator
        >>> synthesis = SynthesisNetwork(8, 8, channel_base=32)
        >>> StyleGenerator(synthesis, MappingNetwork(4, 8, synthesis.num_ws))(torch.randn(2, 4)).shape
        torch.Size([2, 3, 8, 8])
    """

    synthesis: StyleSynthesis
    mapping: MappingNetwork
    resolution: tuple[int, int]
    image_channels: int
    z_dim: int
    w_dim: int
    num_labels: int
    _class_names: tuple[str, ...] = ()
    _label_kind: str | None = None

    def __init__(self, synthesis: StyleSynthesis, mapping: MappingNetwork) -> None:
        super().__init__()
        self.synthesis, self.mapping = synthesis, mapping
        self.resolution, self.image_channels = synthesis.resolution, synthesis.image_channels
        self.z_dim, self.w_dim, self.num_labels = mapping.z_dim, mapping.w_dim, mapping.num_labels

    @property
    def class_names(self) -> tuple[str, ...]:
        return self._class_names

    @class_names.setter
    def class_names(self, names: Sequence[str]) -> None:
        self._class_names = checked_class_names(names, self.num_labels, "Generator")

    @property
    def label_kind(self) -> str:
        return checked_label_kind(self._label_kind, self.num_labels, "Generator")

    @label_kind.setter
    def label_kind(self, kind: str | None) -> None:
        self._label_kind = checked_label_kind(kind, self.num_labels, "Generator")

    @property
    def num_ws(self) -> int:
        return self.synthesis.num_ws

    def reset_parameters(self) -> None:
        self.mapping.reset_parameters()
        self.synthesis.reset_parameters()

    def running_statistics(self) -> list[Tensor]:
        """Buffers that follow the batches of training; ranks average them."""
        w_mean = self.mapping.w_mean
        return [*([] if w_mean is None else [w_mean]), *self.synthesis.running_statistics()]

    def example_inputs(self) -> tuple[Tensor, ...]:
        return self.mapping.example_inputs()

    def forward(
        self,
        z: Tensor,
        labels: Tensor | Sequence[int] | int | None = None,
        *,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
        noise: Noise | None = None,
    ) -> Tensor:
        """Map to images.

        Args:
            z, labels, truncation_psi, truncation_cutoff: as in :class:`stylelayers.MappingNetwork`.
            noise: as in the synthesis network; None for its default, random noise if it has noise inputs.
        """
        ws = self.mapping(z, labels, truncation_psi=truncation_psi, truncation_cutoff=truncation_cutoff)
        images: Tensor = self.synthesis(ws, **({} if noise is None else {"noise": noise}))
        return images


def check_noise_mode(caller: str, modes: Sequence[str], noise: object) -> None:
    """Raise a ValueError for noise that a synthesis network with these modes does not take."""
    if noise not in modes:
        expected = f"one of {', '.join(modes)}" if len(modes) > 1 else "none, as there are no noise inputs"
        raise ValueError(f"{caller}: noise must be {expected}, got {noise!r}")


def device_and_dtype(generator: StyleGenerator) -> tuple[torch.device, torch.dtype]:
    """Where a generator computes its images, and in which dtype."""
    parameter = next(generator.synthesis.parameters())
    return parameter.device, parameter.dtype
