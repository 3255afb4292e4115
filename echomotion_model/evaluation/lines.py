"""The figures of an evaluation as text."""

from collections.abc import Mapping
from typing import Any

from echomotion_model.train.loop import PHASES


def format_evaluation(figures: Mapping[str, Any]) -> list[str]:
    """Format the result of `evaluate`."""
    weights = "averaged weights" if figures["averaged"] else "last weights"
    sampling = figures["sampling"]
    lines = [
        f"{figures['run']} at step {figures['step']} ({weights}), {figures['clips']} of {figures['of']} clips of "
        f"{figures['dataset']} {figures['split']}; {sampling['steps']} steps, text guidance "
        f"{sampling['text_guidance_scale']:g}, condition guidance {sampling['condition_guidance_scale']:g}, seed "
        f"{figures['seed']}; baselines from {figures['training_clips']} training clips"
    ]
    if figures["phase"] != PHASES[-1]:
        lines.append("  this checkpoint is of phase 1: its video branch is not trained, so the figures mean little")
    if not figures["baselines_trained"]:
        lines.append(
            f"  this checkpoint was not trained on exactly {figures['training']} {figures['training_split']}, so "
            "these may not be held out, and the baselines are of other clips: give its data set with --training"
        )
    if figures["trained_on"]:
        which = "this split" if figures["trained_on"] == figures["clips"] else f"{figures['trained_on']} of these clips"
        lines.append(f"  {which} trained the run: the figures measure overfitting, not generalisation")
    for name, (title, measures) in _TABLES.items():
        table = figures[name]
        if table is None:
            lines.append(f"{title}: left out, without a detector")
            continue
        lines.append(title)
        for who, row in table.items():
            values = [f"{label} {form.format(row[key])}" for key, label, form in measures if row[key] is not None]
            lines.append(
                f"  {_WHO[who]:<30} {', '.join(values) or 'none'}{_format_subset(row['clips'], figures['clips'])}"
            )
    lines += _format_swapped(figures["swapped"])
    for name, found in figures["retrieval"].items():
        if found:
            lines.append(
                f"joint samples nearest to their own caption's clip, by {name}: {found['found']:.0%} of "
                f"{found['samples']} (chance {found['chance']:.0%})"
            )
    return lines


def _format_swapped(figures: Mapping[str, Mapping[str, Any]] | None) -> list[str]:
    """Format how often samples follow the condition, with another clip's caption and noise."""
    if figures is None:
        return ["swapped conditions: none, without two clips of one size and length"]
    lines = ["swapped conditions: samples nearer to the condition's clip than to that of caption and noise"]
    for name, found in figures.items():
        label, form, unit = _SWAPPED[name]
        known = found["given"] is not None and found["named"] is not None
        means = f": {form.format(found['given'])} against {form.format(found['named'])} {unit}" if known else ""
        lines.append(f"  {label:<30} {found['found']:.0%} of {found['samples']} (chance {found['chance']:.0%}){means}")
    return lines


def _format_subset(clips: int, of: int) -> str:
    return f" (of {clips} clips)" if clips < of else ""


_TABLES = {
    "video_to_motion": (
        "video to motion",
        (("mpjpe_mm", "MPJPE", "{:.1f} mm"), ("pa_mpjpe_mm", "PA-MPJPE", "{:.1f} mm")),
    ),
    "motion_to_video": ("motion to video", (("psnr_db", "PSNR", "{:.2f} dB"),)),
    "consistency": (
        "motion to video, given joints against detected keypoints",
        (("error", "off by", "{:.1%} of the person's height"), ("seen", "points detected", "{:.0%}")),
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
