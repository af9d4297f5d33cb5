"""Reports of runs: one HTML page with curves, pictures and settings. Needs Jinja2 and Pillow."""

from .._extras import needs_extra

with needs_extra(__name__, "cli"):
    from .page import write_report
    from .reading import Run, is_run, read_run, read_table

__all__ = ["Run", "is_run", "read_run", "read_table", "write_report"]
