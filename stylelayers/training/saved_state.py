"""Description of a GAN in a checkpoint, and checks that the checkpoint's state fits another GAN."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..augment import AdaptiveAugment
from ..checkpoints import arguments_of
from ..checkpoints._building import has_shape, network_name, with_current_names
from ..checkpoints.training_checkpoint import CLASS_NAMES, LABEL_KIND, NETWORKS, stored_class
from ..models import Discriminator, StyleGenerator
from ..models.class_names import difference


class Trained(Protocol):
    """The part of a :class:`GAN` that checkpoints are compared with."""

    generator: StyleGenerator
    discriminator: Discriminator
    augment: nn.Module | None
    frozen: frozenset[str]

    def configure_optimizers(self) -> list[Optimizer]: ...

    def state_dict(self) -> dict[str, Any]: ...


NetworkArguments = Mapping[str, Mapping[str, Any]]  # of the constructors of ``generator`` and ``discriminator``

MEANING = (  # arguments that change what the weights mean, whatever their shapes
    *("architecture", "activation", "padding_mode", "resample_method", "resample_filter", "normalize_style"),
    *("mapping_lr_multiplier", "configuration", "margin", "num_critical", "first_cutoff", "first_stopband"),
    *("last_stopband_rel", "output_scale"),
)
_NETWORKS = ("generator", "discriminator")


def identity(model: Trained) -> dict[str, Any]:
    """Entries of a checkpoint that describe its model."""
    return {
        "arguments": network_arguments(model),
        NETWORKS: {name: network_name(getattr(model, name)) for name in _NETWORKS},
        "optimizers": [_class_of(optimizer) for optimizer in model.configure_optimizers()],
        "frozen": sorted(model.frozen),
        CLASS_NAMES: list(model.generator.class_names),
        LABEL_KIND: model.generator.label_kind,
    }


def check_belongs(checkpoint: Mapping[str, Any], model: Trained, path: object) -> None:
    """Raise a ValueError unless a checkpoint's state fits `model`; `path` names the checkpoint."""
    there = {name: with_current_names(arguments) for name, arguments in (checkpoint.get("arguments") or {}).items()}
    here = network_arguments(model)
    _check_class(stored_class(checkpoint).__name__, network_name(model.generator), path)
    _check_tensors(checkpoint["state_dict"], model.state_dict(), path)
    _check_meaning(there, here, path)
    _check_label_kind(checkpoint.get(LABEL_KIND, "classes"), model.generator.label_kind, path)
    _check_class_names(checkpoint.get(CLASS_NAMES, ()), model.generator.class_names, path)
    _check_frozen(checkpoint, model, path)
    for network, optimizer, saved in zip(
        _NETWORKS, model.configure_optimizers(), checkpoint.get("optimizer_states", []), strict=False
    ):
        classes = dict(zip(_NETWORKS, checkpoint.get("optimizers", []), strict=False))
        _check_optimizer(f"{network}_optimizer", optimizer, saved, classes.get(network), path)


def resumed_tensors(saved: Mapping[str, Tensor], model: Trained) -> dict[str, Tensor]:
    """The tensors of a checkpoint; a new augmentation and a fixed probability keep the model's own."""
    own = {name: tensor for name, tensor in model.state_dict().items() if name.startswith("augment.")}
    kept = {name: tensor for name, tensor in saved.items() if not name.startswith("augment.") or name in own}
    fixed = isinstance(model.augment, AdaptiveAugment) and model.augment.target is None
    return {**own, **kept, **({"augment.p": own["augment.p"]} if fixed else {})}


def widen_scalars(checkpoint: Mapping[str, Any], model: Trained) -> None:
    """Reshape scalar moments of ``(1,)`` parameters in place: noise strengths were scalars in earlier versions."""
    for optimizer, saved in zip(model.configure_optimizers(), checkpoint.get("optimizer_states", []), strict=False):
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        for parameter, moments in zip(parameters, map(saved["state"].get, range(len(parameters))), strict=True):
            if parameter.shape == (1,) and moments:
                scalars = [name for name, value in moments.items() if name != "step" and isinstance(value, Tensor)]
                moments.update({name: moments[name].reshape(1) for name in scalars if moments[name].ndim == 0})


def _check_label_kind(saved: str, own: str, path: object) -> None:
    """Raise a ValueError if a network with labels goes on with labels of another kind."""
    if own != "none" and saved != own:
        raise ValueError(f"the checkpoint {path} is of a run whose labels are {saved}, and the data's are {own}")


def _check_class_names(saved: Sequence[str], own: Sequence[str], path: object) -> None:
    """Raise a ValueError if both are known and differ: labels would change their meaning."""
    if saved and own and list(saved) != list(own):
        raise ValueError(
            f"the checkpoint {path} is of a run on other classes than the data's, {difference(saved, own)}"
        )


