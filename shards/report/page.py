"""index.html: the figures as one page that needs no other file and no network, and runs no script."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from shards.report.charts import Steps, place, stacked, treemap
from shards.report.formats import written
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


def render(figures: dict[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The page. `pictures` are JPEG bytes by clip_id; clips without one are shown as text.

    Every number is an element with `data-figure`, its dotted path in the figures; all else that comes from outside is
    escaped text.
    """

    def path_of(steps: tuple[str | int | Steps, ...]) -> str:
        return join_path([each for step in steps for each in (step if isinstance(step, tuple) else (step,))])

    def fig(kind: str, *steps: str | int | Steps) -> Markup:
        path = path_of(steps)
        value = look_up(figures, path)
        return Markup('<data value="{}" data-figure="{}" data-kind="{}">{}</data>').format(
            "" if value is None else value, path, kind, written(kind, value)
        )

    def text(*steps: str | int | Steps) -> Markup:
        path = path_of(steps)
        return Markup('<span data-figure="{}">{}</span>').format(path, look_up(figures, path))

    def section_of(path: str) -> str:
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
        f=figures, fig=fig, text=text, stacked=stacked, place=place, treemap=treemap, written=written,
        section_of=section_of, sections=SECTIONS, join_path=join_path,
    )  # fmt: skip
    encoded = {clip: base64.b64encode(jpeg).decode() for clip, jpeg in pictures.items()}
    css = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))
    return environment.get_template("page.html.j2").render(css=css, pictures=encoded)
