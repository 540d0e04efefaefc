"""An HTTP server on this machine for tests of downloads."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server:
    """An HTTP server of bytes by name.

    Attributes:
        files: content of each file.
        most: bytes sent per response, to imitate an interrupted connection; None sends all.
        ranges: whether range requests are supported.
        asked: the ``Range`` header of each request.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.most: int | None = None
        self.ranges = True
        self.asked: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # pylint: disable=invalid-name  # the name that http.server calls
                outer.asked.append(self.headers.get("Range"))
                content = outer.files.get(self.path.lstrip("/"))
                if content is None:
                    self.send_error(404)
                    return
                start = 0
                if outer.ranges and self.headers.get("Range"):
                    start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                if start and start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(content) - start))
                self.end_headers()
                self.wfile.write(content[start:][: outer.most])

            def log_message(self, *_: Any) -> None:
                """Print nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/{name}"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
