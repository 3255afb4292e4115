"""A clip in a real Chromium: the frame shown and the row drawn agree; nothing that names and captions hold runs."""

import base64
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from humove.body import Body
from humove.painter import paint
from humove.types import SmplMotion
from pipelines.jobs.explore import explorer
from shards.clips import SCORE
from shards.explorer.app import make_app
from shards.reader import open_dataset
from tests.shards.explorer import coded
from tests.shards.explorer.browser.view import CHROMIUM, NARROW, WIDE, served, total
from tests.shards.explorer.tables import frame, table

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no `chromium` on PATH: the page is tested in a real browser")


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
    page.evaluate(  # a picture of it has whole pixels
        """() => {
          const { x, y } = document.querySelector("#player").getBoundingClientRect();
          document.querySelector(".clip-page").style.translate = `${-(x % 1)}px ${-(y % 1)}px`;
        }"""
    )
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


def test_a_set_without_ledger_says_what_is_gone_with_it(look, tmp_path) -> None:
    clips = frame(2, 1)
    clips = clips.drop(columns=[name for name in clips.columns if name.startswith(SCORE)])
    bare = replace(table(clips), complete=False, stage_bars=())
    view = look(served(make_app(clips=bare, marks=tmp_path / "marks.jsonl", selections=tmp_path / "selections")))
    page = view.open(f"/clip/{clips['clip_id'][0]}")
    expect(page.locator(".clip-page > .note")).to_contain_text("gone with it")
    expect(page.locator('[data-card="Provenance"]')).to_be_visible()
    expect(page.locator('[data-card="Scores against thresholds"]')).to_have_count(0)


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
    expect(page.locator(".clip-page > .note")).to_contain_text("no ledger")
    page.click('summary:has-text("All that is stored")')
    expect(page.locator(".raw pre")).to_contain_text("captions")
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
            expect(page.locator('[data-layer="body"]')).to_have_attribute("aria-pressed", "false")
            expect(page.locator('[data-card="Scores against thresholds"]')).to_be_visible()
    assert open_dataset(str(folder)).doc.shards
