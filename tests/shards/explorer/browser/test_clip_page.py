"""A clip in a real Chromium: the drawn row is that of the frame shown; names and captions never run as markup."""

import base64
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from humove.drawing.painter import paint_mesh
from humove.motion.body import Body
from humove.types import SmplMotion
from pipelines.jobs.explore import open_explorer
from shards.clips_table import SCORE
from shards.explorer.app import make_app
from shards.reader import open_dataset
from tests.shards.explorer import coded
from tests.shards.explorer.browser.view import CHROMIUM, NARROW, WIDE, expect_total, start_server
from tests.shards.explorer.tables import make_clips, make_table

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no `chromium` on PATH: the page is tested in a real browser")


def grab_shown_frame(page: Page) -> np.ndarray:
    """Grab the frame that the video shows, (H, W, 3) uint8 RGB in its own size."""
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


def read_frame_number(image: np.ndarray) -> int:
    """Read a frame's number from its blocks."""
    half = coded.BLOCK // 2
    blocks = image[-half, half :: coded.BLOCK].mean(axis=-1)
    return sum(1 << bit for bit in range(coded.BITS) if blocks[bit] > 127)


@pytest.mark.parametrize("place", [0, 1, 2], ids=["25", "29.97", "60"])
def test_the_drawn_row_is_that_of_the_frame(make_view, hostile_url, hostile, place) -> None:
    sample = hostile[1][place]
    frames = coded.decode_frames(sample.mp4)
    view = make_view(hostile_url)
    page = view.open(f"/clip/{sample.key}")
    view.wait_for_frame(0)

    def check(k: int) -> None:
        view.wait_for_frame(k)
        image = grab_shown_frame(page)
        assert read_frame_number(image) == k
        errors = [np.abs(image.astype(int) - other).mean() for other in frames]
        assert np.argmin(errors) == k and errors[k] < 6
        expect(page.locator("canvas.layer.body")).to_have_attribute("data-frame", str(k))
        expect(page.locator("#room")).to_have_attribute("data-frame", str(k))
        shown = float(page.locator('#curves b[data-curve="confidence"]').inner_text())
        assert shown == pytest.approx(float(sample.motion.confidence[k]), abs=6e-4)
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


def paint_silhouette(motion: SmplMotion, k: int, size: tuple[int, int], scale: float) -> np.ndarray:
    """Paint the silhouette of row k's body, (H, W) bool, with the painter of the report's frames."""
    body = Body.load()
    pose = np.concatenate([motion.global_orient[k][None], motion.body_pose[k]])[None]
    vertices = body.compute_vertices(pose, motion.transl[k][None], rest_joints=motion.rest_joints)[0]
    camera = motion.cam_intrinsics * np.array([[scale], [scale], [1]], np.float32)
    colors = np.full(body.faces.shape, 255, np.float32)
    return paint_mesh(vertices, body.faces, colors, camera, np.zeros((*size, 3), np.uint8)).max(axis=-1) > 20


def test_the_body_is_drawn_at_its_position(make_view, hostile_url, hostile) -> None:
    sample = hostile[1][0]
    view = make_view(hostile_url)
    page = view.open(f"/clip/{sample.key}")
    view.wait_for_frame(0)
    for _ in range(2):
        page.keyboard.press(">")
        page.wait_for_timeout(50)
    view.wait_for_frame(20)
    page.locator("#player video").evaluate("video => video.style.visibility = 'hidden'")
    page.locator("canvas.layer.points").evaluate("canvas => canvas.style.visibility = 'hidden'")
    page.evaluate(  # align the screenshot with whole pixels
        """() => {
          const { x, y } = document.querySelector("#player").getBoundingClientRect();
          document.querySelector(".clip-page").style.translate = `${-(x % 1)}px ${-(y % 1)}px`;
        }"""
    )
    png = np.frombuffer(page.locator("#player").screenshot(), np.uint8)
    drawn = cv2.imdecode(png, cv2.IMREAD_COLOR).max(axis=-1) > 30
    scale = drawn.shape[1] / coded.SIZE[0]

    def compute_overlap(k: int) -> float:
        expected = paint_silhouette(sample.motion, k, drawn.shape, scale)
        return float((expected & drawn).sum() / (expected | drawn).sum())

    assert compute_overlap(20) > 0.9
    assert max(compute_overlap(k) for k in (10, 15, 25, 30)) < 0.8
    page.keyboard.press("b")
    expect(page.locator("canvas.layer.body")).to_have_attribute("data-frame", "")
    png = np.frombuffer(page.locator("#player").screenshot(), np.uint8)
    assert (cv2.imdecode(png, cv2.IMREAD_COLOR).max(axis=-1) > 30).mean() < 0.005


