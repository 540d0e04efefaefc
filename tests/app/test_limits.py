"""The limits and headers of the page's server."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from polyhead.app.limits import HEADERS, Limits, Receive, Send

MOST = 10
Message = MutableMapping[str, Any]


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    """Answer with the body of the request; a part of it is asked for at a time."""
    del scope
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
    await send({"type": "http.response.body", "body": body})


def answer(parts: list[bytes], length: int | None) -> tuple[int, dict[str, str], bytes]:
    """Send a request in parts, and return the status, the headers and the body of the response."""
    messages = [{"type": "http.request", "body": part, "more_body": part is not parts[-1]} for part in parts]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [] if length is None else [(b"content-length", str(length).encode())]
    asyncio.run(Limits(echo, MOST)({"type": "http", "headers": headers}, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, sent[1]["body"]


@pytest.mark.parametrize("length", [None, 10])
def test_a_small_request_is_answered_with_headers(length: int | None) -> None:
    status, headers, body = answer([b"12345", b"67890"], length)
    assert (status, body, headers["x-own"]) == (200, b"1234567890", "1")
    assert {name.lower(): value for name, value in HEADERS.items()}.items() <= headers.items()


@pytest.mark.parametrize(("parts", "length"), [([b""], 11), ([b"12345", b"678901"], None), ([b"12345", b"678901"], 1)])
def test_a_large_request_is_refused_whatever_size_it_declares(parts: list[bytes], length: int | None) -> None:
    status, headers, body = answer(parts, length)
    assert status == 413
    assert body == b"The file is too large: at most 0 MiB can be uploaded. Give a smaller image."
    assert headers["x-content-type-options"] == "nosniff"


def test_other_protocols_are_passed_on() -> None:
    seen = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        del receive, send
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    asyncio.run(Limits(app)({"type": "lifespan"}, nothing, nothing))
    assert seen == ["lifespan"]
