"""``python link_torch.py VENV``: link torch, safetensors and what they need, and nothing else, into an environment.

The links are to this environment's files, so that torch is downloaded and unpacked once.
"""

import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


def with_requirements(*names: str) -> list[Distribution]:
    found: dict[str, Distribution] = {}
    left = [Requirement(name) for name in names]
    while left:
        requirement = left.pop()
        package = found[str(requirement)] = distribution(requirement.name)
        for each in map(Requirement, package.requires or []):
            extras = ("", *requirement.extras)
            needed = each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras)
            if needed and str(each) not in found:
                left.append(each)
    return list(found.values())


(site,) = Path(sys.argv[1]).glob("lib/python*/site-packages")
for package in with_requirements("torch", "safetensors"):
    for name in {file.parts[0] for file in package.files or []} - {"..", "__pycache__"}:
        if not (site / name).exists():
            (site / name).symlink_to(Path(str(package.locate_file(name))))
