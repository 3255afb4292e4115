"""Figures of an evaluation, for people."""

from collections.abc import Mapping
from typing import Any


def evaluation_lines(figures: Mapping[str, Any]) -> list[str]:
    """What `evaluate` found, for people."""
    weights = "averaged weights" if figures["averaged"] else "last weights"
    sampling = figures["sampling"]
    lines = [
        f"{figures['run']} at step {figures['step']} ({weights}), {figures['clips']} of {figures['of']} clips of "
        f"{figures['dataset']} {figures['split']}; {sampling['steps']} steps, w1 {sampling['w1']:g}, w2 "
        f"{sampling['w2']:g}, seed {figures['seed']}; baselines from {figures['training_clips']} training clips"
    ]
    if figures["trained_on"]:
        lines.append("  this split trained the run: the figures say what it knows by heart, not what it can do")
    for name, (title, measures) in _TABLES.items():
        table = figures[name]
        if table is None:
            lines.append(f"{title}: left out, for want of a detector")
            continue
        lines.append(title)
        for who, row in table.items():
            said = [f"{label} {form.format(row[key])}" for key, label, form in measures if row[key] is not None]
            lines.append(f"  {_WHO[who]:<30} {', '.join(said) or 'none'}{_fewer(row['clips'], figures['clips'])}")
    for name, found in figures["retrieval"].items():
        if found:
            lines.append(
                f"joint samples nearest to their own caption's clip, by {name}: {found['found']:.0%} of "
                f"{found['samples']} (chance {found['chance']:.0%})"
            )
    return lines


def _fewer(clips: int, of: int) -> str:
    return f" (of {clips} clips)" if clips < of else ""


_TABLES = {
    "video_to_motion": (
        "video to motion",
        (("mpjpe_mm", "MPJPE", "{:.1f} mm"), ("pa_mpjpe_mm", "PA-MPJPE", "{:.1f} mm")),
    ),
    "motion_to_video": ("motion to video", (("psnr_db", "PSNR", "{:.2f} dB"),)),
    "consistency": (
        "motion to video, given joints against detected keypoints",
        (("error", "off by", "{:.1%} of the person's height"), ("seen", "points seen", "{:.0%}")),
    ),
    "joint": (
        "joint",
        (("acceleration", "acceleration", "{:.2f} m/s2"), ("foot_skate", "foot skate", "{:.3f} m/s")),
    ),
}
_WHO = {
    "model": "model",
    "nearest": "nearest training clip",
    "mean_pose": "mean pose of training",
    "mean_frame": "mean frame of training",
    "true_video": "the true video",
    "other_motion": "another clip's joints",
    "dataset": "the data set's motion",
}
