"""Runs of W&B and MLflow: what they get, offline, and that a resumed run goes on in its own."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from lightning.pytorch.loggers import MLFlowLogger
from omegaconf import OmegaConf

import train
from stylelayers.training.distributed import PreflightError
from stylelayers.training.run import mlflow_logger
from stylelayers.training.run.building import build
from stylelayers.training.run.errors import CONFIGURATION_ERRORS, explain
from stylelayers.training.run.loggers import followed
from tests.metrics.test_quality_callback import metrics_config
from tests.training.test_watching import OwnLogger
from tests.training.tiny import BATCH, process, tiny_config


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_missing_package_is_one_line_with_the_extra(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    config = tiny_config(tmp_path / "run", f"logger={name}")
    with pytest.raises(CONFIGURATION_ERRORS) as raised:
        build(config)
    line = explain(raised.value, config)
    assert line.startswith(f'logger={name} needs {name}: pip install "stylelayers[{name}]"')


class Refusing(OwnLogger):
    def log_hyperparams(self, params: dict[str, Any]) -> None:  # type: ignore[override]
        raise ConnectionError("no\nnetwork")


def test_a_logger_that_does_not_start_ends_the_run_before_training(tmp_path: Path) -> None:
    with (
        pytest.raises(PreflightError, match=r"^Refusing did not start \(no network\)$"),
        followed([Refusing()], tmp_path, {}),
    ):
        raise AssertionError("not reached")


# Weights & Biases --------------------------------------------------------------------------------------------------


def records(folder: Path) -> list[Any]:
    """The records of the one W&B run in a run's folder: a log of LevelDB's format, in blocks of 32 KiB."""
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    data, place, found, record = path.read_bytes(), 7, list[Any](), b""
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:  # the rest of the block is empty
            place += 32768 - place % 32768
            continue
        length, kind = struct.unpack("<HB", data[place + 4 : place + 7])
        record += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            found.append(Record.FromString(record))
            record = b""
    return found


def values(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def run_of(folder: Path) -> Any:
    return next(record.run for record in records(folder) if record.WhichOneof("record_type") == "run")


def history(folder: Path) -> list[dict[str, Any]]:
    return [values(record.history.item) for record in records(folder) if record.history.item]


def artifacts(folder: Path) -> list[Any]:
    return [record.artifact for record in records(folder) if record.artifact.name]


@pytest.fixture(scope="module")
def wandb_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folders of a run with measurements, of the run that resumes it elsewhere, and of one that begins its own."""
    pytest.importorskip("wandb", reason="needs the extra wandb")
    folder = tmp_path_factory.mktemp("wandb")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
            patch.setenv(name, str(folder / "of_wandb"))
        patch.setenv("WANDB_SILENT", "true")
        patch.setenv("WANDB_MODE", "offline")
        general = ("logger=wandb", "logger.wandb.offline=true", "logger.wandb.tags=[small]")
        train.train(metrics_config(folder / "first", *general, "logger.wandb.project=tests"))
        more = (f"callbacks.stop.max_images={4 * BATCH}", "logger=wandb", f"resume={folder / 'first'}")
        train.train(tiny_config(folder / "second", *more))
        train.train(tiny_config(folder / "own", *more, "logger.wandb.resume=null", "logger.wandb.name=own"))
        yield folder


def test_wandb_gets_numbers_grids_and_the_whole_configuration(wandb_runs: Path) -> None:
    run, logged = run_of(wandb_runs / "first"), history(wandb_runs / "first")
    assert (run.project, run.display_name, list(run.tags)) == ("tests", "first", ["small"])
    config = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.load(wandb_runs / "first" / "config.yaml")))
    sent: dict[str, Any] = {}
    for record in records(wandb_runs / "first"):
        sent |= values(record.config.update) | values(record.run.config.update)
    assert {key: sent[key] for key in config} == config
    images = {row["progress/images"]: row["trainer/global_step"] for row in logged if "loss/generator" in row}
    assert images == {BATCH: 0, 2 * BATCH: 1}
    assert any("quality/fid" in row for row in logged)
    grids = [row for row in logged if "samples/grid/filenames" in row]
    assert [row["trainer/global_step"] for row in grids] == [0, 2]
    (path,) = grids[1]["samples/grid/filenames"]
    (file,) = (wandb_runs / "first").glob(f"wandb/offline-run-*/files/{path}")
    assert file.stat().st_size > 0
    assert (wandb_runs / "first" / "metrics.csv").is_file()


def test_wandb_gets_the_best_and_the_last_generator(wandb_runs: Path) -> None:
    found = artifacts(wandb_runs / "first")
    number = run_of(wandb_runs / "first").run_id
    assert [(artifact.name, artifact.type) for artifact in found] == [(f"generator-{number}", "model")] * len(found)
    assert [set(artifact.aliases) for artifact in found] == [{"best", "latest"}, {"latest"}]  # W&B moves its "latest"


