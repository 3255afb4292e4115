"""The command `humove evaluate-model`; what sees keypoints comes from outside this package."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from echomotion_model.commands import (
    Averaged,
    Checkpoint,
    ConditionGuidance,
    DataSet,
    Run,
    Steps,
    TextGuidance,
    say,
)  # fmt: skip
from humove.errors import UserError

if TYPE_CHECKING:
    from echomotion_model.evaluation.measures import Detector


def evaluate_model_command(load_detector: Callable[[], "Detector"]) -> Callable[..., None]:
    """The command, with what sees keypoints in pictures: `load_detector` raises UserError where it is not there."""

    def evaluate_model(
        run: Run,
        dataset: DataSet,
        split: Annotated[str, typer.Option(help="The split to measure on; held-out where it isn't train.")] = "val",
        training: Annotated[
            str | None, typer.Option(help="The data set that trained the run, where DATASET is another.")
        ] = None,
        limit: Annotated[int, typer.Option(help="Clips at the most, spread over the split.")] = 16,
        samples: Annotated[
            Path | None, typer.Option(help="A folder for some clips, to be looked at: given, answer, truth.")
        ] = None,
        checkpoint: Checkpoint = None,
        seed: int = 0,
        steps: Steps = None,
        w1: TextGuidance = None,
        w2: ConditionGuidance = None,
        ema: Averaged = True,
    ) -> None:
        """Measures a run: motion from video, video from motion, and joint samples, beside plain baselines."""
        from echomotion_model.evaluate import evaluate
        from echomotion_model.evaluation.lines import evaluation_lines

        detect = None
        try:
            detect = load_detector()
        except UserError as error:
            say(f"without keypoints in made video: {error}")
        found = evaluate(
            run, dataset, split, training=training, limit=limit, seed=seed, checkpoint=checkpoint, steps=steps, w1=w1,
            w2=w2, use_ema=ema, detect=detect, samples=samples,
            progress=lambda what, done, of: say(f"{what}: {done} of {of}"),
        )  # fmt: skip
        print("\n".join(evaluation_lines(found)))
        if samples is not None:
            print(f"to look at: {samples}")

    return evaluate_model
