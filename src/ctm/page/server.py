"""A web server for a page, on this machine alone."""

import contextlib
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ctm.errors import ConfigError


class _Handler(SimpleHTTPRequestHandler):
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".js": "text/javascript", ".mjs": "text/javascript"}

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")  # these two allow threads
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def serve(folder: str | Path, port: int = 0) -> ThreadingHTTPServer:
    """A server for the files of a folder, at 127.0.0.1; `serve_forever()` starts it.

    Args:
        folder: with the page.
        port: where; 0 for any that is free.

    Raises:
        ConfigError: if the port is taken.
    """
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(folder)))
    except (OSError, OverflowError) as error:
        raise ConfigError(f"port = {port}: {error}; expected one that is free, or 0 for any") from None


def address(server: ThreadingHTTPServer) -> str:
    """Where a page is."""
    return f"http://127.0.0.1:{server.server_port}/"


def serve_until_interrupted(server: ThreadingHTTPServer) -> None:
    """Serves until Ctrl-C."""
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
