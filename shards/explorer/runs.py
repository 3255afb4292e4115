"""A training run as the page shows it: metric curves and validation videos."""

import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

METRICS_FILE, VALIDATION_FOLDER = "metrics.jsonl", "validation"
_POINTS = 2000


class TrainingRun:
    """The folder of a training run, read again for each request because the run may be active."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make_document(self) -> dict[str, Any]:
        """Return {name, curves: {metric: [[step, value], ...]}, samples: [{step, name, url}]}.

        Curves have at most 2000 points, including the last one. Incomplete lines and non-numeric values are skipped.
        """
        return {"name": self._folder.name, "curves": self._read_curves(), "samples": self._list_samples()}

    def _read_curves(self) -> dict[str, list[list[float]]]:
        curves: dict[str, list[list[float]]] = defaultdict(list)
        path = self._folder / METRICS_FILE
        if path.is_file():
            with path.open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    for name, point in _parse_points(line):
                        curves[name].append(point)
        return {name: _thin_points(points) for name, points in sorted(curves.items())}

    def _find_videos(self) -> dict[str, tuple[int, Path]]:
        """Find the validation videos inside the folder: step and file, by path relative to the run."""
        root = (self._folder / VALIDATION_FOLDER).resolve()
        found = {}
        for path in (self._folder / VALIDATION_FOLDER).glob("*/*.mp4"):
            if path.parent.name.isdigit() and path.is_file() and path.resolve().is_relative_to(root):
                found[f"{VALIDATION_FOLDER}/{path.parent.name}/{path.name}"] = (int(path.parent.name), path)
        return found

    def _list_samples(self) -> list[dict[str, Any]]:
        rows = sorted((step, path.stem, name) for name, (step, path) in self._find_videos().items())
        return [{"step": step, "name": stem, "url": f"/runs/{quote(name)}"} for step, stem, name in rows]

    def find_video(self, name: str) -> Path | None:
        """Return the file of a listed video by its path relative to the run; None for any other path."""
        step_and_path = self._find_videos().get(name)
        return step_and_path[1] if step_and_path else None


def _parse_points(line: str) -> list[tuple[str, list[float]]]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return []
    if not isinstance(row, dict) or not _is_number(row.get("step")):
        return []
    return [(name, [row["step"], value]) for name, value in row.items() if name != "step" and _is_number(value)]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _thin_points(points: list[list[float]]) -> list[list[float]]:
    stride = -(-len(points) // _POINTS)
    return points[::-1][::stride][::-1] if stride > 1 else points