def test_keyboard_navigation(make_view, hostile_url, hostile) -> None:
    keys = [sample.key for sample in hostile[1]]
    view = make_view(hostile_url)
    page = view.open()
    expect_total(page, len(keys))
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
    view.wait_for_frame(0)
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
    expect(page.locator("#help")).to_contain_text("previous frame")
    page.keyboard.press("Escape")
    expect(page.locator("#help")).not_to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("a.row.cursor")).to_have_attribute("data-clip", keys[1])
    assert urlsplit(page.url).path == "/"


def test_a_data_set_without_a_ledger_explains_what_is_missing(make_view, tmp_path) -> None:
    clips = make_clips(2, 1)
    clips = clips.drop(columns=[name for name in clips.columns if name.startswith(SCORE)])
    bare = replace(make_table(clips), complete=False, stage_thresholds=())
    view = make_view(
        start_server(make_app(clips=bare, labels=tmp_path / "labels.jsonl", selections=tmp_path / "selections"))
    )
    page = view.open(f"/clip/{clips['clip_id'][0]}")
    expect(page.locator(".clip-page > .note")).to_contain_text("not available")
    expect(page.locator('[data-card="Provenance"]')).to_be_visible()
    expect(page.locator('[data-card="Scores against thresholds"]')).to_have_count(0)


def test_markup_in_names_does_not_run(make_view, hostile_url, hostile) -> None:
    sample = hostile[1][0]
    view = make_view(hostile_url)
    page = view.open()
    expect(page.locator("a.row .clip b").first).to_have_text(coded.URI)
    page.select_option("#group", "category")
    expect(page.locator(".row.group").first).to_contain_text("<svg onload=alert(2)>")
    page = view.open(f"/clip/{sample.key}")
    expect(page.locator("h1")).to_contain_text(coded.URI)
    expect(page.locator('[data-card="Captions"]')).to_contain_text(coded.CAPTION)
    expect(page.locator('[data-card="Rights"]')).to_contain_text("javascript:alert(3)")
    assert page.locator('a[href^="javascript"]').count() == 0
    expect(page.locator(".clip-page > .note")).to_contain_text("no ledger")
    page.click('summary:has-text("Raw metadata (JSON)")')
    expect(page.locator(".raw pre")).to_contain_text("captions")
    view.wait_for_frame(0)
    page.fill("#label input", "<img src=x onerror=alert(4)>")
    page.keyboard.press("Enter")
    page.keyboard.press("x")
    expect(page.locator('#label [data-label="bad"]')).to_have_attribute("aria-pressed", "true")
    page = view.open("/")
    expect(page.locator(".label.bad").first).to_be_visible()
    for text in ("onerror", "alert(", "<script"):  # only as text, never as an attribute or an element
        assert page.evaluate("text => ![...document.querySelectorAll('*')].some((n) => [...n.attributes].some("
                             "(a) => a.name.startsWith('on') && a.value.includes(text)))", text)  # fmt: skip
    page.wait_for_timeout(300)  # the fixture fails on a dialog


@pytest.fixture(scope="module")
def real_dataset(measured: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("real") / "set"
    shutil.copytree(measured, folder)
    return folder, start_server(open_explorer(folder, tmp_path_factory.mktemp("scratch")))


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_kept_and_dropped_clips_are_shown(make_view, real_dataset, size, scheme) -> None:
    folder, base = real_dataset
    view = make_view(base, size, color_scheme=scheme)
    page = view.open()
    rows = view.post("/api/clips", {})["rows"]
    expect_total(page, len(rows))
    kept = next(row for row in rows if row["outcome"] == "kept")
    dropped = next(row for row in rows if row["outcome"] == "rejected")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for row in (kept, dropped):
        page = view.open(f"/clip/{row['clip_id']}")
        view.wait_for_frame(0)
        page.keyboard.press(".")
        view.wait_for_frame(1)
        expect(page.locator(".title .tag")).to_have_text(row["outcome"])
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        stage = page.locator(f'.pipeline li[data-stage="{row["stage"]}"]')
        if row is dropped:
            expect(stage).to_have_class("rejected")
            expect(stage).to_contain_text(row["detail"])
            expect(page.locator("#room")).to_contain_text("No motion")
            expect(page.locator('[data-layer="body"]')).to_have_attribute("aria-pressed", "false")
            expect(page.locator('[data-card="Scores against thresholds"]')).to_be_visible()
    assert open_dataset(str(folder)).doc.shards
