"""Options that several commands share."""

from typing import Annotated

import typer

from humove.errors import UserError

ADDRESS_HELP = "A running Ray cluster: auto on one of its nodes, or HOST:6379."
DataSet = Annotated[str, typer.Argument(help="A data set's folder or URL.", metavar="DATASET")]
Preset = Annotated[str, typer.Option(help="A preset's name, or a path to a YAML.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="section.key=value, as in dedup.near=off. May be given more than once.", metavar="K=V"),
]


def read_config(
    preset: str, overrides: list[str] | None, dataset: str | None, *, executor: str, workers: int, address: str
):
    """Read the settings of a preset, or of `dataset` if no preset is given, and apply overrides and flags."""
    from pipelines.config import load_config, make_config

    flags = {"executor": executor, "workers": workers, "address": address}
    overrides = [*(overrides or []), *(f"execution.{name}={value}" for name, value in flags.items() if value)]
    if preset or dataset is None:
        return load_config(preset, overrides)
    from shards.reader import open_dataset

    return make_config(open_dataset(str(dataset)).doc.model_dump()["config"], overrides)


def require_out(out: str) -> None:
    if out in ("", "."):
        raise UserError("OUT: name a folder for the data set, as in out/mine")


def escape_controls(text: str) -> str:
    """Escape line ends and other control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
