"""Figures of an evaluation, for people."""

from collections.abc import Mapping
from typing import Any

from echomotion_model.train.loop import PHASES


def evaluation_lines(figures: Mapping[str, Any]) -> list[str]:
    """What `evaluate` found, for people."""
    weights = "averaged weights" if figures["averaged"] else "last weights"
    sampling = figures["sampling"]
    lines = [
        f"{figures['run']} at step {figures['step']} ({weights}), {figures['clips']} of {figures['of']} clips of "
        f"{figures['dataset']} {figures['split']}; {sampling['steps']} steps, w1 {sampling['w1']:g}, w2 "
        f"{sampling['w2']:g}, seed {figures['seed']}; baselines from {figures['training_clips']} training clips"
    ]
    if figures["phase"] != PHASES[-1]:
        lines.append("  this checkpoint is of phase 1: its video branch is not trained, so that no figure means much")
    if not figures["baselines_trained"]:
        lines.append(
            f"  this checkpoint was not made with just the clips of {figures['training']} {figures['training_split']}, "
            "so that these may not be held out, and the baselines are not of its training: give its data set with "
            "--training"
        )
    if figures["trained_on"]:
        which = "this split" if figures["trained_on"] == figures["clips"] else f"{figures['trained_on']} of these clips"
        lines.append(f"  {which} trained the run: the figures say what it knows by heart, not what it can do")
    for name, (title, measures) in _TABLES.items():
        table = figures[name]
        if table is None:
            lines.append(f"{title}: left out, for want of a detector")
            continue
        lines.append(title)
        for who, row in table.items():
            said = [f"{label} {form.format(row[key])}" for key, label, form in measures if row[key] is not None]
            lines.append(f"  {_WHO[who]:<30} {', '.join(said) or 'none'}{_fewer(row['clips'], figures['clips'])}")
    lines += _swapped(figures["swapped"])
    for name, found in figures["retrieval"].items():
        if found:
            lines.append(
                f"joint samples nearest to their own caption's clip, by {name}: {found['found']:.0%} of "
                f"{found['samples']} (chance {found['chance']:.0%})"
            )
    return lines


def _swapped(figures: Mapping[str, Mapping[str, Any]] | None) -> list[str]:
    """How often an answer follows the condition, where caption and noise are another clip's."""
    if figures is None:
        return ["swapped conditions: none, for want of two clips of one size and length"]
    lines = ["swapped conditions: answers nearer to the condition's clip than to that of caption and noise"]
    for name, found in figures.items():
        label, form, unit = _SWAPPED[name]
        known = found["given"] is not None and found["named"] is not None
        apart = f": {form.format(found['given'])} against {form.format(found['named'])} {unit}" if known else ""
        lines.append(f"  {label:<30} {found['found']:.0%} of {found['samples']} (chance {found['chance']:.0%}){apart}")
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
_SWAPPED = {
    "video_to_motion": ("video to motion, PA-MPJPE", "{:.1f}", "mm"),
    "motion_to_video": ("motion to video, PSNR", "{:.2f}", "dB"),
    "motion_to_video_joints": ("motion to video, keypoints", "{:.1%}", "of the person's height"),
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
