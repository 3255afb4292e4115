"""Commands about settings and search terms."""

from typing import Annotated

import typer

from humove.cli.options import Preset, Set


def config(preset: Preset = "local", set_: Set = None) -> None:
    """Print every setting of a build or training preset as YAML, which --preset reads."""
    import yaml

    from echomotion_model.train.config import PRESETS, format_config, load_train_config
    from humove.config.settings import list_presets
    from pipelines.config import load_config

    if preset in list_presets(PRESETS):
        print(format_config(load_train_config(preset, set_ or [])), end="")
        return
    print(yaml.safe_dump(load_config(preset, set_ or []).model_dump(mode="json"), sort_keys=False), end="")


def keywords(
    categories: Annotated[list[str] | None, typer.Argument(help="Major or fine categories; none: all.")] = None,
    count: Annotated[int, typer.Option(help="Maximum number of terms for each fine category.", min=1, max=200)] = 12,
    url: Annotated[
        str,
        typer.Option(help="An endpoint that writes the terms, as in http://HOST:8000/v1; empty: the built-in list."),
    ] = "",
    model: Annotated[str, typer.Option(help="The model's name there.")] = "",
    key_file: Annotated[str, typer.Option(help="A file with the endpoint's key.")] = "",
    format_: Annotated[str, typer.Option("--format", help="text, csv or json.")] = "text",
) -> None:
    """Print terms to search videos with, by category."""
    from annotators.categories.search import write_keywords as run
    from annotators.endpoint.config import ServerConfig
    from humove.config.settings import parse_config

    server = parse_config(ServerConfig, {"url": url, "api_key_file": key_file, "retries": 2})
    for line in run(categories or [], count, format_, server=server, model=model):
        print(line)
