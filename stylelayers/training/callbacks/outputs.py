"""Where progress is shown: a bar on a terminal, one text in the cell of a notebook, lines in a file."""

from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column


class Output(Protocol):
    """Shows texts, each in place of the one before where that is possible.

    Attributes:
        seconds: from one text to the next, at least.
        keeps: whether earlier texts stay to be seen.
    """

    seconds: float
    keeps: bool

    def show(self, text: str, fraction: float | None) -> None:
        """Show a text, and the fraction of the work that is done; None if it is not known."""

    def close(self) -> None:
        """Leave the last text as it is."""


def open_output(console: Console, line_seconds: float) -> Output:
    """The kind of output that the console has.

    Args:
        console: on the standard output.
        line_seconds: from one line to the next in a file.
    """
    if console.is_jupyter:
        return Cell()
    return Bar(console) if console.is_interactive else Lines(console, line_seconds)


class Bar:
    """A Rich bar, in one line however narrow the terminal is."""

    seconds, keeps = 0.5, False

    def __init__(self, console: Console) -> None:
        text = TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1))
        columns = (BarColumn(20), TimeElapsedColumn(), text)
        self._bar = Progress(*columns, console=console, expand=True, refresh_per_second=1 / self.seconds)
        self._task = self._bar.add_task("starting", total=None)
        self._bar.start()

    def show(self, text: str, fraction: float | None) -> None:
        total = None if fraction is None else 1.0
        self._bar.update(self._task, total=total, completed=fraction, description=text)

    def close(self) -> None:
        self._bar.stop()


class Cell:
    """A text in the output of a notebook's cell, replaced by the next one; needs no widgets."""

    seconds, keeps = 1.0, False

    def __init__(self) -> None:
        self._shown: Any = None

    def show(self, text: str, fraction: float | None) -> None:
        from IPython.display import display  # runs in every notebook

        content = {"text/plain": text if fraction is None else f"{100 * fraction:.0f} % · {text}"}
        if self._shown is None:
            self._shown = display(content, raw=True, display_id=True)
        else:
            self._shown.update(content, raw=True)

    def close(self) -> None:
        pass


class Lines:
    """One line of text after another, without control characters."""

    keeps = True

    def __init__(self, console: Console, seconds: float) -> None:
        self._console, self.seconds = console, seconds

    def show(self, text: str, fraction: float | None) -> None:
        self._console.print(text, highlight=False)

    def close(self) -> None:
        pass
