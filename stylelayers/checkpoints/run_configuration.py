"""The ``config.yaml`` of a run as plain data; classes and functions that it names are not imported."""

from pathlib import Path
from typing import Any

CONFIGURATION = "config.yaml"
_MOST_CHARACTERS = 1 << 20  # some hundred times a run's


def read_configuration(file: Path) -> dict[str, Any]:
    """Read the sections of a configuration by name; interpolations stay text.

    Raises:
        ValueError: PyYAML is missing, or the file is not a YAML mapping of plain values; the caller adds the file name.
    """
    try:
        import yaml
    except ImportError:
        raise ValueError("it can only be read with PyYAML: pip install pyyaml") from None
    try:
        text = _text(file)
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise ValueError("it has aliases (*name), which training never writes")
        sections = yaml.safe_load(text)
    except (
        yaml.YAMLError,
        ValueError,
        LookupError,
        AttributeError,
        RecursionError,
    ) as error:  # all of PyYAML's
        raise ValueError(" ".join(str(error).split())) from None
    if not isinstance(sections, dict):
        raise ValueError(f"expected sections by their names, got {type(sections).__name__}")
    return sections


def _text(file: Path) -> str:
    with file.open(encoding="utf-8") as opened:
        text = opened.read(_MOST_CHARACTERS + 1)
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"it is longer than {_MOST_CHARACTERS:,} characters")
    return text
