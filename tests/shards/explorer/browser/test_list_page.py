"""The list, its thresholds and the navigation, in a real Chromium."""

import json
import shutil
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import expect

from pipelines.jobs.explore import open_explorer
from shards.clips_table import ClipTable
from shards.explorer.app import make_app
from tests.shards.explorer import coded
from tests.shards.explorer.browser.view import CHROMIUM, CLIPS, NARROW, WIDE, ViewProcess, expect_total, start_server
from tests.shards.explorer.tables import make_clips, make_table

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no `chromium` on PATH: the page is tested in a real browser")


def test_the_list_fetches_visible_rows(make_view, table_url) -> None:
    view = make_view(table_url)
    page = view.open()
    expect_total(page, CLIPS)
    assert page.locator("a.row").count() < 60
    page.keyboard.press("End")
    last = f"{CLIPS - 1:016x}-s0000-c0000-p00"
    expect(page.locator(f'a.row.cursor[data-clip="{last}"]')).to_be_visible()
    assert page.locator("a.row").count() < 60


def test_search_filters_order_and_groups_match_the_server(make_view, table_url) -> None:
    view = make_view(table_url)
    page = view.open()
    expect_total(page, CLIPS)
    page.keyboard.press("/")
    page.keyboard.type("vidéo 29")
    searched = view.post("/api/clips", {"search": "vidéo 29"})["total"]
    assert 0 < searched < CLIPS
    expect_total(page, searched)
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    page.select_option("select[name=column]", "split")
    page.select_option("select[name=value]", "val")
    page.click(".adder button.main")
    both = {"search": "vidéo 29", "filters": [{"column": "split", "op": "=", "value": "val"}]}
    expect_total(page, view.post("/api/clips", both)["total"])
    page.click('.head button:has-text("length")')
    page.click('.head button:has-text("length")')
    first = view.post("/api/clips", {**both, "sort": [{"column": "duration_s", "desc": True}]})["rows"][0]["clip_id"]
    expect(page.locator("a.row").first).to_have_attribute("data-clip", first)
    page.reload()  # the address holds all of it
    expect(page.locator("a.row").first).to_have_attribute("data-clip", first)
    page.keyboard.press("Escape")
    expect_total(page, CLIPS)
    page.select_option("#group", "category")
    groups = view.post("/api/clips", {"group": "category"})["groups"]
    expect(page.locator(".row.group")).to_have_count(len(groups))
    page.locator(".row.group").first.click()
    expect(page.locator("a.row").first).to_be_visible()
    assert f"{groups[0]['count']:,} clips" in page.locator(".row.group").first.inner_text()


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_slider_shows_the_servers_counts(make_view, table_url, size) -> None:
    view = make_view(table_url, size)
    page = view.open()
    kept = page.locator('[data-count="kept"]')
    before = view.post("/api/select", {"thresholds": {}})
    expect_total(page, CLIPS)
    page.keyboard.press("t")  # opens the drawer where there is one
    expect(kept).to_have_attribute("data-value", str(before["kept"]))
    slider = page.locator('input[data-setting="quality.min_confidence"]')
    slider.focus()
    for _ in range(6):
        page.keyboard.press("Shift+ArrowRight")
    value = float(page.locator('input[data-number="quality.min_confidence"]').input_value())
    thresholds = {"quality.min_confidence": value}
    after = view.post("/api/select", {"thresholds": thresholds})
    assert after["kept"] < before["kept"] and after["newly_rejected"] > 0
    expect(kept).to_have_attribute("data-value", str(after["kept"]))
    for name in ("newly_rejected", "newly_kept", "open"):
        expect(page.locator(f'[data-count="{name}"]')).to_have_attribute("data-value", str(after[name]))
    for stage in after["funnel"]:
        cells = page.locator(f'tr[data-stage="{stage["stage"]}"] td')
        expect(cells.first).to_have_text(f"{stage['inputs']:,}")
        expect(cells.last).to_have_text(f"{stage['emitted']:,}")
    for reason, count in after["reasons"].items():
        expect(page.locator(f'[data-reason="{reason}"]')).to_have_attribute("data-value", str(count))
    page.locator('[data-count="newly_rejected"]').click()  # filters the list
    expect_total(page, after["newly_rejected"])
    page.keyboard.press("t")
    page.locator('input[data-number="quality.min_confidence"]').fill("0")
    page.keyboard.press("Enter")
    expect_total(page, view.post("/api/select", {"thresholds": {"quality.min_confidence": 0}})["newly_rejected"])
    page.locator("header.thresholds button").click()  # back to the build's
    expect(kept).to_have_attribute("data-value", str(before["kept"]))
    assert "thresholds" not in page.url


