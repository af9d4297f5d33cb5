"""Time operators, networks and training iterations on a CUDA device, with peak memory, in one command.

    python -m benchmarks.gpu [--peers FOLDER] [--rounds 5] [--minutes 8]

Tables are printed as they are done. Rows for which `--minutes` leave no time, that need more memory than there is or
that fail are named at the end. The official code runs with its CUDA operators if nvcc can compile them, and in rows of
"bf16" in its own mixed precision, float16 at the four highest resolutions. ``--device cpu --smoke`` runs everything at
the smallest sizes, to test the script.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from .iteration import ITERATIONS, ours, quiet_lightning, theirs
from .operators import PHASES, Row, operator_rows
from .peers import Official, Rosinality
from .steps import STEPS, Networks, official_networks, our_networks
from .timing import arguments, interleaved, print_table

PRECISIONS = ("float32", "tf32", "bf16")  # the first for operators and eager networks alone
COMPILING = 60.0  # seconds that a row must have left if it compiles a network
PUBLISHED = (("A100", 12.53, 4.5), ("V100", 20.8, ""))  # one GPU: seconds for 1,000 images, and GB


class Sizes(NamedTuple):
    operators: tuple[int, ...] = (64, 256)  # height and width of (8, 64, height, width)
    networks: tuple[int, ...] = (128, 256)
    iteration: int = 256
    batch: int = 16
    channel_base: int = 16384
    channel_max: int = 512
    w_dim: int = 512
    seconds: float = 0.05  # of a turn

    def of_networks(self) -> dict[str, int]:
        return {**{key: getattr(self, key) for key in ("channel_base", "channel_max", "w_dim")}, "mapping_layers": 2}


SMOKE = Sizes((8,), (8,), 8, 2, 64, 8, 4, 0.0)


def main() -> None:
    options = arguments(__doc__ or "", device="cuda", rounds=5, minutes=8.0, smoke=False)
    quiet_lightning()
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    sizes, official = SMOKE if options.smoke else Sizes(), Official.found(options.peers)
    session = Session(options, sizes, official)
    if official is not None:
        print(f"official: {official.try_compiled_operators(options.device)}", flush=True)
    port = session.attempt("the PyTorch port", partial(Rosinality.found, options.peers))  # compiles its operators
    operator_table(session, None if isinstance(port, str) else port)
    for compiled in (False, True):
        iteration_table(session, compiled=compiled)
        network_table(session, compiled=compiled)
    print("\n".join(["Left out:", *(f"- {line}" for line in session.left_out)] if session.left_out else ["All done."]))


class Session:
    """Measures what there is time and memory for, and keeps the names of the rest with the reason."""

    def __init__(self, options: argparse.Namespace, sizes: Sizes, official: Official | None) -> None:
        self.device, self.rounds, self.sizes, self.official = options.device, options.rounds, sizes, official
        self.end = perf_counter() + 60 * options.minutes
        self.left_out: list[str] = []

    def attempt(self, name: str, run: Callable[[], Any], needs: float = 0.0) -> Any:
        """The result of `run`, or a string: why there is none."""
        if perf_counter() + needs > self.end:
            reason = "no time left"
        else:
            try:
                return run()
            except torch.OutOfMemoryError:
                reason = "out of memory"
            except Exception as error:  # the other rows of a rare machine are worth having
                reason = type(error).__name__
                name += f": {next(iter(str(error).splitlines()), '')}"
            free_memory()
        self.left_out.append(f"{name} ({reason})")
        return reason

    def times(self, name: str, variants: Mapping[str, Callable[[], Any]], needs: float = 0.0) -> dict[str, Any]:
        """Milliseconds of each variant, or why it has none; a variant makes the function that is timed."""
        found = {key: self.attempt(f"{name}, {key}", partial(warmed_up, make), needs) for key, make in variants.items()}
        ready = {key: run for key, run in found.items() if callable(run)}
        if ready:
            timed = self.attempt(name, partial(interleaved, ready, rounds=self.rounds, seconds=self.sizes.seconds))
            found |= timed if isinstance(timed, dict) else dict.fromkeys(ready, timed)
        return found


def operator_table(session: Session, port: Rosinality | None) -> None:
    with products_in("float32"), torch.device(session.device):
        rows = [row for row in operator_rows(session.official, port) if port is None or "reflect" not in row.name]
        table = [
            operator_cells(session, row, size, phase)
            for size in session.sizes.operators
            for row in rows
            for phase in PHASES
        ]
    names = ("ours", "ours last", "plain", "plain last", "official")
    ratios = ("ours / plain", "last / plain last", "ours / official", "last / official")
    header = ("operator", "size", "pass", *(f"{name} ms" for name in names), *ratios)
    print_table("Operators on (8, 64, size, size), float32", header, table, session.device)


def operator_cells(session: Session, row: Row, size: int, phase: str) -> list[Any]:
    name = f"{row.name}, {size}x{size}, {phase}"
    x = torch.randn(*row.inputs[0].shape[:2], size, size)
    inputs = (x, *row.inputs[1:])
    last = tuple(t.to(memory_format=torch.channels_last) if t.ndim == 4 else t for t in inputs)
    if phase == "forward":
        session.attempt(f"{name}, equal results", partial(compare, row, inputs, last))
    versions = {
        "ours": (row.ours, inputs),
        "ours last": (row.ours, last),
        "plain": (row.plain, inputs),
        "plain last": (row.plain, last),
        "official": (row.official, inputs),
    }
    makers = {key: partial(PHASES[phase], function, given) for key, (function, given) in versions.items() if function}
    found = session.times(name, makers)
    pairs = (("ours", "plain"), ("ours last", "plain last"), ("ours", "official"), ("ours last", "official"))
    return [row.name, size, phase, *(found.get(key, "") for key in versions), *(ratio(found, *pair) for pair in pairs)]


def compare(row: Row, inputs: tuple[Tensor, ...], last: tuple[Tensor, ...]) -> None:
    expected = row.ours(*inputs)
    for function, given in ((row.ours, last), (row.plain, inputs), (row.official, inputs)):
        if function is not None:
            torch.testing.assert_close(function(*given), expected, rtol=1e-3, atol=1e-3)


def network_table(session: Session, *, compiled: bool) -> None:
    with torch.device(session.device):
        rows = [
            cells
            for precision in PRECISIONS[compiled:]
            for size in session.sizes.networks[::-1]
            for cells in network_rows(session, size, precision, compiled)
        ]
    header = ("step", "size", "precision", "ours ms", "official ms", "ours / official")
    title = f"Networks, batch {session.sizes.batch}, {'compiled' if compiled else 'eager'}"
    print_table(title, header, rows, session.device)


def network_rows(session: Session, size: int, precision: str, compiled: bool) -> Iterator[list[Any]]:
    names = {name: f"{'compiled ' * compiled}{name}, {size}x{size}, {precision}" for name in STEPS}
    makers = network_makers(session, size, precision)
    built = {who: session.attempt(f"networks, {size}x{size}, {precision}, {who}", make) for who, make in makers.items()}
    for name, full_name in names.items():
        steps: dict[str, Callable[[], Any]] = {
            who: partial(step, networks, name, compiled and who == "ours", precision == "bf16" and who == "ours")
            for who, networks in built.items()
            if isinstance(networks, Networks)
        }
        with products_in(precision):
            found = built | session.times(full_name, steps, COMPILING if compiled else 0.0)
        yield [name, size, precision, found["ours"], found.get("official", ""), ratio(found, "ours", "official")]


def network_makers(session: Session, size: int, precision: str) -> dict[str, Callable[[], Networks]]:
    keys, batch = session.sizes.of_networks(), session.sizes.batch
    makers: dict[str, Callable[[], Networks]] = {"ours": partial(our_networks, size, batch, **keys)}
    if session.official is not None:
        half = precision == "bf16"
        makers["official"] = partial(official_networks, session.official, size, batch, half=half, **keys)
    return makers


def step(networks: Networks, name: str, compiled: bool, lowered: bool) -> Callable[[], object]:
    torch._dynamo.reset()  # one function compiled for several networks soon has too many versions
    device = next(networks.generator.parameters()).device.type
    run = STEPS[name](networks, compiled=compiled)
    result: Callable[[], object] = torch.autocast(device, torch.bfloat16, enabled=lowered)(run)
    return result


def iteration_table(session: Session, *, compiled: bool) -> None:
    size, word = session.sizes.iteration, "compiled" if compiled else "eager"
    rows: list[list[Any]] = []
    for precision in PRECISIONS[1:]:
        for who, networks in network_makers(session, size, precision).items():
            if who == "ours" or not compiled:
                train = partial(ours, precision="bf16-mixed" if precision == "bf16" else "32-true", compile=compiled)
                make = train if who == "ours" else partial(theirs, cast(Official, session.official))
                name = f"iteration, {word}, {precision}, {who}"
                with products_in(precision):
                    run = partial(seconds_and_memory, session, networks, make)
                    found = session.attempt(name, run, 2 * COMPILING if compiled else 0.0)
                rows.append([who, precision, *(found if isinstance(found, list) else [found, ""])])
                free_memory()
    rows += [["official, published", gpu, *numbers] for gpu, *numbers in PUBLISHED]
    header = ("code", "precision", "s per 1,000 images", "peak GiB")
    print_table(f"Training, {size}x{size}, batch {session.sizes.batch}, {word}", header, rows, session.device)


def seconds_and_memory(session: Session, networks: Callable[[], Networks], make: Callable[..., Any]) -> list[Any]:
    """Of a whole training iteration with lazy penalties amortised, after one turn to warm up."""
    run = make(networks(), session.device)
    run()
    if on_cuda := session.device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    seconds = median(run() for _ in range(min(3, session.rounds)))
    peak = torch.cuda.max_memory_allocated() / 2**30 if on_cuda else ""
    return [1000 * seconds / (ITERATIONS * session.sizes.batch), peak]


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Whether convolutions and matrix products of float32 may round to TF32: in all precisions but ``"float32"``."""
    parts: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [part.allow_tf32 for part in parts]
    for part in parts:
        part.allow_tf32 = precision != "float32"
    yield
    for part, allowed in zip(parts, before, strict=True):
        part.allow_tf32 = allowed


def warmed_up(make: Callable[[], Callable[[], object]]) -> Callable[[], object]:
    run = make()
    run()
    return run


def ratio(found: Mapping[str, Any], ours: str, other: str) -> Any:
    one, two = found.get(ours), found.get(other)
    return one / two if isinstance(one, float) and isinstance(two, float) else ""


def free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
