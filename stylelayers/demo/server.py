"""Serve the page on a port of this machine."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from .._extras import needs_extra

with needs_extra(__name__, "demo"):
    import gradio as gr

    from .page import LAUNCH_OPTIONS


@contextmanager
def serving(page: gr.Blocks, *, host: str = "127.0.0.1", port: int | None = None) -> Iterator[str]:
    """Serve a page in the background inside the block; yields its URL.

    No share link, no usage data, no history.

    Args:
        page: of :func:`stylelayers.demo.page.build_page`.
        host: address to listen on; whoever reaches it can use the page.
        port: None for the first free one from 7860.

    Raises:
        OSError: an address that cannot be listened on, or a taken port.
    """
    _check_host(host)
    _bypass_proxy(host, "localhost")
    try:
        yield _launch(page, host, port)
    finally:
        page.close(verbose=False)


def _check_host(host: str) -> None:
    """Listen on any port for a moment, as Gradio would retry for minutes."""
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
            **LAUNCH_OPTIONS,
        )[1]
    except OSError as error:
        where = f"{host}, port {port}" if port else host
        raise OSError(f"cannot listen at {where}; is it taken?") from error


def _bypass_proxy(*hosts: str) -> None:
    """Exclude hosts from proxies, through which Gradio would not reach its own page."""
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(dict.fromkeys([*filter(None, os.environ.get(name, "").split(",")), *hosts]))