def test_near_duplicates_are_kept_and_a_selection_is_saved(make_view, table_url) -> None:
    view = make_view(table_url)
    page = view.open()
    page.locator("#near").uncheck()
    after = view.post("/api/select", {"thresholds": {}, "dedup": {"near": "off", "max_distance": 30}})
    assert after["newly_kept"] + after["kept"] > view.post("/api/select", {"thresholds": {}})["kept"]
    expect(page.locator('[data-count="kept"]')).to_have_attribute("data-value", str(after["kept"]))
    page.locator("#save input").fill("with_duplicates")
    page.keyboard.press("Enter")
    expect(page.locator(".saved code")).to_contain_text("humove reselect")
    expect(page.locator(".saved p")).to_contain_text("with_duplicates.yaml")
    page.locator("#near").check()
    page.click("#save button.main")
    expect(page.locator("#save .message")).to_contain_text("'with_duplicates' already exists. Overwrite?")
    expect(page.locator(".saved")).not_to_be_visible()
    view.ignore_status("409")
    page.click('#save button:has-text("Overwrite")')
    expect(page.locator(".saved p")).to_contain_text("with_duplicates.yaml")
    expect(page.locator("#save .message")).to_be_empty()
    page.route("**/api/selection", lambda route: route.fulfill(status=400, json={"error": "invalid name"}))
    page.click("#save button.main")
    expect(page.locator("#save .error")).to_have_text("invalid name")
    view.ignore_status("400")


def test_an_invalid_threshold_is_reset(make_view, table_url) -> None:
    view = make_view(table_url)
    page = view.open()
    expect_total(page, CLIPS)
    number = page.locator('input[data-number="quality.min_confidence"]')
    was = number.input_value()
    for typed in ("7", "-1", ""):  # a confidence lies between 0 and 1
        number.fill(typed)
        expect(number).to_have_attribute("aria-invalid", "true")
        number.press("Enter")
        expect(number).to_have_value(was)
        assert number.get_attribute("aria-invalid") is None
    assert "thresholds" not in page.url
    number.fill("0.5")
    number.press("Enter")
    expect(number).to_have_value("0.5")
    page.wait_for_function("() => location.search.includes('min_confidence')")


@pytest.mark.parametrize(
    "query",
    [
        {"sort": [{"column": "gone", "desc": True}]},
        {"filters": [{"column": "gone", "op": "=", "value": 1}]},
        {"filters": [{"column": "split", "op": "<", "value": "val"}]},
        {"filters": [None]},
        {"group": "confidence"},
        {"thresholds": {"quality.gone": 1}},
        {"thresholds": {"quality.min_confidence": "high"}},
        {"dedup": {"near": "maybe"}},
        {"search": ["a"]},
        "gone",
        None,
    ],
    ids=json.dumps,
)
def test_an_invalid_address_gives_the_unfiltered_list(make_view, table_url, query) -> None:
    view = make_view(table_url)
    page = view.open(f"/?list={quote(json.dumps(query))}")
    expect_total(page, CLIPS)
    expect(page.locator("a.row").first).to_be_visible()
    expect(page.locator(".clips > .note")).to_contain_text("does not match")
    assert urlsplit(page.url).query == ""
    page.click(".clips > .note button")
    expect(page.locator(".clips > .note")).not_to_be_visible()


