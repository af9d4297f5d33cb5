"""The page on a port of this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from .._extras import needs_extra

with needs_extra(__name__, "demo"):
    import gradio as gr

    from .page import LOOK

__all__ = ["serving"]


@contextmanager
def serving(page: gr.Blocks, *, host: str = "127.0.0.1", port: int | None = None) -> Iterator[str]:
    """Serve a page in the background as long as the context lasts; gives its address.

    No link to share, no usage data, no history of what was looked at.

    Args:
        page: of :func:`stylelayers.demo.page.build_page`.
        host: address that is listened at. Whoever reaches it can use the page.
        port: None takes the first free one from 7860.

    Raises:
        OSError: the address cannot be listened at, or the port is taken.
    """
    _check_host(host)
    _reach_without_proxy(host, "localhost")
    try:
        yield _launch(page, host, port)
    finally:
        page.close(verbose=False)


def _check_host(host: str) -> None:
    """Listen for a moment at any port: gradio would try again for minutes."""
    try:
        family = socket.getaddrinfo(host, None)[0][0]
        socket.create_server((host, 0), family=family).close()
    except (OSError, UnicodeError) as error:
        raise OSError(f"cannot listen at {host!r}: {getattr(error, 'strerror', None) or error}") from None


def _launch(page: gr.Blocks, host: str, port: int | None) -> str:
    try:
        return page.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            show_error=True,
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            footer_links=[],
            **LOOK,
        )[1]
    except OSError as error:
        where = f"{host}, port {port}" if port else host
        raise OSError(f"cannot listen at {where}; is it taken?") from error


def _reach_without_proxy(*hosts: str) -> None:
    """Gradio asks its own page whether it is there, which a proxy could not answer."""
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(dict.fromkeys([*filter(None, os.environ.get(name, "").split(",")), *hosts]))
