"""Limits and headers of the page's server: what is too large is refused, and browsers load nothing from elsewhere."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from polyhead.errors import PolyheadError

MAX_UPLOAD = 20 << 20
"""Bytes of a request, which may be an upload of several files, or an image in JSON."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; base-uri 'self'; "
        "frame-ancestors 'self' https://huggingface.co https://*.hf.space"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""Headers of every response. A Space is shown in a frame of the Hub."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class TooLargeError(PolyheadError):
    """A request that is larger than :data:`MAX_UPLOAD`."""


class Limits:
    """Middleware (ASGI) that refuses large requests and adds :data:`HEADERS`.

    Gradio's own limit is about single files in forms; this one is about whole requests of any form.

    Args:
        app: the application.
        most: bytes of the largest request.
    """

    def __init__(self, app: App, most: int = MAX_UPLOAD) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        begun, received = False, 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.most:  # a request that does not declare its size
                raise TooLargeError
            return message

        async def with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        try:
            if int(declared) > self.most:
                raise TooLargeError
            await self.app(scope, counted, with_headers)
        except TooLargeError:
            if not begun:
                await _refuse(with_headers, self.most)


async def _refuse(send: Send, most: int) -> None:
    """Send the response to a request that is too large."""
    text = f"The file is too large: at most {most >> 20} MiB can be uploaded. Give a smaller image."
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
