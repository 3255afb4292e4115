"""What a run says of itself: metrics.jsonl, which the explorer reads, and the same in TensorBoard."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from humove.atomic import write_text

METRICS_FILE, TENSORBOARD_FOLDER = "metrics.jsonl", "tensorboard"


class MetricsLog:
    """The log of one run, from a step on: what an earlier process said of later steps is taken out."""

    def __init__(self, run: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._path = run / METRICS_FILE
        _cut(self._path, step)
        self._lines = self._path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(run / TENSORBOARD_FOLDER), purge_step=step + 1)

    def validated(self, step: int) -> bool:
        """Whether validation was told of at a step."""
        lines = map(json.loads, self._path.read_text(encoding="utf-8").splitlines())
        return any(line["step"] == step and any(name.startswith("validation/") for name in line) for line in lines)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One line of figures; those that are not finite are left out, since JSON has no word for them."""
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        self._lines.write(json.dumps({"step": step, **finite}) + "\n")
        self._lines.flush()
        for name, value in finite.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        self._lines.close()
        self._board.close()


def _cut(path: Path, step: int) -> None:
    """Takes out lines of steps after `step`, and one that a killed process left in the middle."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            said = json.loads(line)["step"]
        except (json.JSONDecodeError, KeyError, TypeError):
            continue
        if said <= step:
            kept.append(line + "\n")
    write_text(path, "".join(kept))
