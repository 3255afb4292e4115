"""The page: every number is its figure in report.json, and external text never runs."""

import base64
import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from humove.types import Sample
from shards.report.build import build_report
from shards.report.drawing.formats import format_figure
from shards.report.paths import look_up

VOID = {"meta", "img", "link", "br", "hr", "input", "rect"}
SCALES = {"h": 3600, "min": 60, "s": 1, "TB": 1e12, "GB": 1e9, "MB": 1e6, "kB": 1e3, "B": 1, "%": 0.01, "": 1, "°": 1}


class Page(HTMLParser):
    """The figures of a page, its tags, and the text outside of figures and names."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.figures: list[tuple[dict[str, str | None], str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.plain: list[str] = []
        self._open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(html)
        self.close()
        assert not self._open, "a tag is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID or tag == "rect":
            self._open.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        opened, attrs, text = self._open.pop()
        assert opened == tag, f"</{tag}> closes <{opened}>"
        if "data-figure" in attrs:
            self.figures.append((attrs, "".join(text)))

    def handle_data(self, data: str) -> None:
        for _, _, text in self._open:
            text.append(data)
        names = any(
            "data-figure" in attrs or "name" in (attrs.get("class") or "").split() or tag in ("style", "title", "svg")
            for tag, attrs, _ in self._open
        )
        if not names:
            self.plain.append(data)


@pytest.fixture(scope="module")
def report(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_report(str(built), tmp_path_factory.mktemp("report"))


def parse_number(text: str, kind: str) -> float:
    """Parse a displayed number: in seconds, bytes, or without a unit."""
    number, unit = re.fullmatch(r"(-?[\d,]*\.?\d+) ?([a-zA-Z%°]*)", text).groups()
    value = float(number.replace(",", "")) * SCALES[unit]
    return value / 3600 if kind == "hours" else value


def test_every_number_of_the_page_is_its_figure_in_the_report(report: Path):
    figures = json.loads(report.with_name("report.json").read_text())
    page = Page(report.read_text(encoding="utf-8"))
    kinds = {attrs.get("data-kind") for attrs, _ in page.figures}
    assert kinds >= {"count", "number", "share", "seconds", "hours", "bytes", "degrees"}
    assert len(page.figures) > 300
    for attrs, text in page.figures:
        value = look_up(figures, attrs["data-figure"])
        if attrs.get("data-kind") is not None:  # <data>: a number for people, with the exact one beside it
            kind = attrs["data-kind"]
            assert attrs["value"] == ("" if value is None else str(value)), attrs
            assert text == format_figure(kind, value)
            if value is not None:
                close = {"abs": 0.5} if kind in ("degrees", "count") else {"rel": 0.006, "abs": 1e-9}
                assert parse_number(text, kind) == pytest.approx(value, **close), (attrs, text)
        elif "data-value" in attrs:  # a bar of a histogram
            assert float(attrs["data-value"]) == value and text.startswith(f"{value:,} ")
        else:
            assert text == str(value)


def test_no_number_is_outside_of_a_figure(report: Path):
    page = Page(report.read_text(encoding="utf-8"))
    assert "Training" in "".join(page.plain)
    assert [text for text in page.plain if re.search(r"\d", text)] == []


def test_the_page_is_one_file_without_requests(report: Path):
    page = Page(report.read_text(encoding="utf-8"))
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "embed", "form", "base"})
    for tag, attrs in page.tags:
        assert not any(name.startswith("on") for name in attrs), (tag, attrs)
        for name in ("src", "href"):
            assert (attrs.get(name) or "data:image/jpeg;base64,").startswith(("data:image/jpeg;base64,", "#")), attrs
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "url(" not in report.read_text() and "@import" not in report.read_text()
    targets = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert {a["href"][1:] for t, a in page.tags if t == "a"} <= targets, "links have targets"


def test_the_kept_clips_are_shown_with_the_body_drawn(report: Path):
    page = Page(report.read_text(encoding="utf-8"))
    images = [a["src"].partition(",")[2] for t, a in page.tags if t == "img"]
    assert len(images) == 2 + 2 + 4, "best, worst, random"
    rgb = cv2.imdecode(np.frombuffer(base64.b64decode(images[0]), np.uint8), cv2.IMREAD_COLOR)
    assert rgb.shape == (192, 160, 3) and (np.ptp(rgb.astype(int), axis=-1) > 30).mean() > 0.02, "the test film is grey"


HOSTILE = "<img src=x onerror=alert(1)>.mp4"
SCRIPT = "</title></style></data><script>alert(2)</script> {{ 7*7 }} &amp; \"quoted' walks"


def write_hostile_set(make, samples: list[Sample], folder: Path) -> Path:
    """Write a data set whose names, captions, categories and reasons are markup."""
    changed = []
    for sample in samples:
        meta = json.loads(json.dumps(sample.meta))
        meta["uri"], meta["captions"]["full"] = HOSTILE, SCRIPT
        meta["captions"]["source"] = meta["category"]["source"] = "<b>who</b>"
        meta["category"] |= {"major": "<svg/onload=alert(3)>", "fine": "a.b\\c"}
        meta["rights"]["licence"] = "javascript:alert(4)"
        meta["rights"]["source_url"] = "javascript://x/%0aalert(5)"
        changed.append(
            Sample(**{f: getattr(sample, f) for f in ("key", "split", "mp4", "motion", "pose2d")}, meta=meta)
        )
    rows = make.outcomes(changed)
    bad = {"reason": "<script>alert(6)</script>", "detail": "../../etc/passwd <i>", "stage": "split"}
    gone = rows[1].__class__(
        unit="clip", video_id="x", uri="../<u>", clip_id="../../up", outcome="rejected", start_s=0.0, end_s=1.0, **bad
    )
    make.dataset(folder, changed, [*rows, gone])
    return folder


def test_external_text_is_escaped(make, samples: list[Sample], tmp_path: Path):
    page = build_report(str(write_hostile_set(make, samples, tmp_path / "set")))
    html = page.read_text(encoding="utf-8")
    parsed = Page(html)
    texts = [text for _, text in parsed.figures]
    assert HOSTILE in texts and SCRIPT in texts and "../../etc/passwd <i>" in texts
    assert {tag for tag, _ in parsed.tags}.isdisjoint({"script", "b1", "u", "svg/onload=alert(3)"})
    assert all(not name.startswith("on") for _, attrs in parsed.tags for name in attrs)
    assert "<script" not in html and "<img src=x" not in html and "49" not in "".join(parsed.plain)
    figures = json.loads(page.with_name("report.json").read_text())
    assert look_up(figures, "categories.groups.<svg/onload=alert(3)>/a\\.b\\\\c.samples") == 4
    for attrs, _ in parsed.figures:
        look_up(figures, attrs["data-figure"])


def test_nothing_runs_in_a_browser(make, samples: list[Sample], tmp_path: Path):
    chromium = Path("/usr/bin/chromium")
    if not chromium.exists():
        pytest.skip("no Chromium on this machine")
    page = build_report(str(write_hostile_set(make, samples, tmp_path / "set")))
    # Without the policy that forbids scripts; any script would change the title.
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    assert "default-src" not in text
    page.write_text(text.replace("alert(", "document.title=("), encoding="utf-8")
    flags = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path / 'profile'}",
    ]  # fmt: skip
    done = subprocess.run([str(chromium), *flags, "--dump-dom", page.as_uri()], capture_output=True, timeout=60)
    assert "<title>set: data set report</title>" in done.stdout.decode(errors="replace")
