"""Search, filters, sorting and groups over the clip table: whole columns at once, prepared at the first use."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from humove.config.strict import Strict
from humove.errors import UserError
from shards.clips_table import SCORE

_SEARCH_COLUMNS = ("clip_id", "uri", "caption", "category", "split", "outcome", "stage", "reason", "detail")
_MAX_VALUES = 50
"""Maximum number of distinct values to list, and of distinct numbers to group without ranges."""
_RANGES = 10
_MAX_GROUPS = 1000
_COMPARE: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "=": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip
ShortText = Annotated[str, Field(max_length=1000)]
Value = bool | float | ShortText | None


class Filter(Strict):
    """One condition on a column; a row must meet all conditions."""

    column: ShortText
    op: Literal["=", "!=", "<", "<=", ">", ">=", "contains", "in"]
    value: Value | list[Value]


class Sort(Strict):
    """A column to sort by; rows without a value come last."""

    column: ShortText
    desc: bool = False


class Columns:
    """The table's columns under the names that the page uses: scores without their prefix."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame
        self._names = {}
        for column in frame.columns:
            if column != "signature":
                bare = column.removeprefix(SCORE)
                self._names[column if bare in self._names else bare] = column
        self._text: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._search_text: pa.Array | None = None

    def __len__(self) -> int:
        return len(self._frame)

    def list_names(self) -> list[str]:
        """Return the names of all columns."""
        return list(self._names)

    def is_number(self, name: str) -> bool:
        """Return whether a column holds numbers. UserError for an unknown column."""
        return pd.api.types.is_numeric_dtype(self._frame[self._resolve_name(name)].dtype)

    def get_numbers(self, name: str) -> np.ndarray:
        """Return a column (N,) float64, NaN where there is no value. UserError for a column of text."""
        if not self.is_number(name):
            raise UserError(f"column {name}: it is text, not numbers")
        return self._frame[self._resolve_name(name)].to_numpy(dtype=np.float64, na_value=np.nan)

    def get_text(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a column of text as (N,) int64 codes and the (V,) sorted values that they index."""
        if name not in self._text:
            values = self._frame[self._resolve_name(name)].fillna("").astype(str).to_numpy(dtype=object)
            self._text[name] = _encode_text(values)
        return self._text[name]

    def search(self, words: str) -> np.ndarray:
        """Return (N,) bool, which clips' text contains every word, ignoring case."""
        if self._search_text is None:
            parts = [self._frame[name].fillna("").astype(str) for name in _SEARCH_COLUMNS if name in self._frame]
            text = pa.array(parts[0]) if len(parts) == 1 else _join_texts(parts)
            self._search_text = pc.utf8_lower(text)
        found = np.ones(len(self), dtype=bool)
        for word in words.lower().split():
            found &= pc.match_substring(self._search_text, word).to_numpy(zero_copy_only=False)
        return found

    def _resolve_name(self, name: str) -> str:
        if name not in self._names:
            raise UserError(f"no column {name[:80]!r}; columns: {', '.join(self._names)}")
        return self._names[name]


def _join_texts(parts: Sequence[pd.Series]) -> pa.Array:
    arrays = [pa.array(part.to_numpy(dtype=object), pa.large_string()) for part in parts]
    return pc.binary_join_element_wise(*arrays, pa.scalar("\n", pa.large_string()))


def _encode_text(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    codes, names = pd.factorize(values, sort=True)
    return codes, np.asarray(names, dtype=object)


class TableView:
    """The columns of the table, and those that change from one request to the next."""

    def __init__(self, columns: Columns, extra: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
        """`extra`: columns of text that change (labels, verdicts), as from `Columns.get_text`, values in any order."""
        self._columns, self._extra = columns, extra

    def _is_number(self, name: str) -> bool:
        return name not in self._extra and self._columns.is_number(name)

    def _get_text(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        return self._extra[name] if name in self._extra else self._columns.get_text(name)

    def find_rows(self, search: str, filters: Sequence[Filter]) -> np.ndarray:
        """Return the rows (M,) that match, in the table's order. UserError for an invalid filter."""
        found = self._columns.search(search)
        for condition in filters:
            found &= self._match_filter(condition)
        return np.flatnonzero(found)

    def _match_filter(self, condition: Filter) -> np.ndarray:
        name, op, value = condition.column, condition.op, condition.value
        if isinstance(value, list) != (op == "in"):
            raise UserError(f"filter on {name[:80]}: `in`, and no other operator, takes a list of values")
        values = value if isinstance(value, list) else [value]
        if self._is_number(name):
            return self._match_numbers(name, op, values)
        codes, names = self._get_text(name)
        words = ["" if word is None else str(word) for word in values]
        if op in ("=", "in", "!="):
            hit = np.isin(names.astype(str), words)[codes] if len(names) else np.zeros(len(codes), dtype=bool)
            return ~hit if op == "!=" else hit
        if op == "contains":
            return np.array([words[0].lower() in text.lower() for text in names], dtype=bool)[codes]
        raise UserError(f"filter on {name}: it is text; use =, !=, contains or in")

    def _match_numbers(self, name: str, op: str, values: list[Value]) -> np.ndarray:
        column = self._columns.get_numbers(name)
        numbers = [np.nan if value is None else value for value in values]
        if op == "contains" or any(isinstance(number, str) for number in numbers):
            raise UserError(f"filter on {name}: it holds numbers; use =, !=, <, <=, >, >= or in, with numbers")
        if op == "in" or (op in ("=", "!=") and np.isnan(numbers[0])):
            hit = np.isin(column, numbers) | (np.isnan(column) & np.isnan(numbers).any())
            return ~hit if op == "!=" else hit
        return _COMPARE[op](column, float(numbers[0]))

    def sort_rows(self, rows: np.ndarray, order: Sequence[Sort], groups: np.ndarray | None = None) -> np.ndarray:
        """Sort the rows (M,), first by `groups` (M,) int64; equal rows keep the table's order."""
        keys = [] if groups is None else [groups]
        keys += [key for sort in order for key in self._sort_keys(rows, sort)]
        return rows[np.lexsort(keys[::-1])] if keys else rows

    def _sort_keys(self, rows: np.ndarray, sort: Sort) -> list[np.ndarray]:
        if self._is_number(sort.column):
            values = self._columns.get_numbers(sort.column)[rows]
            return [np.isnan(values), -values if sort.desc else values]
        codes, names = self._get_text(sort.column)
        rank = np.argsort(np.argsort(names.astype(str), kind="stable"))
        ranks = rank[codes[rows]] if len(names) else codes[rows]
        return [-ranks if sort.desc else ranks]

    def group_rows(self, rows: np.ndarray, column: str, kept: np.ndarray) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """Return the position (M,) of each row's group, and the groups, largest first (numbers: ascending).

        A group is {value, count, kept, filters}; `filters` are the conditions that exactly its rows meet. Numbers with
        many values are grouped by range; at most 1000 groups are listed.
        """
        kept = kept[rows]
        if not self._is_number(column):
            codes, names = self._get_text(column)
            return _count_groups(codes[rows], names, lambda i: [_make_filter(column, names[i])], kept, by_size=True)
        values = self._columns.get_numbers(column)[rows]
        distinct = np.unique(values[~np.isnan(values)])
        if len(distinct) <= _MAX_VALUES:
            codes = np.where(np.isnan(values), len(distinct), np.searchsorted(distinct, values))
            names = [*distinct.tolist(), None]
            return _count_groups(codes, names, lambda i: [_make_filter(column, names[i])], kept, by_size=False)
        edges = np.unique(np.quantile(distinct, np.linspace(0, 1, _RANGES + 1)))
        codes = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
        codes[np.isnan(values)] = len(edges) - 1
        ranges = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))

        def make_filters(i: int) -> list[dict[str, Any]]:
            if i == len(ranges):
                return [_make_filter(column, None)]
            upper = "<=" if i == len(ranges) - 1 else "<"
            low, high = ranges[i]
            return [{"column": column, "op": ">=", "value": low}, {"column": column, "op": upper, "value": high}]

        names = [*(f"{low:.4g} to {high:.4g}" for low, high in ranges), None]
        return _count_groups(codes, names, make_filters, kept, by_size=False)


def _make_filter(column: str, value: Any) -> dict[str, Any]:
    return {"column": column, "op": "=", "value": value}


def _count_groups(
    codes: np.ndarray, names: Sequence, make_filters: Callable[[int], list[dict]], kept: np.ndarray, *, by_size: bool
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    counts = np.bincount(codes, minlength=len(names))
    kept_counts = np.bincount(codes[kept], minlength=len(names))
    order = np.argsort(-counts, kind="stable") if by_size else np.arange(len(names))
    order = order[counts[order] > 0]
    rank = np.zeros(len(names), np.int64)
    rank[order] = np.arange(len(order))
    groups = [
        {"value": names[i], "count": int(counts[i]), "kept": int(kept_counts[i]), "filters": make_filters(i)}
        for i in order[:_MAX_GROUPS].tolist()
    ]
    return rank[codes], groups


def describe_columns(columns: Columns, extra: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Return {name, kind} of every column, with `values` for text with at most 50 distinct values.

    `extra`: the columns of text that change, with their possible values; none for free text.
    """
    documents: list[dict[str, Any]] = []
    for name in columns.list_names():
        if columns.is_number(name):
            documents.append({"name": name, "kind": "number"})
            continue
        _, values = columns.get_text(name)
        choices = {"values": values.tolist()} if len(values) <= _MAX_VALUES else {}
        documents.append({"name": name, "kind": "text", **choices})
    for name, options in extra.items():
        documents.append({"name": name, "kind": "text", **({"values": list(options)} if options else {})})
    return documents
