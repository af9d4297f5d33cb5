"""A table for people: aligned text anywhere, a Rich table on a console of Rich, HTML in a notebook."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any


@dataclass(frozen=True)
class Table:
    """Cells of text under headings.

    Attributes:
        headings: of the columns.
        rows: one cell for each column.
        totals: rows below a line.
        left: number of columns, from the first, that are aligned to the left; numbers are aligned to the right.

    Example:
        >>> print(Table(("layer", "size"), [("a", "8x8"), ("bcd", "16x16")]))
        layer   size
        a        8x8
        bcd    16x16
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    totals: Sequence[Sequence[str]] = ()
    left: int = 1

    def __str__(self) -> str:
        rows = [self.headings, *self.rows, *self.totals]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(self._padded(row, widths)).rstrip() for row in rows]
        if self.totals:
            lines.insert(-len(self.totals), "-" * max(map(len, lines)))
        return "\n".join(lines)

    def __rich__(self) -> Any:
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=box.SIMPLE_HEAD)
        for index, heading in enumerate(self.headings):
            table.add_column(heading, justify="left" if index < self.left else "right")
        for index, row in enumerate((*self.rows, *self.totals), 1):
            table.add_row(*map(Text, row), end_section=index == len(self.rows))
        return table

    def _repr_html_(self) -> str:
        sides = ["left" if index < self.left else "right" for index in range(len(self.headings))]
        head, body, foot = (
            "".join(_html_row(row, sides, tag) for row in rows)
            for rows, tag in (([self.headings], "th"), (self.rows, "td"), (self.totals, "th"))
        )
        return f"<table><thead>{head}</thead><tbody>{body}</tbody><tfoot>{foot}</tfoot></table>"

    def _padded(self, row: Sequence[str], widths: Sequence[int]) -> list[str]:
        cells = enumerate(zip(row, widths, strict=True))
        return [cell.ljust(width) if index < self.left else cell.rjust(width) for index, (cell, width) in cells]


def _html_row(row: Sequence[str], sides: Sequence[str], tag: str) -> str:
    cells = (f'<{tag} style="text-align: {side}">{escape(cell)}</{tag}>' for cell, side in zip(row, sides, strict=True))
    return f"<tr>{''.join(cells)}</tr>"
