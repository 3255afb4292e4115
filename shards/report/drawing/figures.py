"""Compute the content of report.json from the files of a data set."""

from typing import Any

from shards.clips_table import ClipTable
from shards.reader import Dataset
from shards.report.concerns import find_concerns
from shards.report.contents import (
    summarize_captions,
    summarize_categories,
    summarize_headline,
    summarize_shapes,
    summarize_splits,
)
from shards.report.drawing.sheets import select_sheets
from shards.report.funnel import summarize_costs, summarize_funnel, summarize_reasons
from shards.report.motion import summarize_motion
from shards.report.origin import summarize_annotators, summarize_duplicates, summarize_rights
from shards.report.scores import summarize_scores
from shards.report.shard_table import summarize_shards
from shards.report.source import Log, ReportSource
from shards.report.training import summarize_training

REPORT_VERSION = 1


def compute_report_figures(dataset: Dataset, clips: ClipTable, log: Log = lambda line: None) -> dict[str, Any]:
    """Compute the figures of a data set as JSON values; unknown ones are None. `log` is called with each step.

    The same data set gives the same figures. Shares are fractions of 1; names state the units of times and lengths.
    """
    source = ReportSource(dataset, clips, log)
    found: dict[str, Any] = {
        "report_version": REPORT_VERSION,
        "dataset": {
            "name": dataset.path.rstrip("/").rpartition("/")[2] or dataset.path,
            "tool_version": source.doc.tool_version,
            "config_hash": source.doc.config_hash,
            "complete": clips.complete,
        },
        "headline": summarize_headline(source),
        "funnel": summarize_funnel(source),
        "reasons": summarize_reasons(source),
        "scores": summarize_scores(clips),
        "categories": summarize_categories(source),
        "captions": summarize_captions(source),
        "motion": summarize_motion(source),
        "shape": summarize_shapes(source),
        "splits": summarize_splits(source),
        "duplicates": summarize_duplicates(source),
        "rights": summarize_rights(source),
        "annotators": summarize_annotators(source),
        "costs": summarize_costs(source),
        "training": summarize_training(source),
        "shards": summarize_shards(source),
        "sheets": select_sheets(clips),
    }
    return {"concerns": find_concerns(found)} | found
