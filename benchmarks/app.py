"""Measure the page of a model: start, upload to boxes, click to map, map to verdict, and many uploads at once.

    python -m benchmarks.app RUN IMAGE [--clicks 5] [--uploads 20]

RUN is a run folder or the name of official weights; needs the extra ``app``, playwright and the browser chromium. A
browser uploads the image and explains one prediction after the other; programs then upload it at once. Prints medians
and the largest values in seconds, and the largest memory of the server.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gradio_client import Client, handle_file
from playwright.sync_api import Page, sync_playwright

WAIT = 300_000
"""Milliseconds to wait for the page."""
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage"]


def main(argv: Sequence[str]) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("image", metavar="IMAGE", type=Path)
    parser.add_argument("--clicks", type=int, default=5, help="predictions to explain (default: 5)")
    parser.add_argument("--uploads", type=int, default=20, help="uploads at once (default: 20)")
    given = parser.parse_args(argv)
    times: dict[str, list[float]] = defaultdict(list)
    begun = time.perf_counter()
    command = [sys.executable, "-m", "polyhead", "app", given.run]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = _address(server.stdout)
            times["start"].append(time.perf_counter() - begun)
            with sync_playwright() as playwright:
                path = shutil.which("chromium")
                browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
                page = browser.new_page()
                page.goto(url)
                browse(page, given.image, given.clicks, times)
                browser.close()
            begun = time.perf_counter()
            with ThreadPoolExecutor(given.uploads) as threads:
                answers = [*threads.map(lambda _: ask(url, given.image), range(given.uploads))]
            times[f"{given.uploads} uploads at once"].append(time.perf_counter() - begun)
            peak = _peak_memory(server.pid)
        finally:
            server.terminate()
    print(f"{len(answers)} of {given.uploads} uploads answered; {os.cpu_count()} cores; peak memory {peak} MiB")
    print("| what | median s | largest s | n |\n|---|---|---|---|")
    for name, values in times.items():
        print(f"| {name} | {statistics.median(values):.2f} | {max(values):.2f} | {len(values)} |")
    return 0


def browse(page: Page, image: Path, clicks: int, times: dict[str, list[float]]) -> None:
    """Upload the image several times, and explain its predictions."""
    page.wait_for_selector("#given input[type=file]", state="attached", timeout=WAIT)
    for number in range(clicks):
        page.locator("#given input[type=file]").first.wait_for(state="attached", timeout=WAIT)
        begun = time.perf_counter()
        page.set_input_files("#given input[type=file]", image)
        page.wait_for_selector("#counts tbody tr", timeout=WAIT)
        page.wait_for_selector("#drawn img", timeout=WAIT)
        times["first upload to boxes" if number == 0 else "upload to boxes"].append(time.perf_counter() - begun)
        page.locator("#which input").click()
        options = page.locator("#which [role=option]")
        begun = time.perf_counter()
        options.nth(number % options.count()).click()
        page.wait_for_selector("#heat img", timeout=WAIT)
        times["first click to map" if number == 0 else "click to map"].append(time.perf_counter() - begun)
        page.get_by_text("trustworthy").first.wait_for(timeout=WAIT)
        times["first click to verdict" if number == 0 else "click to verdict"].append(time.perf_counter() - begun)
        page.locator("#given button[aria-label='Remove Image'], #given button[aria-label='Clear']").first.click()
        page.wait_for_selector("#counts tbody tr", state="detached", timeout=WAIT)


def ask(url: str, image: Path) -> object:
    """Upload the image as a program does, and return the predictions."""
    client = Client(url, verbose=False)
    return client.predict(handle_file(image), api_name="/predict")


def _address(lines: Iterable[str]) -> str:
    """Return the address that the server prints."""
    for line in lines:
        if found := re.search(r"http://\S+", line):
            return found[0]
    raise RuntimeError("the page did not start")


def _peak_memory(process: int) -> int:
    """Return the largest memory of a process so far in MiB (Linux)."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) // 1024


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
