"""Training from a configuration: checks, error lines, resume, transfer, loggers, pre-flight, closing lines."""

from ..._extras import needs_extra

with needs_extra(__name__, "train"):
    from .loggers import mlflow_logger, wandb_logger
    from .preflight import Preflight
    from .transfer import initialize

__all__ = ["Preflight", "initialize", "mlflow_logger", "wandb_logger"]
