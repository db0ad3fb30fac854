"""A local HTTP server that behaves, or misbehaves, as told."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer(ThreadingHTTPServer):
    """Serves bytes from memory on 127.0.0.1.

    Attributes
    ----------
    files : dict of str to bytes
    ranges : bool
        Whether requests for the rest of a file are honoured.
    cut_at : int or None
        Close the connection after that many bytes of the next answer, once.
    hold : threading.Event or None
        Wait for it in the middle of each answer.
    shift : int
        Added to the start of an honoured range: a server that sends another part than was asked for.
    requests : list of (str, str or None)
        Path and Range header of every request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.say_length = True
        self.status = 200
        self.cut_at: int | None = None
        self.hold: threading.Event | None = None
        self.shift = 0
        self.requests: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients of these tests hang up on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        server, path = self.server, self.path.lstrip("/")
        wanted = self.headers.get("Range")
        server.requests.append((path, wanted))
        if server.status != 200 or path not in server.files:
            self.send_error(404 if server.status == 200 else server.status)
            return
        content, start = server.files[path], 0
        match = re.fullmatch(r"bytes=(\d+)-", wanted or "") if server.ranges else None
        if match:
            start = int(match[1])
            if start >= len(content):
                self.send_error(416)
                return
            start += server.shift
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        rest = content[start:]
        if server.say_length:
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        cut, server.cut_at = server.cut_at, None
        if cut is not None:
            self.wfile.write(rest[:cut])
            return
        middle = len(rest) // 2
        self.wfile.write(rest[:middle])
        if server.hold is not None:
            server.hold.wait(30)
        self.wfile.write(rest[middle:])

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@contextmanager
def serving() -> Iterator[FileServer]:
    """Run a server in a thread for as long as the context lasts."""
    server = FileServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        if server.hold is not None:
            server.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()