def test_a_resumed_run_goes_on_in_its_wandb_run(wandb_runs: Path) -> None:
    first, second, own = (run_of(wandb_runs / name).run_id for name in ("first", "second", "own"))
    assert first == second != own
    assert json.loads((wandb_runs / "own" / "logger_runs.json").read_text()) == {"WandbLogger": own}
    assert [row["trainer/global_step"] for row in history(wandb_runs / "second") if "loss/generator" in row] == [2, 3]


def test_without_a_login_wandb_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="needs the extra wandb")
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    run = process(tmp_path, "logger=wandb")
    _, errors = run.communicate(timeout=300)
    assert run.returncode == 1
    assert errors == (
        "train.py: logger.wandb.offline must be true without a login to W&B; or log in (wandb login), or set "
        "WANDB_API_KEY\n"
    )
    assert not (tmp_path / "runs").exists()


# MLflow ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tracking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of a folder that holds MLflow's runs, which needs no database."""
    pytest.importorskip("mlflow", reason="needs the extra mlflow")
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return MlflowClient((tmp_path / "mlruns").as_uri())


def runs(client: Any) -> list[Any]:
    found: list[Any] = client.search_runs([client.get_experiment_by_name("stylelayers").experiment_id])
    return found


def test_a_resumed_run_goes_on_in_its_mlflow_run(tmp_path: Path, tracking: Any) -> None:
    train.train(metrics_config(tmp_path / "first", "logger=mlflow", "logger.mlflow.tags={size: small}"))
    more = ("logger=mlflow", f"callbacks.stop.max_images={4 * BATCH}", f"resume={tmp_path / 'first'}")
    train.train(tiny_config(tmp_path / "second", *more))
    (run,) = runs(tracking)
    number = run.info.run_id
    assert (run.info.run_name, run.info.status, run.data.tags["size"]) == ("first", "FINISHED", "small")
    assert json.loads((tmp_path / "second" / "logger_runs.json").read_text()) == {"MLFlowLogger": number}
    images = tracking.get_metric_history(number, "progress/images")
    assert sorted({(metric.step, metric.value) for metric in images if metric.step != 2 or metric.value != 8}) == [
        (step, BATCH * (step + 1)) for step in range(4)
    ]
    assert "quality/fid" in run.data.metrics
    assert run.data.params["model.generator.z_dim"] == "4"
    assert run.data.params["callbacks.stop.max_images"] == str(2 * BATCH)  # of its first start
    files = {file.path for file in tracking.list_artifacts(number)}
    assert files == {"config.yaml", "best.safetensors", "generator.safetensors", "images"}
    text = Path(tracking.download_artifacts(number, "config.yaml")).read_text()
    assert OmegaConf.create(text).callbacks.stop.max_images == 4 * BATCH
    pictures = [file.path for file in tracking.list_artifacts(number, "images") if file.path.endswith(".png")]
    assert sorted(int(path.split("+step+")[1].split("+")[0]) for path in pictures) == [0, 2, 2, 4]


def test_a_run_that_mlflow_does_not_know_is_told(tmp_path: Path, tracking: Any) -> None:
    (tmp_path / "logger_runs.json").write_text(json.dumps({"MLFlowLogger": "0" * 32}))
    logger = mlflow_logger(tmp_path, resume=tmp_path / "checkpoints" / "last.ckpt")
    with pytest.raises(PreflightError, match=r"MLFlowLogger did not start .*0000"), followed([logger], tmp_path, {}):
        raise AssertionError("not reached")


def test_a_server_that_fails_does_not_end_training(
    tmp_path: Path, tracking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.store.tracking.file_store import FileStore

    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("no network")

    address = (tmp_path / "failing").as_uri()
    for owner, name in ((FileStore, "log_batch"), (type(tracking), "log_image")):
        monkeypatch.setattr(owner, name, fail)
    with pytest.warns(UserWarning, match=r"MLFlowLogger did not take the picture .*ConnectionError: no network"):
        train.train(tiny_config(tmp_path / "run", "logger=mlflow", f"logger.mlflow.tracking_uri={address}"))
    (run,) = runs(client := type(tracking)(address))
    assert (run.info.status, run.data.metrics) == ("FINISHED", {})
    assert "generator.safetensors" in {file.path for file in client.list_artifacts(run.info.run_id)}


def test_a_server_that_does_not_answer_ends_the_run_before_training(tmp_path: Path, tracking: Any) -> None:
    logger = mlflow_logger(tmp_path, tracking_uri="http://127.0.0.1:9")
    with pytest.raises(PreflightError, match="MLFlowLogger did not start"), followed([logger], tmp_path, {}):
        raise AssertionError("not reached")


def test_a_local_database_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow", reason="needs the extra mlflow")
    asked: dict[str, Any] = {}
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(MLFlowLogger, "__init__", lambda self, **given: asked.update(given))
    mlflow_logger(tmp_path / "run")
    assert (asked["tracking_uri"], asked["run_name"], asked["run_id"]) == ("sqlite:///mlflow.db", "run", None)
