"""Pages of models of the package, and a real browser to open them in."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import ctm
from ctm.page.server import address, serve
from ctm.page.site import RUNTIME

CHROMIUM = os.environ.get("CTM_CHROMIUM") or shutil.which("chromium")

needs_runtime = pytest.mark.skipif(not RUNTIME.is_dir(), reason="the page's runtime is not there: say 'make page'")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None or not RUNTIME.is_dir(), reason="Chromium or the page's runtime is not there: say 'make test-page'"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process tests all pages, since to make them takes the longest."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("page"))


@pytest.fixture(scope="session")
def sites(tmp_path_factory):
    """From the name of a model in the package to the folder of its page, made once as a user makes it."""
    folder, made = tmp_path_factory.mktemp("sites"), {}

    def site(name: str) -> Path:
        if name not in made:
            made[name] = folder / name.replace("/", "-")
            environment = os.environ | {"PYTHONPATH": str(Path(ctm.__file__).parents[1])}
            command = [sys.executable, "-m", "ctm.cli", "show", name, "--out", str(made[name])]
            subprocess.run(command, env=environment, check=True, capture_output=True)
        return made[name]

    return site


@pytest.fixture(scope="session")
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Opened:
    """A page that is served and shown, and all that was asked for and complained about."""

    def __init__(self, browser, folder: Path, **options) -> None:
        self.server = serve(folder)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.context = browser.new_context(viewport={"width": 1280, "height": 1000}, **options)
        self.page = self.context.new_page()
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.goto(address(self.server))

    def ready(self) -> "Opened":
        """Waits until it thinks."""
        self.page.wait_for_function("window.page?.thought", timeout=60_000)
        self.page.locator("#speed").fill("60")
        return self

    def finished(self) -> str:
        """Waits until it has answered; the answer."""
        self.page.wait_for_function("window.page.finished", timeout=60_000)
        return self.page.inner_text("#words")

    def picture(self, name: str) -> None:
        """A picture for the documentation, where `CTM_SCREENSHOTS` names its folder."""
        if folder := os.environ.get("CTM_SCREENSHOTS"):
            self.page.screenshot(path=Path(folder) / f"{name}.png")

    def local(self) -> bool:
        """Whether nothing was loaded from elsewhere."""
        return all(re.match(rf"{address(self.server)}|data:|blob:", url) for url in self.asked)

    def close(self) -> None:
        self.context.close()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def opened(browser, sites):
    """Opens the page of a model of the package, or of a folder."""
    all_opened = []

    def show(source: str | Path, **options) -> Opened:
        folder = source if isinstance(source, Path) else sites(source)
        all_opened.append(Opened(browser, folder, **options))
        return all_opened[-1]

    yield show
    for each in all_opened:
        each.close()