def network_arguments(model: Trained) -> dict[str, dict[str, Any]]:
    """The constructor arguments of both networks, as a checkpoint stores them."""
    return {name: arguments_of(getattr(model, name)) for name in _NETWORKS}


def differing(there: NetworkArguments, here: NetworkArguments) -> list[tuple[str, str]]:
    """``(network, argument)`` of each argument that both have, with different values; tuples may have become lists."""
    return [
        (network, name)
        for network in there
        for name, value in there[network].items()
        if name in here.get(network, {}) and _as_list(value) != _as_list(here[network][name])
    ]


def _check_class(saved: str, own: str, path: object) -> None:
    if saved != own:
        raise ValueError(f"the checkpoint {path} is of a generator of class {saved}, and here it is {own}")


def _check_tensors(saved: Mapping[str, Tensor], own: Mapping[str, Tensor], path: object) -> None:
    different = [name for name in own if name not in saved or not has_shape(saved[name], own[name].shape)]
    different += [name for name in saved if name not in own]
    different = [name for name in different if not name.startswith("augment.")]
    if different:
        raise ValueError(
            f"the checkpoint {path} is of networks of other sizes: {len(different)} tensors differ, the first being "
            f"{different[0]}"
        )


def _check_meaning(there: NetworkArguments, here: NetworkArguments, path: object) -> None:
    for network, name in differing(there, here):
        if name in MEANING:
            raise ValueError(
                f"the checkpoint {path} is of a {network} with {name}={there[network][name]}, with which its weights "
                f"were trained, and here {name}={here[network][name]}"
            )


def _check_frozen(checkpoint: Mapping[str, Any], model: Trained, path: object) -> None:
    trained = [_count(optimizer.param_groups) for optimizer in model.configure_optimizers()]
    moments = [_count(state["param_groups"]) for state in checkpoint.get("optimizer_states", [])]
    frozen = set(checkpoint.get("frozen", model.frozen))  # absent from files of earlier versions
    if frozen != model.frozen or (moments and moments != trained):
        names = [f"{name} is {'trained' if name in frozen else 'frozen'} here" for name in frozen ^ model.frozen]
        raise ValueError(
            f"the checkpoint {path} is of a run that trained other parameters, with optimizers of "
            f"{' and '.join(map(str, moments))} rather than {' and '.join(map(str, trained))} parameters"
            + "".join(f"; {name}" for name in sorted(names)[:1])
            + "; freeze the same"
        )


def _check_optimizer(key: str, optimizer: Optimizer, saved: Mapping[str, Any], kind: str | None, path: object) -> None:
    ours = _class_of(optimizer)
    known = optimizer.param_groups[0].keys() | {"initial_lr"}
    unlike = kind != ours if kind is not None else not saved["param_groups"][0].keys() <= known
    lacking = None if unlike else _lacking(optimizer, saved["state"])
    if unlike or lacking is not None:
        what = f"{ours}, and its state in {path} is of {kind or 'another class'}"
        if lacking is not None:
            what = f"{ours} with settings for which its state in {path} lacks {lacking}"
        raise ValueError(f"the {key} is {what}; keep the class and such settings")


def _lacking(optimizer: Optimizer, states: Mapping[int, Mapping[str, Any]]) -> str | None:
    """The entry that an optimizer of this class and settings misses when it steps from the smallest of the states."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    stepped = [(parameter, states[place]) for place, parameter in enumerate(parameters) if place in states]
    if not stepped:
        return None
    parameter, state = min(stepped, key=lambda pair: pair[0].numel())
    probe = nn.Parameter(torch.zeros(parameter.shape))
    probe.grad = torch.zeros_like(probe)
    anywhere = {"fused": None, "foreach": None, "capturable": False}  # for a step on any device
    settings = {name: anywhere.get(name, value) for name, value in optimizer.param_groups[0].items()}
    scratch = copy(optimizer)
    scratch.param_groups, scratch.state = [{**settings, "params": [probe]}], defaultdict(dict)
    scratch.state[probe] = {name: _zeros_as_of(probe, value) for name, value in state.items()}
    try:
        scratch.step()
    except KeyError as error:
        return str(error)
    return None


def _zeros_as_of(parameter: Tensor, value: Any) -> Any:
    """Zeros like a tensor of a state; moments get the dtype of the parameter, which a trainer converts later."""
    if not isinstance(value, Tensor):
        return value
    is_moment = value.shape == parameter.shape and value.is_floating_point()
    return torch.zeros(value.shape, dtype=parameter.dtype if is_moment else value.dtype)


def _class_of(optimizer: Optimizer) -> str:
    return f"{type(optimizer).__module__}.{type(optimizer).__qualname__}"


def _count(groups: list[dict[str, Any]]) -> int:
    return sum(len(group["params"]) for group in groups)


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
