"""Render index.html: the figures as one page without other files, network access or scripts."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from shards.report.drawing.charts import Steps, layout_treemap, scale_position, stack_bars
from shards.report.drawing.formats import format_figure
from shards.report.paths import join_path, look_up

TEMPLATES = Path(__file__).with_name("templates")
SECTIONS = (
    ("overview", "Overview"),
    ("funnel", "Funnel"),
    ("kept", "Kept clips"),
    ("dropped", "Dropped clips"),
    ("scores", "Scores"),
    ("motion", "Motion"),
    ("categories", "Categories"),
    ("captions", "Captions"),
    ("shape", "Lengths and sizes"),
    ("splits", "Splits"),
    ("training", "Training"),
    ("duplicates", "Duplicates"),
    ("rights", "Rights"),
    ("annotators", "Annotators"),
    ("costs", "Time"),
    ("shards", "Shards"),
)
_SECTION_OF = {"headline": "overview", "reasons": "dropped", "dataset": "overview", "sheets": "kept"}


def render_page(figures: dict[str, Any], images: Mapping[str, bytes]) -> str:
    """Render the page. `images` are JPEG bytes by clip_id; clips without one are shown as text.

    Every number is an element with `data-figure`, its dotted path in the figures; all other external data is escaped
    text.
    """

    def make_path(steps: tuple[str | int | Steps, ...]) -> str:
        return join_path([each for step in steps for each in (step if isinstance(step, tuple) else (step,))])

    def render_figure(kind: str, *steps: str | int | Steps) -> Markup:
        path = make_path(steps)
        value = look_up(figures, path)
        return Markup('<data value="{}" data-figure="{}" data-kind="{}">{}</data>').format(
            "" if value is None else value, path, kind, format_figure(kind, value)
        )

    def render_text(*steps: str | int | Steps) -> Markup:
        path = make_path(steps)
        return Markup('<span data-figure="{}">{}</span>').format(path, look_up(figures, path))

    def get_section(path: str) -> str:
        first = path.partition(".")[0]
        return _SECTION_OF.get(first, first)

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        f=figures, fig=render_figure, text=render_text, stack_bars=stack_bars, scale_position=scale_position,
        layout_treemap=layout_treemap, format_figure=format_figure, get_section=get_section, sections=SECTIONS,
    )  # fmt: skip
    encoded = {clip: base64.b64encode(jpeg).decode() for clip, jpeg in images.items()}
    css = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))
    return environment.get_template("page.html.j2").render(css=css, images=encoded)
