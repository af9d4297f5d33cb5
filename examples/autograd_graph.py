"""Draw the autograd graphs of a blur and of a penalty on its gradient.

    python examples/autograd_graph.py --output runs/examples

Saves `autograd_graph.png` and `.svg`: our blur next to padding and convolution in plain torch, with the tensors that
each node keeps until backward. Prints what the filters keep: ours nothing, plain torch images. Takes seconds.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from stylelayers.functional import blur2d

FILTERS = {"UpFirDn2d", "Convolution", "ConstantPadNd"}  # nodes that blur
COLOURS = {"filter": "#cfe2f3", "leaf": "#d9ead3", "other": "#eeeeee"}


class Graph(NamedTuple):
    names: dict[Any, str]  # by node
    edges: list[tuple[Any, Any]]  # from an operation to the one that made its argument
    layers: dict[Any, int]  # length of the longest path from the result


def our_blur(x: Tensor) -> Tensor:
    return blur2d(x)


def plain_blur(x: Tensor) -> Tensor:
    taps = torch.tensor([1.0, 2.0, 1.0]) / 4
    weight = torch.outer(taps, taps).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x, (1, 1, 1, 1)), weight, groups=x.shape[1])


def loss_and_penalty(blur: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """A loss of the blurred image, and the squared norm of its gradient."""
    loss = blur(x).pow(2).sum()
    (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
    return loss, gradient.pow(2).sum()


def walk(result: Tensor) -> Graph:
    """Follow `grad_fn.next_functions` from a result to the leaves (AccumulateGrad, which sets `.grad`)."""
    graph = Graph({}, [], {})

    def visit(node: Any, layer: int) -> None:
        new = node not in graph.names
        graph.names[node] = "x" if hasattr(node, "variable") else re.sub(r"^_|(Backward)+\d*$", "", node.name())
        graph.layers[node] = max(layer, graph.layers.get(node, 0))
        for following, _ in node.next_functions:
            if following is not None:
                if new:
                    graph.edges.append((node, following))
                visit(following, layer + 1)

    visit(result.grad_fn, 0)
    return graph


def saved_tensors(node: Any) -> list[Tensor]:
    """Tensors that a node saved for backward: built-in nodes have attributes `_saved_*`, Functions a tuple."""
    values = [getattr(node, name) for name in dir(node) if name.startswith("_saved_")]
    values += getattr(node, "saved_tensors", ())
    return [value for value in values if isinstance(value, Tensor) and value.ndim > 0]


def filter_bytes(graph: Graph) -> int:
    """Bytes of the tensors that the blurring nodes save."""
    tensors = [tensor for node, name in graph.names.items() if name in FILTERS for tensor in saved_tensors(node)]
    return sum(tensor.untyped_storage().nbytes() for tensor in {t.data_ptr(): t for t in tensors}.values())


def draw(graph: Graph, axes: Axes, title: str) -> None:
    """Draw a graph with the result on top; arrows point where gradients flow."""
    taken: Counter[int] = Counter()
    places, boxes = {}, {}
    for node, layer in graph.layers.items():
        places[node] = (1.6 * taken[layer], -layer)
        taken[layer] += 1
        name = graph.names[node]
        label = "\n".join([name, *("keeps " + " x ".join(map(str, tensor.shape)) for tensor in saved_tensors(node))])
        kind = "filter" if name in FILTERS else "leaf" if name == "x" else "other"
        box = {"boxstyle": "round,pad=0.35", "facecolor": COLOURS[kind], "edgecolor": "#555555"}
        boxes[node] = axes.text(*places[node], label, ha="center", va="center", fontsize=8, bbox=box)
    for start, end in graph.edges:
        skips = graph.layers[end] - graph.layers[start] > 1
        arrow = {
            "arrowstyle": "-|>",
            "color": "#333333",
            "patchA": boxes[start].get_bbox_patch(),  # from the edge of one box to the edge of the other
            "patchB": boxes[end].get_bbox_patch(),
            "connectionstyle": "arc,angleA=0,angleB=0,armA=85,armB=85,rad=12" if skips else "arc3",  # round
        }
        axes.annotate("", places[end], places[start], arrowprops=arrow, zorder=4)  # after the boxes are placed
    axes.set_title(title, fontsize=10)
    axes.set(xlim=(-0.8, 0.8 + 1.6 * (max(taken.values()) - 1)), ylim=(-9.5, 0.6))
    axes.set_axis_off()


def main(folder: Path) -> dict[str, int]:
    x = torch.randn(2, 8, 16, 16, requires_grad=True)
    figure = Figure(figsize=(11, 7), layout="constrained")
    panels = iter(figure.subplots(1, 4))
    results = {}
    for name, blur in (("blur2d", our_blur), ("pad + conv2d", plain_blur)):
        for quantity, result in zip(("loss", "penalty"), loss_and_penalty(blur, x), strict=True):
            graph = walk(result)
            results[f"{name}, {quantity}"] = size = filter_bytes(graph)
            draw(graph, next(panels), f"{name}: {quantity}\nfilters keep {size:,} bytes")
            print(f"{name}, {quantity}: {len(graph.names)} nodes; filters keep {size:,} bytes")
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in ("png", "svg"):
        figure.savefig(folder / f"autograd_graph.{suffix}", dpi=100)
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/examples"), help="folder for the pictures")
    main(parser.parse_args().output)
