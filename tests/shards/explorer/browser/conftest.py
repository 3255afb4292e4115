"""A browser, and data sets to show in it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import Browser, sync_playwright

from humove.types import Sample
from pipelines.jobs.explore import open_explorer
from shards.explorer.app import make_app
from tests.shards.explorer import coded
from tests.shards.explorer.browser.view import CHROMIUM, CLIPS, WIDE, View, start_server
from tests.shards.explorer.tables import make_clips, make_table

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
def make_view(browser: Browser) -> Iterator[Callable[..., View]]:
    """Make a view of a server; at the end, check that no view has recorded a fault."""
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
def table_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a server of a table of clips without media."""
    folder = tmp_path_factory.mktemp("table")
    clips = make_table(make_clips(CLIPS, 5))
    return start_server(make_app(clips=clips, labels=folder / "labels.jsonl", selections=folder / "selections"))


@pytest.fixture(scope="module")
def hostile(make: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Sample]]:
    """A data set whose frames encode their number, and whose names are markup."""
    folder = tmp_path_factory.mktemp("hostile") / "set"
    return folder, coded.write_coded(make, folder)


@pytest.fixture(scope="module")
def hostile_url(hostile: tuple[Path, list[Sample]]) -> str:
    """The address of a server of the hostile data set."""
    folder, _ = hostile
    return start_server(open_explorer(folder, folder))
