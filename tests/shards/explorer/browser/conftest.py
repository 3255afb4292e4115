"""A browser, and sets to look at in it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import Browser, sync_playwright

from humove.types import Sample
from pipelines.jobs.explore import explorer
from shards.explorer.app import make_app
from tests.shards.explorer import coded
from tests.shards.explorer.browser.view import CHROMIUM, CLIPS, WIDE, View, served
from tests.shards.explorer.tables import frame, table

FLAGS = (
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def look(browser: Browser) -> Iterator[Callable[..., View]]:
    """Opens a browser's page on a server, and in the end checks that nothing went wrong on any."""
    views, contexts = [], []

    def make(base: str, size: dict = WIDE, **options) -> View:
        contexts.append(browser.new_context(viewport=size, **options))
        views.append(View(contexts[-1].new_page(), base))
        views[-1].page.set_default_timeout(20_000)
        return views[-1]

    yield make
    faults = [fault for view in views for fault in view.faults]
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A server of a table of clips without pictures."""
    folder = tmp_path_factory.mktemp("many")
    clips = table(frame(CLIPS, 5))
    return served(make_app(clips=clips, marks=folder / "marks.jsonl", selections=folder / "selections"))


@pytest.fixture(scope="module")
def hostile(make: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Sample]]:
    """A data set whose frames say which they are, and whose names are markup."""
    folder = tmp_path_factory.mktemp("hostile") / "set"
    return folder, coded.write_coded(make, folder)


@pytest.fixture(scope="module")
def viewed(hostile: tuple[Path, list[Sample]]) -> str:
    """A server of the hostile data set."""
    folder, _ = hostile
    return served(explorer(folder, folder))
