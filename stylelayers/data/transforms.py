"""From pictures of any kind to the float tensors in [-1, 1] that the networks read."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from .._checks import check_choice, check_ints
from ..images.conversion import CHANNELS, convert_image, image_to_tensor
from ..images.reading import decode_picture
from ..images.resizing import Frame, make_frame
from .source import Source, UnreadableImageError, UnreadableShardError


class ImageTransform:
    """Convert a picture to some number of channels, resize it, scale it to [-1, 1] and mirror it at random.

    Pictures are paths, open files, Pillow's images, or arrays that ``Image.fromarray`` reads: uint8 or uint16 grey
    ``(H, W)``, float32 grey that spans 0 to 255, uint8 RGB ``(H, W, 3)`` or RGBA ``(H, W, 4)``; or uint8 tensors
    ``(C, H, W)``.

    Args:
        resolution: side in pixels, or ``(height, width)``.
        image_channels: 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha).
        resize: ``"crop"``, ``"fit"`` or ``"stretch"``, see :class:`stylelayers.images.Frame`.
        resize_filter: ``"lanczos"``, ``"bicubic"``, ``"bilinear"`` or ``"box"``, antialiased.
        horizontal_flip, vertical_flip: mirror with probability 0.5 each, drawn from torch's global generator.

    Shape:
        a picture of any size → ``(image_channels, height, width)`` float32 in [-1, 1].

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from PIL import Image
        >>> from stylelayers.data import ImageTransform
        >>> ImageTransform((16, 24), image_channels=1)(Image.new("RGB", (40, 30))).shape
        torch.Size([1, 16, 24])
    """

    def __init__(
        self,
        resolution: int | Sequence[int],
        image_channels: int = 3,
        *,
        resize: str = "crop",
        resize_filter: str = "lanczos",
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
    ) -> None:
        self.image_channels = check_channels("ImageTransform", image_channels)
        self.frame = make_frame("ImageTransform", resolution, resize, resize_filter)
        self.flips = [axis for axis, wanted in ((-1, horizontal_flip), (-2, vertical_flip)) if wanted]

    def __call__(self, picture: Any) -> Tensor:
        """Return ``(image_channels, height, width)`` float32 in [-1, 1]."""
        pixels = image_to_tensor(render(picture, self.image_channels, self.frame), self.image_channels)
        axes = [axis for axis in self.flips if torch.rand(()) < 0.5]
        return pixels.flip(axes) if axes else pixels


class TransformedImages(Dataset[tuple[Tensor, Any]]):
    """The pictures of a source as tensors, with their labels.

    Args:
        source: the pictures.
        transform: applied to a picture whenever it is read.
        indices: of the pictures that are used, ``(N,)`` ints; None for all.

    Attributes:
        resize_filter: description of the resizing, for reports of quality.
        stream: the shards that hold the pictures, see :class:`Source`.

    Raises:
        UnreadableImageError: at reading, for a picture that cannot be decoded; it names the picture.
        UnreadableShardError: likewise, for the file that holds it and others.

    Example:
        >>> from PIL import Image
        >>> from stylelayers.data import ImageTransform, Source, TransformedImages
        >>> images = TransformedImages(Source(pictures=[Image.new("RGB", (40, 30))]), ImageTransform(16))
        >>> images[0][0].shape
        torch.Size([3, 16, 16])
    """

    def __init__(self, source: Source, transform: ImageTransform, indices: Tensor | None = None) -> None:
        self.source, self.transform, self.indices = source, transform, indices
        self.resize_filter = transform.frame.describe()
        self.stream = source.stream

    def __len__(self) -> int:
        return len(self.source) if self.indices is None else len(self.indices)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        chosen = index if self.indices is None else int(self.indices[index])
        try:
            picture, label = self.source.read(chosen)
            return self.transform(picture), label
        except UnreadableShardError:
            raise
        except (ValueError, OSError) as error:
            reason = " ".join(str(error).split())
            raise UnreadableImageError(f"{self.source.name(chosen)} cannot be read: {reason}") from error

    def labels(self) -> Tensor:
        """The labels of all pictures that are used, see :class:`Source`."""
        labels = self.source.all_labels()
        return labels if self.indices is None else labels[self.indices]


def render(picture: Any, image_channels: int, frame: Frame | None) -> Image.Image:
    """A picture of a kind that :class:`ImageTransform` takes as the image that :func:`image_to_tensor` scales.

    Args:
        picture: path, open file, image, array or tensor.
        image_channels: 1 to 4.
        frame: resizes it; None keeps its size.

    Raises:
        ValueError: a tensor or array of another kind, or a picture that cannot be decoded.
    """
    if isinstance(picture, (Tensor, np.ndarray)):
        picture = _as_image(picture)
    if isinstance(picture, Image.Image):
        image = convert_image(picture, image_channels)
    else:
        image = decode_picture(picture, image_channels, frame)
    return image if frame is None else frame.apply(image)


def _as_image(pixels: Tensor | np.ndarray) -> Image.Image:
    came = f"{pixels.dtype} {tuple(pixels.shape)}"
    if isinstance(pixels, Tensor):
        if pixels.dtype != torch.uint8 or pixels.ndim != 3 or len(pixels) not in CHANNELS:
            raise ValueError(
                f"tensors must be torch.uint8 (1 to 4, H, W), got {came}; a data set of floats in [-1, 1] needs no "
                "transform: it goes into ImageDataModule as it is"
            )
        pixels = pixels.movedim(0, -1).squeeze(-1).numpy()
    try:
        return Image.fromarray(pixels)
    except TypeError:
        raise ValueError(f"arrays must be of grey (H, W), RGB or RGBA bytes (H, W, 3 or 4), got {came}") from None


def check_channels(caller: str, image_channels: int) -> int:
    """Return a number of channels that pictures can have."""
    check_ints(caller, image_channels=image_channels)
    check_choice(caller, "image_channels", image_channels, tuple(CHANNELS))
    return image_channels
