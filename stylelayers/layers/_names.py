"""Answers to argument names of other packages: which argument here is meant."""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, TypeVar

_Module = TypeVar("_Module", bound=type)

ELSEWHERE: dict[str, tuple[str, ...]] = {
    "in_channels": ("fin", "in_channel", "in_chan", "in_dim", "in_features", "input_channels"),
    "out_channels": ("fout", "out_channel", "out_chan", "out_dim", "out_features", "output_channels", "filters"),
    "in_features": ("fin", "in_channel", "in_channels", "in_dim", "input_dim"),
    "out_features": ("fout", "out_channel", "out_channels", "out_dim", "output_dim"),
    "image_channels": ("img_channels", "num_channels", "channels", "out_channel", "out_channels", "nc"),
    "num_channels": ("channel", "channels", "in_channel", "in_channels", "num_features", "stddev_feat"),
    "kernel_size": ("kernel", "ksize", "filter_size", "conv_kernel"),
    "z_dim": ("latent_dim", "latent", "latent_size", "nz"),
    "w_dim": ("style_dim", "dlatent_size", "dlatent_dim", "latent_dim"),
    "latent_dim": ("z_dim", "style_dim", "w_dim", "latent", "latent_size", "dlatent_size", "nz"),
    "num_labels": ("c_dim", "label_size", "label_dim", "num_classes", "n_classes"),
    "num_ws": ("n_latent", "num_latents"),
    "resolution": ("img_resolution", "image_size", "img_size", "size", "res"),
    "noise_resolution": ("resolution", "size"),
    "mapping_layers": ("n_mlp", "num_mlp", "mapping_depth", "num_layers"),
    "num_layers": ("n_mlp", "num_mlp", "depth", "n_layers"),
    "hidden_dim": ("layer_features", "mapping_fmaps"),
    "lr_multiplier": ("lr_mul", "lrmul", "lr_mlp"),
    "mapping_lr_multiplier": ("lr_mlp", "lr_mul", "lr_multiplier"),
    "w_mean_decay": ("w_avg_beta", "dlatent_avg_beta"),
    "channel_base": ("fmap_base", "cbase"),
    "channel_max": ("fmap_max", "cmax"),
    "resample='up'": ("upsample", "up", "upscale", "upsampling"),
    "resample='down'": ("downsample", "down", "downscale", "stride"),
    "factor": ("up", "down", "scale", "scale_factor", "stride", "upscale", "downscale"),
    "resample_filter": ("blur_kernel", "f", "fir_kernel", "kernel", "resample_kernel", "taps"),
    "padding_mode": ("padding_type", "pad_type", "pad_mode"),
    "normalize_style": ("normalize_mlp",),
    "demodulate": ("demod",),
    "bias": ("use_bias",),
    "bias_init": ("bias_value",),
    "activation": ("act", "nonlinearity", "act_fn"),
    "alpha": ("negative_slope", "slope"),
    "activation_gain": ("act_gain",),
    "gain": ("weight_gain", "act_gain", "scale"),
    "clamp": ("conv_clamp",),
    "eps": ("epsilon",),
    "architecture": ("arch",),
    "group_size": ("stddev_group", "mbstd_group_size"),
    "radial": ("use_radial_filters",),
    "filter_taps": ("filter_size",),
    "oversampling": ("lrelu_upsampling",),
    "margin": ("margin_size",),
    "magnitude_half_life": ("magnitude_ema_beta",),
    "mbstd_group_size": ("stddev_group", "group_size"),
    "mbstd_num_channels": ("stddev_feat",),
}
"""An argument here → its names elsewhere. If several arguments of a constructor match, the first is meant."""


class _UnknownArgumentError(TypeError, ValueError):
    """A TypeError, as Python raises it, and a ValueError, as this package raises for any wrong argument."""


def answers_to_other_names(module: _Module) -> _Module:
    """Class decorator: the error for an unknown argument names the argument that is meant."""
    construct: Callable[..., None] = module.__init__  # type: ignore[misc]
    known = tuple(signature(module).parameters)

    @wraps(construct)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        answers = [_answer(name, known) for name in kwargs if name not in known]
        if answers:
            raise _UnknownArgumentError(f"{module.__name__}: {'; '.join(answers)}")
        construct(self, *args, **kwargs)

    module.__init__ = checked  # type: ignore[misc]
    return module


def _answer(name: str, known: tuple[str, ...]) -> str:
    names = [here for here, elsewhere in ELSEWHERE.items() if name in elsewhere]
    for here in names:
        if here.partition("=")[0] in known:
            return f"{name} is called {here} here"
    unknown = f"{name} is called {names[0]}, which this does not have" if names else f"there is no argument {name}"
    return f"{unknown}, but {', '.join(known)}"
