"""Time ``import stylelayers`` on top of ``import torch``, in new processes that take turns.

python -m benchmarks.import_time
"""

from __future__ import annotations

import subprocess
import sys

from .timing import arguments, interleaved, print_table


def main() -> None:
    options = arguments(__doc__ or "")
    found = interleaved(
        {
            code: lambda code=code: subprocess.run([sys.executable, "-c", code], check=True)  # type: ignore[misc]
            for code in ("import torch", "import torch, stylelayers")
        },
        rounds=options.rounds,
    )
    torch_alone, both = found.values()
    rows = [[code, time / 1000] for code, time in found.items()] + [["difference", (both - torch_alone) / 1000]]
    print_table("Import", ("process", "seconds"), rows)


if __name__ == "__main__":
    main()
