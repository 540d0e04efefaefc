"""The page in a browser: uploads, sliders, clicks, maps, errors and tabs. It also makes the screenshots of the docs."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
from builders.app_server import Server, click, upload
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Page, expect

from polyhead.app.limits import MAX_UPLOAD

pytestmark = pytest.mark.slow
SECONDS = 120_000
"""Milliseconds to wait for an answer; ``benchmarks/app.py`` measures how long it takes."""
LEFT, RIGHT = (232, 305), (470, 330)
"""Pixels in the middle of the two pedestrians of the photo."""


@pytest.fixture(scope="session")
def photo(data_root: Path) -> Path:
    """A photo of 559 x 536 pixels with two pedestrians."""
    return data_root / "penn_fudan/PennFudanPed/PNGImages/FudanPed00001.png"


def test_a_photo_is_uploaded_and_the_box_that_is_clicked_on_is_explained(page: Page, photo: Path) -> None:
    upload(page, photo)
    expect(page.locator("#counts tbody tr")).to_have_count(1, timeout=SECONDS)
    expect(page.locator("#counts tbody tr")).to_have_text("person2")
    click(page, LEFT, photo)
    expect(page.locator("#heat img")).to_be_visible(timeout=SECONDS)
    expect(page.locator("#verdict")).to_contain_text("trustworthy", timeout=SECONDS)
    first, chosen = page.locator("#verdict").inner_text(), page.locator("#which input").input_value()
    click(page, RIGHT, photo)
    expect(page.locator("#which input")).not_to_have_value(chosen, timeout=SECONDS)
    expect(page.locator("#verdict")).not_to_contain_text(first, timeout=SECONDS)
    expect(page.locator("#verdict")).to_contain_text("trustworthy", timeout=SECONDS)


def test_a_click_beside_the_boxes_is_answered_in_words(page: Page, photo: Path) -> None:
    upload(page, photo)
    expect(page.locator("#counts tbody tr")).to_have_count(1, timeout=SECONDS)
    click(page, (10, 10), photo)
    expect(page.get_by_text("there is no prediction at this place. Click inside a box.")).to_be_visible(timeout=SECONDS)


def test_a_slider_changes_what_is_shown(page: Page, photo: Path) -> None:
    upload(page, photo)
    expect(page.locator("#counts tbody tr")).to_have_text("person2", timeout=SECONDS)
    number = page.locator("#conf input[type=number]")
    number.fill("0.99")
    number.press("Enter")
    expect(page.locator("#counts")).to_contain_text("Nothing was found.", timeout=SECONDS)


def test_predictions_are_downloaded_as_json(page: Page, photo: Path) -> None:
    upload(page, photo)
    link = page.locator("#counts a.download")
    link.wait_for(timeout=SECONDS)
    with page.expect_download() as waiting:
        link.click()
    content = json.loads(waiting.value.path().read_text(encoding="utf-8"))
    assert waiting.value.suggested_filename == "predictions.json"
    assert [(each["image"], each["labels"]) for each in content] == [("FudanPed00001.png", ["person", "person"])]


def test_a_test_image_is_chosen_with_a_click(page: Page) -> None:
    page.locator(".gallery-item").first.click()
    expect(page.locator("#drawn img")).to_be_visible(timeout=SECONDS)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text", "photo.jpg: the image cannot be decoded (cannot identify image file"),
        ("truncated", "photo.jpg: the image cannot be decoded"),
        ("large", "photo.png has 60 million pixels (10000 x 6000). Give an image with at most 50 million."),
    ],
)
def test_a_file_that_cannot_be_used_is_answered_in_words(
    name: str, message: str, page: Page, server: Server, photo: Path, tmp_path: Path
) -> None:
    path = tmp_path / ("photo.png" if name == "large" else "photo.jpg")
    if name == "text":
        path.write_text("not an image")
    elif name == "truncated":
        Image.open(photo).save(path)
        path.write_bytes(path.read_bytes()[:5000])
    else:
        Image.new("1", (10000, 6000)).save(path)
    upload(page, path)
    expect(page.get_by_text(message)).to_be_visible(timeout=SECONDS)
    assert server.alive


def test_a_file_that_is_too_large_is_not_sent(page: Page, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    upload(page, path)
    expect(page.get_by_text("exceed the maximum allowed size of 20.0 Mb")).to_be_visible(timeout=SECONDS)
    assert server.alive


def test_tabs_show_scores_links_and_mistakes(page: Page) -> None:
    page.get_by_role("tab", name="Model").click()
    expect(page.locator("#scores tbody tr")).to_contain_text("AP50")
    expect(page.locator("#links a")).to_have_attribute("href", "https://example.org/code")
    expect(page.locator("#curves img")).to_be_visible()
    page.get_by_role("tab", name="Mistakes").click()
    expect(page.locator("#types tbody tr").first).to_contain_text("person")
    expect(page.locator("#gallery img").first).to_be_visible()


def test_programs_are_served(server: Server, photo: Path) -> None:
    client = Client(server.url, verbose=False)
    (found,) = client.predict(handle_file(photo), 0.25, ["person"], 0.65, api_name="/predict")
    assert (found["task"], found["labels"]) == ("person", ["person", "person"])
    image, figures = client.predict(handle_file(photo), 0.25, "person", 2, 0.65, api_name="/explain")
    assert figures["box"] == pytest.approx(found["boxes"][1], abs=1)
    assert figures["trust"]["deletion"] >= 0
    with Image.open(image) as drawn:
        assert max(drawn.size) >= 640
    with pytest.raises(AppError, match="there is no prediction 9, only 2"):
        client.predict(handle_file(photo), 0.25, "person", 9, 0.65, api_name="/explain")
    with pytest.raises(AppError, match=r"there is no image\. Give one\."):
        client.predict(None, 0.25, ["person"], 0.65, api_name="/predict")


def test_many_uploads_at_once_are_all_answered(server: Server, photo: Path) -> None:
    def ask(_: int) -> int:
        client = Client(server.url, verbose=False)
        return len(client.predict(handle_file(photo), 0.25, ["person"], 0.65, api_name="/predict")[0]["boxes"])

    with ThreadPoolExecutor(20) as threads:
        assert [*threads.map(ask, range(20))] == [2] * 20


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file={run}/weights/best.pt",
        "/gradio_api/file={run}/manifest.json",
        "/gradio_api/file=../../etc/passwd",
        "/gradio_api/file=..%2f..%2fetc%2fpasswd",
        "/gradio_api/file=/proc/self/environ",
        "/gradio_api/file=file:///etc/passwd",
        "/gradio_api/proxy=http://127.0.0.1:1/",
    ],
)
def test_no_other_file_is_served(path: str, server: Server, run: Path) -> None:
    with pytest.raises(HTTPError) as refused, urlopen(server.url + path.format(run=run), timeout=60):
        pass
    assert refused.value.code in (400, 403, 404, 405, 422)
    refused.value.close()
    assert server.alive


def test_a_large_upload_is_refused(server: Server) -> None:
    request = Request(f"{server.url}/gradio_api/upload", data=b"0" * (MAX_UPLOAD + 1), method="POST")
    with pytest.raises(URLError) as refused, urlopen(request, timeout=60):
        pass  # the server may also close the connection before it has read all
    if isinstance(refused.value, HTTPError):
        assert (refused.value.code, refused.value.read()[:22]) == (413, b"The file is too large:")
        refused.value.close()
    assert server.alive
    with urlopen(server.url, timeout=60) as answer:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_fits_the_screen(width: int, page: Page, tmp_path: Path) -> None:
    """Also make the screenshots of the docs, of generated images.

    polyhead demo; polyhead mistakes runs/demo --most 1
    POLYHEAD_APP_RUN=runs/demo POLYHEAD_SCREENSHOTS=docs/images make test-slow ARGS="-k fits_the_screen"
    """
    folder = Path(os.environ.get("POLYHEAD_SCREENSHOTS", tmp_path))
    page.set_viewport_size({"width": width, "height": 900})
    page.locator(".gallery-item").first.click()
    page.locator("#which input").click(timeout=SECONDS)
    page.locator("[role=option]").first.click(timeout=SECONDS)
    expect(page.locator("#verdict")).to_contain_text("trustworthy", timeout=SECONDS)
    for tab in ("Try", "Model", "Mistakes"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(500)  # images fade in
        page.screenshot(path=folder / f"app_{tab.lower()}_{width}.jpg", full_page=True, type="jpeg", quality=45)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
