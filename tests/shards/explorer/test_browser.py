"""The explorer in a real Chromium: lists, sliders, frames, keys, marks; nothing that names and captions hold runs."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from starlette.applications import Starlette

from humove.body import Body
from humove.painter import paint
from humove.types import Sample, SmplMotion
from pipelines.explore import explorer
from shards.explorer.app import make_app, serve
from shards.reader import open_dataset
from tests.shards.explorer import coded
from tests.shards.explorer.tables import frame, table

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)  # fmt: skip
CLIPS = 3000
expect.set_options(timeout=20_000)  # a busy machine is slow, not wrong
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no `chromium` on PATH: the page is tested in a real browser")


class View:
    """A page of one server, which fails on whatever a sound page never does."""

    def __init__(self, page: Page, base: str) -> None:
        self.page, self.base, self.faults = page, base.rstrip("/"), []
        page.on("dialog", lambda dialog: (self.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("console", self._said)
        page.on("request", self._asked)
        page.on("response", self._answered)

    def _asked(self, request) -> None:
        if not request.url.startswith((self.base, "blob:")):
            self.faults.append(f"asks {urlsplit(request.url).netloc} for {request.url[:80]}")

    def _said(self, said) -> None:
        if said.type == "error" and not said.text.startswith("Failed to load resource"):
            self.faults.append(f"console: {said.text}")

    def _answered(self, response) -> None:
        if response.status >= 400 and not response.url.endswith(".jpg"):  # there need not be a picture
            self.faults.append(f"{response.status}: {response.url}")

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.base + path)
        return self.page

    def post(self, path: str, body: dict) -> dict:
        """The server's answer, asked for as the page asks."""
        said = self.page.evaluate(
            """([path, body]) => fetch(path, {method: "POST", body: JSON.stringify(body),
                 headers: {"Content-Type": "application/json"}}).then((response) => response.text())""",
            [path, body],
        )
        return json.loads(said)

    def step_to(self, k: int) -> None:
        """Waits until the video shows frame k."""
        self.page.wait_for_function("k => document.querySelector('#player')?.dataset.frame === String(k)", arg=k)


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


def served(app: Starlette) -> str:
    """The address of an app that is served until the tests end."""
    ready, address = threading.Event(), []
    threading.Thread(target=serve, args=(app, 0, lambda url: (address.append(url), ready.set())), daemon=True).start()
    assert ready.wait(20)
    return address[0]


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


class Command:
    """`humove view` as a process of its own."""

    def __init__(self, path: Path) -> None:
        code = "import sys; from humove.cli import main; sys.argv[1:] = ['view', sys.argv[1], '--port', '0']; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        said = self._process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", said)
        assert found, f"humove view said {said!r}"
        self.url = found[0]

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def viewed(hostile: tuple[Path, list[Sample]]) -> str:
    """A server of the hostile data set."""
    folder, _ = hostile
    return served(explorer(folder, folder))


# The list ------------------------------------------------------------------------------------------------------------


def total(page: Page, number: int) -> None:
    expect(page.locator(".toolbar .total")).to_have_attribute("data-total", str(number))


def test_the_list_fetches_what_comes_into_sight(look, many) -> None:
    view = look(many)
    page = view.open()
    total(page, CLIPS)
    assert page.locator("a.row").count() < 60
    page.keyboard.press("End")
    last = f"{CLIPS - 1:016x}-s0000-c0000-p00"
    expect(page.locator(f'a.row.cursor[data-clip="{last}"]')).to_be_visible()
    assert page.locator("a.row").count() < 60


