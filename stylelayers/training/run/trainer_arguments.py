"""Arguments of Lightning's trainer that have no effect here, or fail, and what to set instead."""

import inspect

from lightning import Trainer
from omegaconf import DictConfig

from .overrides import as_override

_NO_VALIDATION = "has no effect: nothing is validated; callbacks=metrics measures quality"
_BY_HAND = "is for optimization by the trainer, and a GAN's is its model's"
REFUSED = {
    "gradient_clip_val": f"{_BY_HAND}; set model.max_grad_norm, which clips every step",
    "gradient_clip_algorithm": f"{_BY_HAND}; set model.max_grad_norm, which clips every step by its norm",
    "accumulate_grad_batches": f"{_BY_HAND}; set model.micro_batches, which cuts data.batch_size into so many parts",
    "overfit_batches": "would read the images in an order of its own; train on a folder of a few images: "
    "data=folder data.root=...",
    **dict.fromkeys(("limit_val_batches", "limit_test_batches", "limit_predict_batches"), _NO_VALIDATION),
    **dict.fromkeys(("val_check_interval", "check_val_every_n_epoch", "num_sanity_val_steps"), _NO_VALIDATION),
    "inference_mode": _NO_VALIDATION,
    **dict.fromkeys(("min_steps", "min_epochs"), "would outlast every limit and signal; leave it out"),
    "callbacks": "would be replaced by the group callbacks; put them there: +callbacks.NAME._target_=...",
    "logger": "would be replaced by the group logger; choose there: ~logger.tensorboard, +logger.NAME._target_=...",
    "barebones": "allows no callbacks and loggers, which write a run's files; leave out single ones: ~callbacks.grid",
    "sync_batchnorm": "has no effect: the networks have no batch normalization",
    "use_distributed_sampler": "has no effect: the data module deals images out to the processes",
    "enable_autolog_hparams": "has no effect: the configuration goes to config.yaml and to the loggers as it is",
    "model_registry": "has no effect: callbacks.checkpoint keeps checkpoints in the run's folder",
}


def check_trainer_arguments(settings: DictConfig) -> None:
    """Raise a ValueError for a setting of the trainer that training would ignore, or not survive."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(Trainer).parameters.items()}
    for name in REFUSED.keys() & set(map(str, settings)):
        value = settings[name]
        if value != defaults.get(name) and (value or defaults.get(name)):
            raise ValueError(f"trainer.{name}={as_override(value)} {REFUSED[name]}")
