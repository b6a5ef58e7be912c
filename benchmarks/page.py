"""How fast the page is in a real browser: its size, how long until the first answer, and ticks a second.

    python benchmarks/page.py digits mazes/quick [--repeats 5]

The first answer is timed from opening the page, with nothing in the browser's cache, to the first answer that is shown,
at 60 ticks a second at most. Ticks are those of the machine alone, and those of the whole page with all its drawing.
"""

import argparse
import shutil
import statistics
import tempfile
import threading
from pathlib import Path

import ctm.page
from ctm.page.server import address, serve

TICKS = """async () => {
    const { Machine } = await import("/page/machine.js");
    const thought = await (await Machine.load("model/0")).begin(window.page.view.inputs());
    for (let tick = 0; tick < 20; tick++) await thought.tick();
    const begun = performance.now();
    for (let tick = 0; tick < 300; tick++) await thought.tick();
    return 300 / (performance.now() - begun) * 1000;
}"""
DRAWN = """async () => {
    const page = window.page;
    document.getElementById("halting").checked = false;
    await page.ask();
    page.playing = false;
    const begun = performance.now();
    let count = 0;
    const most = page.isAgent ? 60 : page.most - 1;
    for (; count < most; count++) { await page.advance(); page.playing = false; }
    return count / (performance.now() - begun) * 1000;
}"""


def measured(browser, site: Path) -> tuple[float, float, float]:
    """Seconds to the first answer, ticks a second of the machine, and of the page."""
    server = serve(site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    context = browser.new_context()
    page = context.new_page()
    page.goto(address(server))
    page.wait_for_function("performance.getEntriesByName('answered').length")
    first = page.evaluate("performance.getEntriesByName('answered')[0].startTime") / 1000
    found = first, page.evaluate(TICKS), page.evaluate(DRAWN)
    context.close()
    server.shutdown()
    return found


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    print("| model | page, MB | first answer, s | ticks a second, machine alone | with the page |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name in given.models:
            site = Path(folder) / name.replace("/", "-")
            ctm.page.write(name, site)
            size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) / 1e6
            rows = zip(*(measured(browser, site) for _ in range(given.repeats)), strict=True)
            first, alone, drawn = (
                f"{statistics.median(row):.{digits}f}" for row, digits in zip(rows, (2, 0, 0), strict=True)
            )
            print(f"| `{name}` | {size:.1f} | {first} | {alone} | {drawn} |", flush=True)


if __name__ == "__main__":
    main()