def test_search_filters_sorting_and_groups_are_the_servers(look, many) -> None:
    view = look(many)
    page = view.open()
    total(page, CLIPS)
    page.keyboard.press("/")
    page.keyboard.type("vidéo 29")
    searched = view.post("/api/clips", {"search": "vidéo 29"})["total"]
    assert 0 < searched < CLIPS
    total(page, searched)
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    page.select_option("select[name=column]", "split")
    page.select_option("select[name=value]", "val")
    page.click(".adder button.main")
    both = {"search": "vidéo 29", "filters": [{"column": "split", "op": "=", "value": "val"}]}
    total(page, view.post("/api/clips", both)["total"])
    page.click('.head button:has-text("length")')
    page.click('.head button:has-text("length")')
    first = view.post("/api/clips", {**both, "sort": [{"column": "duration_s", "desc": True}]})["rows"][0]["clip_id"]
    expect(page.locator("a.row").first).to_have_attribute("data-clip", first)
    page.reload()  # the address holds all of it
    expect(page.locator("a.row").first).to_have_attribute("data-clip", first)
    page.keyboard.press("Escape")
    total(page, CLIPS)
    page.select_option("#group", "category")
    groups = view.post("/api/clips", {"group": "category"})["groups"]
    expect(page.locator(".row.group")).to_have_count(len(groups))
    page.locator(".row.group").first.click()
    expect(page.locator("a.row").first).to_be_visible()
    assert f"{groups[0]['count']:,} clips" in page.locator(".row.group").first.inner_text()


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_slider_counts_as_the_server_selects(look, many, size) -> None:
    view = look(many, size)
    page = view.open()
    kept = page.locator('[data-count="kept"]')
    before = view.post("/api/select", {"thresholds": {}})
    total(page, CLIPS)
    page.keyboard.press("t")  # opens the drawer where there is one
    expect(kept).to_have_attribute("data-value", str(before["kept"]))
    slider = page.locator('input[data-setting="quality.min_confidence"]')
    slider.focus()
    for _ in range(6):
        page.keyboard.press("Shift+ArrowRight")
    value = float(page.locator('input[data-number="quality.min_confidence"]').input_value())
    thresholds = {"quality.min_confidence": value}
    after = view.post("/api/select", {"thresholds": thresholds})
    assert after["kept"] < before["kept"] and after["left"] > 0
    expect(kept).to_have_attribute("data-value", str(after["kept"]))
    for name, key in (("leave", "left"), ("return", "returned"), ("never annotated", "open")):
        expect(page.locator(f'[data-count="{name}"]')).to_have_attribute("data-value", str(after[key]))
    for stage in after["funnel"]:
        cells = page.locator(f'tr[data-stage="{stage["stage"]}"] td')
        expect(cells.first).to_have_text(f"{stage['inputs']:,}")
        expect(cells.last).to_have_text(f"{stage['emitted']:,}")
    for reason, count in after["reasons"].items():
        expect(page.locator(f'[data-reason="{reason}"]')).to_have_attribute("data-value", str(count))
    page.locator('[data-count="leave"]').click()  # shows those that leave
    total(page, after["left"])
    page.keyboard.press("t")
    page.locator('input[data-number="quality.min_confidence"]').fill("0")
    page.keyboard.press("Enter")
    total(page, view.post("/api/select", {"thresholds": {"quality.min_confidence": 0}})["left"])
    page.locator("header.bars button").click()  # back to the build's
    expect(kept).to_have_attribute("data-value", str(before["kept"]))
    assert "thresholds" not in page.url


def test_near_duplicates_are_let_in_and_a_selection_is_saved(look, many) -> None:
    view = look(many)
    page = view.open()
    page.locator("#near").uncheck()
    after = view.post("/api/select", {"thresholds": {}, "dedup": {"near": "off", "max_distance": 30}})
    assert after["returned"] + after["kept"] > view.post("/api/select", {"thresholds": {}})["kept"]
    expect(page.locator('[data-count="kept"]')).to_have_attribute("data-value", str(after["kept"]))
    page.locator("#save input").fill("with_twins")
    page.keyboard.press("Enter")
    expect(page.locator(".saved code")).to_contain_text("humove reselect")
    expect(page.locator(".saved p")).to_contain_text("with_twins.yaml")


# A clip --------------------------------------------------------------------------------------------------------------


