"""Texts of the page in HTML."""

import base64
import json
import re

from polyhead.app.words import json_link, lines, links_line, table

NASTY = "<script>alert('&')</script>"


def test_texts_are_shown_as_they_are() -> None:
    for text in (table([NASTY], [[NASTY]]), lines(NASTY), links_line({NASTY: 'https://example.org/?a=1&b="2"'})):
        assert "<script>" not in text
        assert "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;" in text
    assert 'href="https://example.org/?a=1&amp;b=&quot;2&quot;"' in links_line({"a": 'https://example.org/?a=1&b="2"'})


def test_a_link_has_its_content() -> None:
    content = [{"labels": ["äpfel", NASTY]}]
    (data,) = re.findall(r'base64,([^"]+)"', json_link(content, "found.json"))
    assert json.loads(base64.b64decode(data)) == content
    assert 'download="found.json"' in json_link(content, "found.json")
