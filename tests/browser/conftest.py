"""The dashboard in Chromium; every test fails on an exception box or a script error."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from sparsekd.runs import jobs, store
from sparsekd.runs.records import UNFINISHED
from tests.sample_study import fill_plan, sample_plan

ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")
STUDY = ("distil", "tradeoffs", "compare", "tryit")
PATHS = ("", "learn", "finetune", "scores", "mask", "explain", *STUDY, "runs")
SETTLED = "[data-testid=stApp][data-test-script-state=notRunning]"
WRONG = "[data-testid=stException], .st-key-unexpected"
START = 60  # seconds that a server or a page may take on a busy machine

HOW = "install it: pip install playwright, and Debian's Chromium: apt-get install chromium"


@dataclass
class Server:
    """One `streamlit run app.py` on a port of its own, over a store of its own."""

    home: Path
    port: int
    sample: str = "off"
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the address of the dashboard."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [sys.executable, "-m", "streamlit", "run", "app.py"]
        command += ["--server.port", str(self.port), "--server.headless", "true"]
        environment = os.environ | {"SPARSEKD_HOME": str(self.home), "SPARSEKD_SAMPLE": self.sample}
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        until = time.monotonic() + START
        while not self._answers():
            if time.monotonic() > until or self.process.poll() is not None:
                pytest.fail((self.home / "server.log").read_text(encoding="utf-8"))
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/_stcore/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def stop(self) -> None:
        """End the server, and nothing else."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=30)


@contextmanager
def serving(home: Path, sample: str = "off") -> Iterator[Server]:
    """A server over `home` while the block lasts; its runs are cancelled at the end."""
    home.mkdir(parents=True, exist_ok=True)
    server = Server(home, _free_port(), sample)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSEKD_HOME", str(home))
        server.start()
        try:
            yield server
        finally:
            server.stop()
            for run in store.runs(states=UNFINISHED):
                jobs.cancel(run.id)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One Chromium profile for all tests."""
    playwright = pytest.importorskip("playwright.sync_api", reason=f"no playwright; {HOW}")
    path = CHROMIUM if CHROMIUM.exists() else shutil.which("chromium")
    if not path:
        pytest.skip(f"no Chromium; {HOW}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(path), args=["--no-sandbox"])
        # One context: what every page loads comes from the cache, as with a returning visitor.
        yield browser.new_context()
        browser.close()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """`visit(url, scheme="dark", width=390)`: a page as a new visitor opens it, settled."""
    pages, wrong = [], []

    def opened(url: str, width: int = 1280, height: int = 900, scheme: str = "light") -> Any:
        page = chromium.new_page()
        pages.append(page)
        page.set_default_timeout(START * 1000)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(url)
        settled(page)
        return page

    yield opened
    boxes = [box for page in pages for box in page.locator(WRONG).all()]
    texts = [box.inner_text() for box in boxes]
    for page in pages:
        page.close()
    assert not texts, texts
    assert not wrong, wrong


def settled(page: Any) -> None:
    """Wait until the page has its heading and the script rests."""
    page.wait_for_selector("h2")
    page.wait_for_selector(SETTLED)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over an empty store."""
    with serving(tmp_path_factory.mktemp("empty")) as server:
        yield server


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over a store with one finished study, written by hand."""
    home = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSEKD_HOME", str(home))
        fill_plan(sample_plan())
    with serving(home) as server:
        yield server