def test_only_categorical_columns_are_offered_as_groups(make_view, table_url) -> None:
    page = make_view(table_url).open()
    expect_total(page, CLIPS)
    offered = page.locator("#group option").evaluate_all("options => options.map((option) => option.value)")
    assert offered[:1] == [""] and offered[-3:] == ["batch", "width", "height"]
    assert {"category", "split", "now", "label"} < set(offered)
    assert not {"confidence", "duration_s", "fps", "cpu.screen", "clip_id"} & set(offered)


def serve_table(folder: Path, clips: ClipTable, **more) -> str:
    """Serve a table, with labels and selections in a folder; return the address."""
    return start_server(make_app(clips=clips, labels=folder / "labels.jsonl", selections=folder / "selections", **more))


def test_a_build_without_clips(make_view, tmp_path) -> None:
    view = make_view(serve_table(tmp_path, make_table(make_clips(0, 1)), building=True))
    requests = []
    view.page.on("request", lambda request: requests.append(request.url))
    page = view.open()
    expect(page.locator(".table .empty")).to_have_text("No clips yet.")
    expect(page.locator('[data-count="open"]')).to_contain_text("pending")
    page.locator("#save").scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    assert not [url for url in requests if "histogram" in url]


@pytest.mark.parametrize("running", [True, False])
def test_a_build_is_shown_as_running_or_stopped(make_view, tmp_path, running) -> None:
    view = make_view(serve_table(tmp_path, make_table(make_clips(1, 1)), building=True))

    def answer(route) -> None:
        route.fulfill(json={**route.fetch().json(), "running": running})

    view.page.route("**/api/dataset", answer)
    page = view.open()
    expect(page.locator("#facts")).to_contain_text("building" if running else "stopped")
    expect(page.locator("#facts")).to_contain_text("1 video with clips")
    if not running:
        expect(page.locator("#facts")).to_contain_text("run make dataset again")
    expect(page.locator(".toolbar .total")).to_have_text("1 clip")


def test_labels_are_stored_in_order(make_view, tmp_path) -> None:
    view = make_view(serve_table(tmp_path, make_table(make_clips(5, 1))))
    page = view.open()
    expect_total(page, 5)
    page.evaluate(
        """() => {
          const fetched = window.fetch;
          let wait = 900;
          window.fetch = (url, ...more) => String(url) === "/api/label"
            ? new Promise((done) => setTimeout(done, (wait -= 250))).then(() => fetched(url, ...more))
            : fetched(url, ...more);
        }"""
    )  # the first request arrives last, unless later ones wait for it
    first, second = (f"{number:016x}-s0000-c0000-p00" for number in range(2))
    page.evaluate(
        """() => { for (const key of ["g", "u", "x", "j", "g"])
          document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })); }"""
    )
    expect(page.locator(f'a.row[data-clip="{first}"] .label')).to_have_text("✗ bad")
    expect(page.locator("#toast")).to_have_text(f"Labelled good: {second}")
    page.keyboard.press("x")
    page.keyboard.press("Enter")  # opens the clip's page, which must show the pending label
    expect(page.locator('#label [data-label="bad"]')).to_have_attribute("aria-pressed", "true")
    for key in "gux":
        page.keyboard.press(key)
    expect(page.locator("#toast")).to_have_text("Labelled bad")
    stored = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert [line["mark"] for line in stored if line["clip_id"] == first] == ["good", "", "bad"]
    assert [line["mark"] for line in stored if line["clip_id"] == second] == ["good", "bad", "good", "", "bad"]


def test_a_refused_label_is_reverted(make_view, tmp_path) -> None:
    view = make_view(serve_table(tmp_path, make_table(make_clips(5, 1))))
    page = view.open()
    expect_total(page, 5)
    page.keyboard.press("g")
    expect(page.locator("#toast")).to_contain_text("Labelled good")
    page.route("**/api/label", lambda route: route.fulfill(status=400, json={"error": "the disk is full"}))
    page.keyboard.press("x")
    expect(page.locator("#toast")).to_have_text("the disk is full")
    expect(page.locator("a.row .label").first).to_have_text("✓ good")
    view.ignore_status("400")


