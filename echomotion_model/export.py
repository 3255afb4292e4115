"""`humove export`: a trained run's weights in diffusers' format."""

from collections.abc import Callable
from pathlib import Path

from echomotion_model.generation.weights import TrainedWeights, open_weights
from echomotion_model.model.export import export_model, require_new_folder


def export_run(
    run: Path,
    out: Path,
    *,
    checkpoint: str | None = None,
    use_ema: bool = True,
    on_note: Callable[[str], None] | None = None,
) -> TrainedWeights:
    """Write a checkpoint's weights, with merged adapters, to the new folder `out`, and return them.

    They are float32, as trained: diffusers casts them to its `torch_dtype` argument, except those that Wan keeps in
    float32. checkpoint: a name or a step; None: the last one. on_note(line) is called if the weights are not fully
    trained. UserError, one line, for errors that the user can fix.
    """
    require_new_folder(out)  # before gigabytes are read
    weights = open_weights(run, checkpoint=checkpoint, use_ema=use_ema)
    if on_note and weights.warning:
        on_note(weights.warning)
    export_model(weights.config.model, weights.model.state_dict(), weights.normalizer, out)
    return weights
