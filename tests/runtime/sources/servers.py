"""Small cameras on the loopback interface, which note what they were asked for."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_DESCRIPTION = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:track1\r\n"
_ANSWERS = {
    "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY\r\n\r\n",
    "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(_DESCRIPTION)}\r\n\r\n{_DESCRIPTION}",
    "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n\r\n",
}


@contextmanager
def http_server(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[int]:
    """A web server that answers each GET in that way; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # The client may hang up as soon as it has seen enough.
            try:
                answer(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def serve_file(data: bytes, kind: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """The whole file to every request."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    return answer


def serve_motion_jpeg(pictures: list[bytes]) -> Callable[[BaseHTTPRequestHandler], None]:
    """JPEG pictures as one multipart answer, as cheap cameras do; then the connection ends."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace;boundary=next")
        request.end_headers()
        for data in pictures:
            head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            request.wfile.write(head.encode() + data + b"\r\n")

    return answer


@contextmanager
def stalling_rtsp_server() -> Iterator[tuple[int, list[str]]]:
    """An RTSP camera that agrees to everything and sends no picture; gives its port and the lines it was sent."""
    listening = socket.create_server(("127.0.0.1", 0))
    lines: list[str] = []
    thread = threading.Thread(target=_answer_rtsp, args=(listening, lines))
    thread.start()
    try:
        yield listening.getsockname()[1], lines
    finally:
        # Wakes an accept that nobody has come to.
        with socket.create_connection(listening.getsockname()):
            pass
        thread.join()
        listening.close()


def _answer_rtsp(listening: socket.socket, lines: list[str]) -> None:
    connection, _ = listening.accept()
    method, sequence = "", ""
    # The client hangs up in the middle, once its time is over.
    with suppress(OSError), connection, connection.makefile("rwb") as stream:
        for line in (raw.decode().strip() for raw in stream):
            lines.append(line)
            if line.endswith("RTSP/1.0"):
                method = line.split()[0]
            elif line.startswith("CSeq"):
                sequence = line
            elif not line:
                answer = _ANSWERS.get(method, "Session: 1\r\n\r\n")
                stream.write(f"RTSP/1.0 200 OK\r\n{sequence}\r\n{answer}".encode())
                stream.flush()
