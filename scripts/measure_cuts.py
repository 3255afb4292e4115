"""Evaluate the cut detectors on videos with known cuts.

    python scripts/measure_cuts.py VIDEOS TRUTH.json

TRUTH.json: {file name: {"transitions": [{"type": "hard" or another, "start": frame, "end": frame}]}}: for a
hard cut the first frame of the new shot, for others the blended frames, end exclusive. A video without an entry has no
cut.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from annotators.transnetv2.network import TransNetV2
from humove.stage import Reject
from humove.video.probe import probe_video
from humove.video.scan import scan_video
from pipelines.stages.shots.cuts import SplitConfig, find_shots

_SLACK = 2
"""Tolerance of a slow transition's ends, in frames."""


def measure_video(path: Path, truth: list[dict], network: TransNetV2 | None) -> dict[str, float]:
    """Count a video's hard cuts and those found at their exact frame, slow transitions and those found, false ones."""
    probe = probe_video(path)
    series = scan_video(path, probe)
    if isinstance(probe, Reject) or isinstance(series, Reject):
        raise SystemExit(f"{path} cannot be read")
    start = time.process_time()
    answers = network.annotate([series])[0] if network else None
    shots, soft = find_shots(series, probe.fps, probe.time_base, SplitConfig(), answers)
    cpu_s = time.process_time() - start
    blended = {span.end for span in soft}
    found = {shot.start_frame for shot in shots if shot.start_frame and shot.start_frame not in blended}
    hard = {t["start"] for t in truth if t["type"] == "hard"}
    slow = [t for t in truth if t["type"] != "hard"]
    inside = [[s for s in soft if t["start"] - _SLACK <= s.start and s.end <= t["end"] + _SLACK] for t in slow]
    return {
        "frames": series.num_frames,
        "cuts": len(hard),
        "cuts found": len(hard & found),
        "slow": len(slow),
        "slow found": sum(map(bool, inside)),
        "false": len(found - hard) + len(soft) - sum(map(len, inside)),
        "cpu_s": cpu_s,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("truth", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    truth = json.loads(args.truth.read_text(encoding="utf-8"))
    network = TransNetV2()
    network.load("cpu")
    for name, used in (("scenedetect", None), ("transnetv2", network)):
        total: dict[str, float] = {}
        for path in args.videos:
            row = measure_video(path, truth.get(path.name, {"transitions": []})["transitions"], used)
            if row["cuts found"] < row["cuts"] or row["slow found"] < row["slow"] or row["false"]:
                print(f"  {name}: {path.name}: {row}")
            total = {key: total.get(key, 0) + value for key, value in row.items()}
        counts = ", ".join(f"{key} {value:g}" for key, value in total.items() if key != "cpu_s")
        print(f"{name}: {counts}, {1000 * total['cpu_s'] / total['frames']:.2f} CPU ms per frame", flush=True)


if __name__ == "__main__":
    main()
