"""Everything that report.json holds, counted from the files of a data set."""

from typing import Any

from shards.clips import ClipTable
from shards.reader import Dataset
from shards.report.concerns import concerns
from shards.report.contents import captions, categories, headline, shape, splits
from shards.report.funnel import costs, funnel, reasons
from shards.report.motion import motion
from shards.report.origin import annotators, duplicates, rights
from shards.report.scores import scores
from shards.report.shard_table import shard_table
from shards.report.sheets import sheets
from shards.report.source import ReportSource, Say
from shards.report.training import training

REPORT_VERSION = 1


def figures(dataset: Dataset, clips: ClipTable, say: Say = lambda line: None) -> dict[str, Any]:
    """The figures of a data set as JSON values; what is not known is None. `say` hears what is being read.

    The same data set gives the same figures. Shares are of 1, times are in seconds or hours as named, lengths in m
    or mm as named.
    """
    source = ReportSource(dataset, clips, say)
    found: dict[str, Any] = {
        "report_version": REPORT_VERSION,
        "dataset": {
            "name": dataset.path.rstrip("/").rpartition("/")[2] or dataset.path,
            "tool_version": source.doc.tool_version,
            "config_hash": source.doc.config_hash,
            "complete": clips.complete,
        },
        "headline": headline(source),
        "funnel": funnel(source),
        "reasons": reasons(source),
        "scores": scores(clips),
        "categories": categories(source),
        "captions": captions(source),
        "motion": motion(source),
        "shape": shape(source),
        "splits": splits(source),
        "duplicates": duplicates(source),
        "rights": rights(source),
        "annotators": annotators(source),
        "costs": costs(source),
        "training": training(source),
        "shards": shard_table(source),
        "sheets": sheets(clips),
    }
    return {"concerns": concerns(found)} | found
