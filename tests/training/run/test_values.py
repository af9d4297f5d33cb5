"""Every key of a configuration is an argument of something, and every value is of its kind."""

from __future__ import annotations

from typing import Any

import pytest
from omegaconf import OmegaConf

from stylelayers.training.run.values import check_values
from tests.training.tiny import compose

OUTPUT = "output=run"
MEANT: dict[str, tuple[str, Any]] = {
    "callbacks.stop.max_images=10k": ("callbacks.stop.max_images", 10_000),
    "callbacks.grid.every_images=1e4": ("callbacks.grid.every_images", 10_000),
    "model.average_half_life=20k": ("model.average_half_life", 20_000.0),
    "trainer.max_time=600": ("trainer.max_time", "00:00:10:00"),
    "trainer.max_time=10m": ("trainer.max_time", "00:00:10:00"),
    "trainer.max_time={hours:1}": ("trainer.max_time", "00:01:00:00"),
    "trainer.devices=1.0": ("trainer.devices", 1),
    "model.freeze=generator.mapping": ("model.freeze", ["generator.mapping"]),
    "resume=2024": ("resume", "2024"),
    "callbacks.grid=null": ("callbacks.grid", None),
    "model.generator_optimizer._target_=torch.optim.AdamW": ("model.generator_optimizer.lr", 0.005),
    "model.generator_optimizer={_target_:tests.training.run.test_values.Factory,_partial_:false}": (
        "model.generator_optimizer._target_",
        "tests.training.run.test_values.Factory",
    ),
    "augment={_target_:torch.nn.Identity}": ("augment._target_", "torch.nn.Identity"),
    "callbacks.schedules.learning_rate=[[0,1],[10k,0]]": ("callbacks.schedules.learning_rate", [[0, 1], [10_000, 0]]),
    "+logger.csv.flush_logs_every_n_steps=1k": ("logger.csv.flush_logs_every_n_steps", 1000),
    "+trainer.profiler=simple": ("trainer.profiler", "simple"),
}
REFUSED = {
    "seed=abc": "^seed must be an integer, got 'abc'$",
    "seed=-1": r"^seed must be in \[0, 2\*\*32\), got -1$",
    "optimized_metric=1.5": "^optimized_metric must be text or null, got 1.5$",
    "resume=[]": r"^resume must be a path or null, got \[\]$",
    "output=true": "^output must be a path, got True$",
    "callbacks.stop.max_images=many": "^callbacks.stop.max_images must be an integer or null, got 'many'$",
    "callbacks.stop.max_images=1.5": "^callbacks.stop.max_images must be an integer",
    "callbacks.stop.max_images=true": "^callbacks.stop.max_images must be an integer",
    "trainer.max_time=10:00": r"^trainer.max_time must be days:hours:minutes:seconds, .* a number of seconds or null",
    "trainer.precision=17": "^trainer.precision must be .*16-mixed.*, got 17$",
    "trainer.max_steps=null": "^trainer.max_steps must be an integer, got None$",
    "model.compile=no": "^model.compile must be true or false, got 'no'$",
    "data.labels=1": "^data.labels must be none, classes, vectors, true or false, got 1$",
    "data.batch_size=four": "^data.batch_size must be an integer, got 'four'$",
    "data.resolution=8x8": "^data.resolution must be an integer or a list .*, got '8x8'$",
    "model.generator=null": r"^model.generator must be what a _target_ makes \(StyleGenerator\), got None$",
    "model.generator_optimizer.lr=fast": "^model.generator_optimizer.lr must be a number, got 'fast'$",
    "model.generator_optimizer.betas=[0.1]": "^model.generator_optimizer.betas must be a list .*, got",
    "model.generator_optimizer.lr=-1": "^model.generator_optimizer: Invalid learning rate: -1",
    "model.discriminator_optimizer.betas=[0.0,1.0]": "^model.discriminator_optimizer: Invalid beta parameter",
    "callbacks.grid=5": r"^callbacks.grid must be what a _target_ makes \(Callback\) or null, got 5$",
    "logger.csv=5": r"^logger.csv must be what a _target_ makes \(Logger\) or null, got 5$",
    "model.generator={_target_:torch.nn.Identity}": r"^model.generator must be .*\(StyleGenerator\), got _target_=",
    "data={_target_:torch.nn.Identity}": r"^data must be what a _target_ makes \(ImageDataModule\), got _target_=torch",
    "data={_target_:stylelayers.checkpoints.load_generator}": r"^data must be .*\(ImageDataModule\)",
    "callbacks.grid={_target_:builtins.dict}": r"^callbacks.grid must be .*\(Callback\) or null, got _target_=builtins",
    "logger.csv._target_=torch.nn.Identity": r"^logger.csv must be .*\(Logger\) or null, got _target_=torch.nn.Id",
    "trainer={_target_:builtins.dict}": r"^trainer must be what a _target_ makes \(Trainer\), got",
    "+callbacks.mine={a:1}": "^callbacks.mine must be what a _target_ makes",
    "data._target_=stylelayers.nothing": "^data._target_ must name what can be called, got 'stylelayers.nothing'$",
    "data._target_=[]": "^data._target_ must name what can be called",
    "+seeed=3": "^seeed is not a key of the configuration.*; did you mean seed?",
    "+model.generator_optimizer.momentum=1": "^model.generator_optimizer.momentum is not a key of torch.optim.Adam, ",
    "callbacks.signals=${seed}": "^callbacks.signals must be .*Callback.* or null, got 0$",
    "callbacks.grid.rows=${model.generator.activation}": "^callbacks.grid.rows must be an integer, got 'lrelu'$",
    "model.loss=${model.generator}": "^model.loss must be .*, got _target_=stylelayers.Generator$",
    "model.generator_optimizer._target_=torch.optim.SGD": "betas is not a key of .*SGD.*out .~model.generator_opt",
    "+callbacks.stop.max_image=1": "max_image is not a key .*StopAfterImages.*; did you mean callbacks.stop.max_images",
}


class Factory:
    """Makes optimizers, and is none."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def __call__(self, parameters: list[Any]) -> Any:
        return None


@pytest.mark.parametrize("override", MEANT)
def test_a_plain_meaning_is_written_in_its_place(override: str) -> None:
    config = compose(OUTPUT, override)
    check_values(config)
    key, value = MEANT[override]
    assert OmegaConf.select(config, key) == value


@pytest.mark.parametrize("override", REFUSED)
def test_a_value_of_another_kind_is_refused_by_its_key(override: str) -> None:
    with pytest.raises(ValueError, match=REFUSED[override]) as error:
        check_values(compose(*([] if override.startswith("output") else [OUTPUT]), override))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("overrides", [(), ("augment=ada", "callbacks=metrics"), ("data=folder", "loss=r3gan")])
def test_what_the_presets_say_is_left_as_it_is(overrides: tuple[str, ...]) -> None:
    config = compose(OUTPUT, *overrides)
    before = OmegaConf.to_container(config)
    check_values(config)
    assert OmegaConf.to_container(config) == before


@pytest.mark.parametrize(("written", "meant"), [("0.1", 0.1), ("1e-1", 0.1), ("1k", 1000.0)])
def test_a_key_of_ones_own_that_others_refer_to_is_fine(written: str, meant: float) -> None:
    config = compose(OUTPUT, f"+rate={written}", "model.generator_optimizer.lr=${rate}")
    check_values(config)
    assert config.model.generator_optimizer.lr == meant