def shown_picture(page: Page) -> np.ndarray:
    """The frame that the video shows, (H, W, 3) uint8 RGB in its own size."""
    address = page.evaluate(
        """() => {
          const video = document.querySelector("#player video");
          const canvas = document.createElement("canvas");
          [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
          canvas.getContext("2d").drawImage(video, 0, 0);
          return canvas.toDataURL("image/png");
        }"""
    )
    png = np.frombuffer(base64.b64decode(address.partition(",")[2]), np.uint8)
    return cv2.cvtColor(cv2.imdecode(png, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def number_in(picture: np.ndarray) -> int:
    """The frame's number, as its blocks say it."""
    half = coded.BLOCK // 2
    foot = picture[-half, half :: coded.BLOCK].mean(axis=-1)
    return sum(1 << bit for bit in range(coded.BITS) if foot[bit] > 127)


@pytest.mark.parametrize("place", [0, 1, 2], ids=["25", "29.97", "60"])
def test_the_frame_shown_and_the_row_drawn_agree(look, viewed, hostile, place) -> None:
    sample = hostile[1][place]
    frames = coded.decoded(sample.mp4)
    view = look(viewed)
    page = view.open(f"/clip/{sample.key}")
    view.step_to(0)

    def check(k: int) -> None:
        view.step_to(k)
        picture = shown_picture(page)
        assert number_in(picture) == k
        away = [np.abs(picture.astype(int) - other).mean() for other in frames]
        assert np.argmin(away) == k and away[k] < 6
        expect(page.locator("canvas.layer.body")).to_have_attribute("data-frame", str(k))
        expect(page.locator("#room")).to_have_attribute("data-frame", str(k))
        told = float(page.locator('#curves b[data-curve="confidence"]').inner_text())
        assert told == pytest.approx(float(sample.motion.confidence[k]), abs=6e-4)
        assert page.locator(".clock").inner_text().startswith(f"{k} / {len(frames) - 1}")

    for k in range(1, 6):
        page.keyboard.press(".")
        check(k)
    page.keyboard.press(",")
    check(4)
    for _ in range(7):  # faster than the video can seek
        page.keyboard.press(".")
    check(11)
    page.keyboard.press("End")
    check(len(frames) - 1)
    page.keyboard.press("<")
    check(len(frames) - 11)
    page.keyboard.press("Home")
    check(0)
    plot = page.locator('[data-plot="confidence"] .u-over').bounding_box()
    page.mouse.click(plot["x"] + plot["width"] * 23 / (len(frames) - 1), plot["y"] + 20)
    check(23)


def silhouette(motion: SmplMotion, k: int, size: tuple[int, int], scale: float) -> np.ndarray:
    """Where the body of row k lies in a picture (H, W) bool, by the painter that draws the report's pictures."""
    body = Body.load()
    pose = np.concatenate([motion.global_orient[k][None], motion.body_pose[k]])[None]
    vertices = body.vertices(pose, motion.transl[k][None], rest_joints=motion.rest_joints)[0]
    camera = motion.cam_intrinsics * np.array([[scale], [scale], [1]], np.float32)
    colors = np.full(body.faces.shape, 255, np.float32)
    return paint(vertices, body.faces, colors, camera, np.zeros((*size, 3), np.uint8)).max(axis=-1) > 20


def test_the_body_lies_where_the_row_puts_it(look, viewed, hostile) -> None:
    sample = hostile[1][0]
    view = look(viewed)
    page = view.open(f"/clip/{sample.key}")
    view.step_to(0)
    for _ in range(2):
        page.keyboard.press(">")
        page.wait_for_timeout(50)
    view.step_to(20)
    page.locator("#player video").evaluate("video => video.style.visibility = 'hidden'")
    page.locator("canvas.layer.points").evaluate("canvas => canvas.style.visibility = 'hidden'")
    png = np.frombuffer(page.locator("#player").screenshot(), np.uint8)
    drawn = cv2.imdecode(png, cv2.IMREAD_COLOR).max(axis=-1) > 30
    scale = drawn.shape[1] / coded.SIZE[0]

    def overlap(k: int) -> float:
        there = silhouette(sample.motion, k, drawn.shape, scale)
        return float((there & drawn).sum() / (there | drawn).sum())

    assert overlap(20) > 0.9
    assert max(overlap(k) for k in (10, 15, 25, 30)) < 0.8
    page.keyboard.press("b")
    expect(page.locator("canvas.layer.body")).to_have_attribute("data-frame", "")
    png = np.frombuffer(page.locator("#player").screenshot(), np.uint8)
    assert (cv2.imdecode(png, cv2.IMREAD_COLOR).max(axis=-1) > 30).mean() < 0.005


def test_keys_lead_through_the_explorer(look, viewed, hostile) -> None:
    keys = [sample.key for sample in hostile[1]]
    view = look(viewed)
    page = view.open()
    total(page, len(keys))
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    expect(page.locator("a.row.cursor")).to_have_attribute("data-clip", keys[1])
    page.keyboard.press("Enter")
    expect(page.locator("article")).to_have_attribute("data-clip", keys[1])
    expect(page.locator("#place")).to_have_text("2 of 3 in the list")
    page.keyboard.press("]")
    expect(page.locator("article")).to_have_attribute("data-clip", keys[2])
    page.keyboard.press("[")
    expect(page.locator("article")).to_have_attribute("data-clip", keys[1])
    view.step_to(0)
    for key, layer in (("b", "body"), ("p", "keypoints"), ("c", "crop")):
        button = page.locator(f'[data-layer="{layer}"]')
        was = button.get_attribute("aria-pressed")
        page.keyboard.press(key)
        expect(button).not_to_have_attribute("aria-pressed", was)
    page.keyboard.press(" ")
    page.wait_for_function("() => Number(document.querySelector('#player').dataset.frame) > 3")
    page.keyboard.press(" ")
    assert page.evaluate("document.querySelector('video').paused")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_contain_text("frame back")
    page.keyboard.press("Escape")
    expect(page.locator("#help")).not_to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("a.row.cursor")).to_have_attribute("data-clip", keys[1])
    assert urlsplit(page.url).path == "/"


def test_a_view_that_was_left_does_not_come_back(look, viewed, hostile) -> None:
    keys = [sample.key for sample in hostile[1]]
    view = look(viewed)
    page = view.open()
    total(page, len(keys))
    page.evaluate(
        """slow => {
          const fetched = window.fetch;
          window.fetch = (url, ...more) => String(url).includes(slow)
            ? new Promise((done) => setTimeout(done, 1000)).then(() => fetched(url, ...more))
            : fetched(url, ...more);
        }""",
        keys[0],
    )
    page.keyboard.press("Enter")  # its answer takes a second
    page.go_back()
    total(page, len(keys))
    page.locator("a.row").nth(1).click()
    expect(page.locator("article")).to_have_attribute("data-clip", keys[1])
    page.wait_for_timeout(1500)
    expect(page.locator("article")).to_have_attribute("data-clip", keys[1])
    view.step_to(0)
    page.keyboard.press(".")
    view.step_to(1)


def test_nothing_that_is_named_like_markup_runs(look, viewed, hostile) -> None:
    sample = hostile[1][0]
    view = look(viewed)
    page = view.open()
    expect(page.locator("a.row .clip b").first).to_have_text(coded.URI)
    page.select_option("#group", "category")
    expect(page.locator(".row.group").first).to_contain_text("<svg onload=alert(2)>")
    page = view.open(f"/clip/{sample.key}")
    expect(page.locator("h1")).to_contain_text(coded.URI)
    expect(page.locator('[data-card="Captions"]')).to_contain_text(coded.CAPTION)
    expect(page.locator('[data-card="Rights"]')).to_contain_text("javascript:alert(3)")
    assert page.locator('a[href^="javascript"]').count() == 0
    view.step_to(0)
    page.fill("#marks input", "<img src=x onerror=alert(4)>")
    page.keyboard.press("Enter")
    page.keyboard.press("x")
    expect(page.locator('#marks [data-mark="bad"]')).to_have_attribute("aria-pressed", "true")
    page = view.open("/")
    expect(page.locator(".mark.bad").first).to_be_visible()
    for text in ("onerror", "alert(", "<script"):  # as text alone, never as an attribute or an element
        assert page.evaluate("text => ![...document.querySelectorAll('*')].some((n) => [...n.attributes].some("
                             "(a) => a.name.startsWith('on') && a.value.includes(text)))", text)  # fmt: skip
    page.wait_for_timeout(300)  # the fixture fails on a dialog


def test_marks_survive_a_killed_server(look, hostile, tmp_path) -> None:
    folder = tmp_path / "set"
    shutil.copytree(hostile[0], folder)
    (folder / "marks.jsonl").unlink(missing_ok=True)
    keys = [sample.key for sample in hostile[1]]
    first = Command(folder)
    try:
        view = look(first.url)
        page = view.open(f"/clip/{keys[1]}")
        view.step_to(0)
        page.fill("#marks input", "knees swapped")
        page.keyboard.press("Enter")
        page.keyboard.press("x")
        expect(page.locator("#toast")).to_have_text("Marked bad")
        page.goto("about:blank")  # a page that is open would ask the dead server
    finally:
        first.kill()
    second = Command(folder)
    try:
        view = look(second.url)
        page = view.open()
        expect(page.locator(f'a.row[data-clip="{keys[1]}"] .mark')).to_have_text("✗ bad")
        page.keyboard.press("f")
        page.select_option("select[name=column]", "mark")
        page.select_option("select[name=value]", "bad")
        page.click(".adder button.main")
        total(page, 1)
        page.keyboard.press("Enter")
        expect(page.locator("#marks input")).to_have_value("knees swapped")
        expect(page.locator('#marks [data-mark="bad"]')).to_have_attribute("aria-pressed", "true")
        page.goto("about:blank")
    finally:
        second.kill()


# Kept and dropped clips of a real build, at both widths ---------------------------------------------------------------


@pytest.fixture(scope="module")
def real(measured: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("real") / "set"
    shutil.copytree(measured, folder)
    return folder, served(explorer(folder, tmp_path_factory.mktemp("scratch")))


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_kept_and_dropped_clips_are_shown(look, real, size, scheme) -> None:
    folder, base = real
    view = look(base, size, color_scheme=scheme)
    page = view.open()
    rows = view.post("/api/clips", {})["rows"]
    total(page, len(rows))
    kept = next(row for row in rows if row["outcome"] == "kept")
    dropped = next(row for row in rows if row["outcome"] == "rejected")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for row in (kept, dropped):
        page = view.open(f"/clip/{row['clip_id']}")
        view.step_to(0)
        page.keyboard.press(".")
        view.step_to(1)
        expect(page.locator(".title .tag")).to_have_text(row["outcome"])
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        way = page.locator(f'.way li[data-stage="{row["stage"]}"]')
        if row is dropped:
            expect(way).to_have_class("rejected")
            expect(way).to_contain_text(row["detail"])
            expect(page.locator("#room")).to_contain_text("No motion")
    assert open_dataset(str(folder)).doc.shards


def test_a_clip_that_is_not_there_is_said_to_be_so(look, many) -> None:
    view = look(many)
    page = view.open("/clip/..%2f..%2fetc%2fpasswd")
    expect(page.locator(".failed")).to_contain_text("no such clip")
    view.faults = [fault for fault in view.faults if not fault.startswith("404")]
    page.click(".failed a")
    total(page, CLIPS)


def test_a_training_run_shows_curves_and_samples(look, tmp_path) -> None:
    run = tmp_path / "run"
    (run / "validation" / "200").mkdir(parents=True)
    rows = [{"step": step, "loss": 1 / (1 + step), "lr": 1e-4} for step in range(0, 300, 10)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (run / "validation" / "200" / "<b>joint.mp4").write_bytes(coded.coded_mp4(12, 25))
    view = look(served(explorer(run, tmp_path)))
    page = view.open("/runs")
    expect(page.locator("figure canvas")).to_have_count(2)
    expect(page.locator("figcaption", has_text="<b>joint")).to_be_visible()
    page.wait_for_function("() => document.querySelector('video').readyState >= 2")
    view.faults = [fault for fault in view.faults if not fault.startswith("404")]  # a run has no /api/dataset
