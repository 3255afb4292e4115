"""A run's metrics: metrics.jsonl, which the explorer reads, and TensorBoard."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from humove.storage.atomic import write_text

METRICS_FILE, TENSORBOARD_FOLDER = "metrics.jsonl", "tensorboard"


class MetricsLog:
    """The log of a run from a step on; lines of later steps, from an earlier process, are removed."""

    def __init__(self, run: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._path = run / METRICS_FILE
        _remove_later_lines(self._path, step)
        self._lines = self._path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(run / TENSORBOARD_FOLDER), purge_step=step + 1)

    def has_validation(self, step: int) -> bool:
        """Return whether the metrics of a step include a validation."""
        lines = map(json.loads, self._path.read_text(encoding="utf-8").splitlines())
        return any(line["step"] == step and any(name.startswith("validation/") for name in line) for line in lines)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write one line of metrics; values that are not finite are left out, since JSON cannot represent them."""
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        self._lines.write(json.dumps({"step": step, **finite}) + "\n")
        self._lines.flush()
        for name, value in finite.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        self._lines.close()
        self._board.close()


def _remove_later_lines(path: Path, step: int) -> None:
    """Remove lines of steps after `step`, and an incomplete line of a killed process."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            logged = json.loads(line)["step"]
        except (json.JSONDecodeError, KeyError, TypeError):
            continue
        if logged <= step:
            kept.append(line + "\n")
    write_text(path, "".join(kept))
