"""`humove export`: a trained run's weights as files that diffusers reads."""

from collections.abc import Callable
from pathlib import Path

from echomotion_model.generation.weights import TrainedWeights, open_weights
from echomotion_model.model.export import export, need_new


def export_run(
    run: Path,
    out: Path,
    *,
    checkpoint: str | None = None,
    use_ema: bool = True,
    on_note: Callable[[str], None] | None = None,
) -> TrainedWeights:
    """Writes a checkpoint's weights, adapters added in, to the new folder `out`; returns what was written.

    They are float32, as they were trained: diffusers takes them to the `torch_dtype` that it is asked for, but for
    those that Wan wants in float32. checkpoint: a name or a step; None: the last one. on_note(line) is called where
    the weights can't be trusted. UserError, one line, for what the user can mend.
    """
    need_new(out)  # said before gigabytes are read
    weights = open_weights(run, checkpoint=checkpoint, use_ema=use_ema)
    if on_note and weights.warning:
        on_note(weights.warning)
    export(weights.config.model, weights.model.state_dict(), weights.normalizer, out)
    return weights