def test_a_narrow_page_has_help_and_a_toolbar_of_two_lines(make_view, table_url) -> None:
    page = make_view(table_url, NARROW).open()
    expect_total(page, CLIPS)
    tops = [page.locator(place).bounding_box()["y"] for place in ("#search", ".adder", "#group", ".sorter", ".total")]
    assert abs(tops[0] - tops[1]) < 8 and max(tops[2:]) - min(tops[2:]) < 12 and tops[2] > tops[0] + 20
    page.click("#help-button")
    expect(page.locator("#help")).to_contain_text("next row")


def test_a_slow_view_does_not_replace_a_later_one(make_view, hostile_url, hostile) -> None:
    keys = [sample.key for sample in hostile[1]]
    view = make_view(hostile_url)
    page = view.open()
    expect_total(page, len(keys))
    page.evaluate(
        """slow => {
          const fetched = window.fetch;
          window.fetch = (url, ...more) => String(url).includes(slow)
            ? new Promise((done) => setTimeout(done, 1000)).then(() => fetched(url, ...more))
            : fetched(url, ...more);
        }""",
        keys[0],
    )
    page.keyboard.press("Enter")  # the answer takes a second
    page.wait_for_url("**/clip/*")  # otherwise going back may leave the page itself
    page.go_back()
    expect_total(page, len(keys))
    page.locator("a.row").nth(1).click()
    expect(page.locator("article")).to_have_attribute("data-clip", keys[1])
    page.wait_for_timeout(1500)
    expect(page.locator("article")).to_have_attribute("data-clip", keys[1])
    view.wait_for_frame(0)
    page.keyboard.press(".")
    view.wait_for_frame(1)


def test_labels_survive_a_killed_server(make_view, hostile, tmp_path) -> None:
    folder = tmp_path / "set"
    shutil.copytree(hostile[0], folder)
    (folder / "labels.jsonl").unlink(missing_ok=True)
    keys = [sample.key for sample in hostile[1]]
    first = ViewProcess(folder)
    try:
        view = make_view(first.url)
        page = view.open(f"/clip/{keys[1]}")
        view.wait_for_frame(0)
        page.fill("#label input", "knees swapped")
        page.keyboard.press("Enter")
        page.keyboard.press("x")
        expect(page.locator("#toast")).to_have_text("Labelled bad")
        page.goto("about:blank")  # an open page would send requests to the dead server
    finally:
        first.kill()
    second = ViewProcess(folder)
    try:
        view = make_view(second.url)
        page = view.open()
        expect(page.locator(f'a.row[data-clip="{keys[1]}"] .label')).to_have_text("✗ bad")
        page.keyboard.press("f")
        page.select_option("select[name=column]", "label")
        page.select_option("select[name=value]", "bad")
        page.click(".adder button.main")
        expect_total(page, 1)
        page.keyboard.press("Enter")
        expect(page.locator("#label input")).to_have_value("knees swapped")
        expect(page.locator('#label [data-label="bad"]')).to_have_attribute("aria-pressed", "true")
        page.goto("about:blank")
    finally:
        second.kill()


def test_an_unknown_clip_is_an_error_page(make_view, table_url) -> None:
    view = make_view(table_url)
    page = view.open("/clip/..%2f..%2fetc%2fpasswd")
    expect(page.locator(".failed")).to_contain_text("no such clip")
    view.ignore_status("404")
    page.click(".failed a")
    expect_total(page, CLIPS)


def test_a_training_run_shows_curves_and_samples(make_view, tmp_path) -> None:
    run = tmp_path / "run"
    (run / "validation" / "200").mkdir(parents=True)
    rows = [{"step": step, "loss": 1 / (1 + step), "lr": 1e-4} for step in range(0, 300, 10)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (run / "validation" / "200" / "<b>joint.mp4").write_bytes(coded.encode_coded_mp4(12, 25))
    view = make_view(start_server(open_explorer(run, tmp_path)))
    page = view.open("/runs")
    expect(page.locator("figure canvas")).to_have_count(2)
    expect(page.locator("figcaption", has_text="<b>joint")).to_be_visible()
    page.wait_for_function("() => document.querySelector('video').readyState >= 2")
    view.ignore_status("404")  # a run has no /api/dataset
