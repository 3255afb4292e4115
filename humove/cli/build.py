"""Commands that build a data set or add to one."""

from typing import Annotated

import typer

from humove.cli.options import ADDRESS_HELP, DataSet, Preset, Set, read_config, require_out


def build(
    videos: Annotated[
        str, typer.Argument(help="A folder, a glob, a manifest (.csv .tsv .parquet .jsonl), or a URL of one of these.")
    ],
    out: Annotated[
        str,
        typer.Argument(help="The data set's folder, or s3:// or gs:// URL; an existing one is resumed or extended."),
    ],
    preset: Preset = "local",
    set_: Set = None,
    executor: Annotated[str, typer.Option(help="local or ray; empty: the preset's.")] = "",
    workers: Annotated[int, typer.Option(help="Worker processes; 0: the preset's.")] = 0,
    address: Annotated[str, typer.Option(help=ADDRESS_HELP)] = "",
    stages: Annotated[bool, typer.Option("--stages", help="Also print how often each stage has run.")] = False,
) -> None:
    """Build a data set. Run it again to resume after a stop, to add videos, or with other settings."""
    from pipelines.engine.build_progress import ProgressLine
    from pipelines.jobs.build import build as run
    from pipelines.jobs.summary import format_summary

    require_out(out)
    config = read_config(preset, set_, None, executor=executor, workers=workers, address=address)
    built = run(config, videos, out, ProgressLine(stages=stages))
    if not built.worked:
        print(f"{out} is complete: nothing to do")
    print(format_summary(out, built.doc))


def reselect(
    dataset: DataSet,
    out: Annotated[str, typer.Argument(help="The new data set's folder or URL.")],
    preset: Annotated[str, typer.Option(help="A preset or a YAML; empty: the settings of DATASET.")] = "",
    set_: Set = None,
    executor: Annotated[str, typer.Option(help="local or ray; empty: the preset's.")] = "",
    workers: Annotated[int, typer.Option(help="Worker processes; 0: the preset's.")] = 0,
    address: Annotated[str, typer.Option(help=ADDRESS_HELP)] = "",
) -> None:
    """Build a data set with other thresholds from the measurements of an earlier build."""
    from pipelines.engine.build_progress import ProgressLine
    from pipelines.jobs.reselect import reselect as run
    from pipelines.jobs.summary import format_summary

    config = read_config(preset, set_, dataset, executor=executor, workers=workers, address=address)
    print(format_summary(out, run(config, dataset, out, ProgressLine()).doc))


def annotate(
    dataset: DataSet,
    with_: Annotated[str, typer.Option("--with", help="As in caption=endpoint.", metavar="KIND=NAME")],
    name: Annotated[str, typer.Option(help="The annotation's name; default: KIND-NAME.")] = "",
    preset: Annotated[str, typer.Option(help="A preset or a YAML; empty: the settings of DATASET.")] = "",
    set_: Set = None,
    executor: Annotated[str, typer.Option(help="local or ray; empty: the preset's.")] = "",
    workers: Annotated[int, typer.Option(help="Worker processes; 0: the preset's.")] = 0,
    address: Annotated[str, typer.Option(help=ADDRESS_HELP)] = "",
) -> None:
    """Add an annotation to a finished data set: side shards with the same keys, in DATASET/annotations/NAME."""
    from pipelines.jobs.annotate import annotate as run
    from pipelines.jobs.annotate import parse_annotator_choice
    from pipelines.progress import make_reporter

    step, settings = parse_annotator_choice(with_)
    overrides = [*settings, *(set_ or [])]
    config = read_config(preset, overrides, dataset, executor=executor, workers=workers, address=address)
    doc = run(config, step, name, dataset, make_reporter())
    samples, rejected = (sum(getattr(s, field) for s in doc.shards) for field in ("num_samples", "num_rejected"))
    print(f"{dataset}/annotations/{doc.name}: {samples - rejected} of {samples} samples in {len(doc.shards)} shards")
