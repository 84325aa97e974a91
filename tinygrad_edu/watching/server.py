"""The page of a run that goes on, on 127.0.0.1: it can be read, and nothing else.

The address that is printed has a token. It is exchanged for a cookie, which only this server gets
back. Every request must name this host (or a page elsewhere could reach it by a name of its own),
and only GET is known: nothing in a page can reach the program. The thread that trains puts each
snapshot into a box of one, per reader, and goes on: a slow reader misses frames.
"""

from __future__ import annotations

import base64
import queue
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tinygrad_edu.graph.stepping.pieces import page_json
from tinygrad_edu.watching.encoding import Snapshot, frame_data, run_data
from tinygrad_edu.watching.page import run_page

MOST_READERS = 16  # streams at a time
MOST_CONNECTIONS = 64
ALIVE = 15.0  # seconds between signs of life on a stream
PATIENCE_SECONDS = 20.0  # with a connection that sends nothing, or takes nothing
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Box = queue.Queue[Snapshot | None]


class LocalPage:
    """A server for the page of one run; `url` opens it."""

    def __init__(self, run: Snapshot) -> None:
        self.run, self.token = run, secrets.token_urlsafe(24)
        self.is_over = False
        self.readers: list[Box] = []
        self.lock = threading.Lock()
        self.server = BoundedServer(("127.0.0.1", 0), handler_for(self))
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    @property
    def cookie(self) -> str:
        return f"watch{self.port}={self.token}"

    # In the thread that trains

    def show(self, run: Snapshot) -> None:
        """Give the newest snapshot to all readers; never waits."""
        self.run, self.is_over = run, False
        with self.lock:
            for box in self.readers:
                put_newest(box, run)

    def end(self) -> None:
        """Tell the readers that no more comes; the page stays, and can be loaded again."""
        self.is_over = True
        with self.lock:
            for box in self.readers:
                put_newest(box, None)

    def close(self) -> None:
        self.end()
        self.server.shutdown()
        self.server.server_close()

    # In the threads that answer

    def reader(self) -> Box | None:
        """A new box for a reader; None if there are too many."""
        box: Box = queue.Queue(1)
        with self.lock:
            if len(self.readers) >= MOST_READERS:
                return None
            self.readers.append(box)
        box.put(None if self.is_over else self.run)  # what came since the page was made
        return box

    def leave(self, box: Box) -> None:
        with self.lock:
            self.readers.remove(box)


def put_newest(box: Box, run: Snapshot | None) -> None:
    """Put into a box of one, in place of what is there; None stays the last."""
    while True:
        try:
            box.put_nowait(run)
            return
        except queue.Full:
            try:
                box.get_nowait()
            except queue.Empty:
                continue


class BoundedServer(ThreadingHTTPServer):
    """A server that answers a bounded number of connections at a time, and drops the others."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def __init__(self, *args: Any) -> None:
        self.free = threading.Semaphore(MOST_CONNECTIONS)
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self.free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is the reader's affair: nothing is printed."""


def handler_for(page: LocalPage) -> type[BaseHTTPRequestHandler]:
    """A handler that knows GET, and no other method."""

    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE_SECONDS
        server_version, sys_version = "tinygrad_edu", ""

        def do_GET(self) -> None:
            answer(self, page)

        def log_message(self, *args: Any) -> None:
            """Requests are not printed: a line of the terminal is the run's."""

    return Handler


def answer(request: BaseHTTPRequestHandler, page: LocalPage) -> None:
    if request.headers.get("Host", "") not in hosts(page.port):
        return send_refusal(request, 403, "this page is at 127.0.0.1 only")
    asked = urlsplit(request.path)
    given = parse_qs(asked.query).get("token", [""])[0]
    if asked.path == "/" and given and is_same(given, page.token):
        return give_cookie(request, page)
    cookies = request.headers.get("Cookie", "").split(";")
    if not any(is_same(cookie.strip(), page.cookie) for cookie in cookies):
        return send_refusal(request, 403, "open the address that was printed: it has the token")
    if asked.path == "/":
        return send_page(request, page)
    if asked.path == "/frames":
        return send_frames(request, page)
    return send_refusal(request, 404, "there is nothing here")


def hosts(port: int) -> tuple[str, str]:
    return f"127.0.0.1:{port}", f"localhost:{port}"


def is_same(given: str, known: str) -> bool:
    """Compare in a time that tells nothing of where they differ."""
    return secrets.compare_digest(given.encode("utf-8", "replace"), known.encode())


def send(request: BaseHTTPRequestHandler, code: int, headers: dict[str, str], body: bytes) -> None:
    request.send_response(code)
    for name, value in {**HEADERS, **headers, "Content-Length": str(len(body))}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)


def send_refusal(request: BaseHTTPRequestHandler, code: int, why: str) -> None:
    send(request, code, {"Content-Type": "text/plain; charset=utf-8"}, why.encode())


def give_cookie(request: BaseHTTPRequestHandler, page: LocalPage) -> None:
    """The token goes out of the address and into a cookie that scripts cannot read."""
    kept = f"{page.cookie}; HttpOnly; SameSite=Strict; Path=/"
    send(request, 303, {"Location": "/", "Set-Cookie": kept}, b"")


def send_page(request: BaseHTTPRequestHandler, page: LocalPage) -> None:
    text = run_page([run_data(page.run)], live=not page.is_over)
    send(request, 200, {"Content-Type": "text/html; charset=utf-8"}, text.encode())


def send_frames(request: BaseHTTPRequestHandler, page: LocalPage) -> None:
    """Server-sent events: each newest frame, until the run ends or the reader leaves."""
    box = page.reader()
    if box is None:
        return send_refusal(request, 503, "too many pages are open")
    try:
        request.send_response(200)
        for name, value in {**HEADERS, "Content-Type": "text/event-stream"}.items():
            request.send_header(name, value)
        request.end_headers()
        while True:
            try:
                run = box.get(timeout=ALIVE)
            except queue.Empty:
                request.wfile.write(b": still here\n\n")
                continue
            request.wfile.write(event_text(run))
            if run is None:
                return None
    except OSError:
        return None  # the reader has left, or takes nothing
    finally:
        page.leave(box)
        request.close_connection = True


def event_text(run: Snapshot | None) -> bytes:
    if run is None:
        return b"event: end\ndata: {}\n\n"
    head, buffers = frame_data(run)
    maps = [base64.b64encode(data).decode() for data in buffers]
    return f"data: {page_json({'head': head, 'maps': maps})}\n\n".encode()
