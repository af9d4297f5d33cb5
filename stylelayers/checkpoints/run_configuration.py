"""The ``config.yaml`` of a run as plain data: whatever class or function it names, none is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["CONFIGURATION", "read_configuration"]

CONFIGURATION = "config.yaml"


def read_configuration(file: Path) -> dict[str, Any]:
    """The sections of a configuration by their names; interpolations stay text.

    Raises:
        ValueError: PyYAML is missing, or the file is no YAML of plain values by name; the file is not named.
    """
    try:
        import yaml
    except ImportError:
        raise ValueError("it can only be read with PyYAML: pip install pyyaml") from None
    try:
        sections = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from None
    if not isinstance(sections, dict):
        raise ValueError(f"expected sections by their names, got {type(sections).__name__}")
    return sections
