"""Searching, filtering, sorting and grouping the clips' table: whole columns at once, prepared when first asked for."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from humove.config import Strict
from humove.errors import UserError
from shards.clips import SCORE

_SEARCHED = ("clip_id", "uri", "caption", "category", "split", "outcome", "stage", "reason", "detail")
_FEW = 50
"""So many distinct values at the most are listed, and grouped one by one where they are numbers."""
_RANGES = 10
_MOST_GROUPS = 1000
_COMPARE: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "=": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip
Word = Annotated[str, Field(max_length=1000)]
Value = bool | float | Word | None


class Filter(Strict):
    """One condition on a column; several are met together."""

    column: Word
    op: Literal["=", "!=", "<", "<=", ">", ">=", "contains", "in"]
    value: Value | list[Value]


class Sort(Strict):
    """One column to sort by; rows without a value come last."""

    column: Word
    desc: bool = False


class Columns:
    """The table's columns under the names that a page uses: scores without their prefix.

    `extra` gives columns that change (marks, the verdict under other thresholds): arrays (N,) by name.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame
        self._names = {}
        for column in frame.columns:
            if column != "signature":
                bare = column.removeprefix(SCORE)
                self._names[column if bare in self._names else bare] = column
        self._text: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._searched: pa.Array | None = None

    def __len__(self) -> int:
        return len(self._frame)

    def names(self) -> list[str]:
        """Every column."""
        return list(self._names)

    def is_number(self, name: str) -> bool:
        """Whether a column of the table holds numbers. UserError where there is no such column."""
        return pd.api.types.is_numeric_dtype(self._frame[self._column(name)].dtype)

    def numbers(self, name: str) -> np.ndarray:
        """A column (N,) float64, NaN where there is no value."""
        if not self.is_number(name):
            raise UserError(f"column {name}: it is text, not numbers")
        return self._frame[self._column(name)].to_numpy(dtype=np.float64, na_value=np.nan)

    def text(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """A column of text: (N,) int64 codes, and the (V,) sorted values that they point at."""
        if name not in self._text:
            values = self._frame[self._column(name)].fillna("").astype(str).to_numpy(dtype=object)
            self._text[name] = _coded(values)
        return self._text[name]

    def searched(self, words: str) -> np.ndarray:
        """(N,) bool: the clips of which some text holds each of the words, in any case."""
        if self._searched is None:
            parts = [self._frame[name].fillna("").astype(str) for name in _SEARCHED if name in self._frame]
            whole = pa.array(parts[0]) if len(parts) == 1 else _joined(parts)
            self._searched = pc.utf8_lower(whole)
        found = np.ones(len(self), dtype=bool)
        for word in words.lower().split():
            found &= pc.match_substring(self._searched, word).to_numpy(zero_copy_only=False)
        return found

    def _column(self, name: str) -> str:
        if name not in self._names:
            raise UserError(f"no column {name[:80]!r}; columns: {', '.join(self._names)}")
        return self._names[name]


def _joined(parts: Sequence[pd.Series]) -> pa.Array:
    arrays = [pa.array(part.to_numpy(dtype=object), pa.large_string()) for part in parts]
    return pc.binary_join_element_wise(*arrays, pa.scalar("\n", pa.large_string()))


def _coded(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    codes, names = pd.factorize(values, sort=True)
    return codes, np.asarray(names, dtype=object)


class View:
    """The columns, and with them those that change from one question to the next."""

    def __init__(self, columns: Columns, extra: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
        """`extra` holds text columns as of Columns.text, their values not necessarily sorted."""
        self._columns, self._extra = columns, extra

    def _is_number(self, name: str) -> bool:
        return name not in self._extra and self._columns.is_number(name)

    def _text(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        return self._extra[name] if name in self._extra else self._columns.text(name)

    def chosen(self, search: str, filters: Sequence[Filter]) -> np.ndarray:
        """(M,) the rows that match, in the table's order. UserError for a filter that cannot be."""
        found = self._columns.searched(search)
        for condition in filters:
            found &= self._met(condition)
        return np.flatnonzero(found)

    def _met(self, condition: Filter) -> np.ndarray:
        name, op, value = condition.column, condition.op, condition.value
        if isinstance(value, list) != (op == "in"):
            raise UserError(f"filter on {name[:80]}: a list of values goes with `in`, and with nothing else")
        values = value if isinstance(value, list) else [value]
        if self._is_number(name):
            return self._met_by_number(name, op, values)
        codes, names = self._text(name)
        words = ["" if word is None else str(word) for word in values]
        if op in ("=", "in", "!="):
            hit = np.isin(names.astype(str), words)[codes] if len(names) else np.zeros(len(codes), dtype=bool)
            return ~hit if op == "!=" else hit
        if op == "contains":
            return np.array([words[0].lower() in text.lower() for text in names], dtype=bool)[codes]
        raise UserError(f"filter on {name}: it is text; use =, !=, contains or in")

    def _met_by_number(self, name: str, op: str, values: list[Value]) -> np.ndarray:
        column = self._columns.numbers(name)
        numbers = [np.nan if value is None else value for value in values]
        if op == "contains" or any(isinstance(number, str) for number in numbers):
            raise UserError(f"filter on {name}: it holds numbers; use =, !=, <, <=, >, >= or in, with numbers")
        if op == "in" or (op in ("=", "!=") and np.isnan(numbers[0])):
            hit = np.isin(column, numbers) | (np.isnan(column) & np.isnan(numbers).any())
            return ~hit if op == "!=" else hit
        return _COMPARE[op](column, float(numbers[0]))

    def sorted(self, rows: np.ndarray, order: Sequence[Sort], before: np.ndarray | None = None) -> np.ndarray:
        """The rows (M,) in order; rows alike stay in the table's. `before` (M,) int64 goes before all columns."""
        keys = [] if before is None else [before]
        keys += [key for sort in order for key in self._sort_keys(rows, sort)]
        return rows[np.lexsort(keys[::-1])] if keys else rows

    def _sort_keys(self, rows: np.ndarray, sort: Sort) -> list[np.ndarray]:
        if self._is_number(sort.column):
            values = self._columns.numbers(sort.column)[rows]
            return [np.isnan(values), -values if sort.desc else values]
        codes, names = self._text(sort.column)
        rank = np.argsort(np.argsort(names.astype(str), kind="stable"))
        ranks = rank[codes[rows]] if len(names) else codes[rows]
        return [-ranks if sort.desc else ranks]

    def grouped(self, rows: np.ndarray, column: str, kept: np.ndarray) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """(M,) each row's position among the groups, and the groups, largest first (numbers: in ascending order).

        A group is {value, count, kept, filters}; `filters` are the conditions that only its rows meet. Numbers of
        many values are put into ranges; of more than 1000 groups those are listed that are the largest.
        """
        if not self._is_number(column):
            codes, names = self._text(column)
            return _tallied(codes[rows], names, lambda i: [_is(column, names[i])], kept[rows], by_size=True)
        values = self._columns.numbers(column)[rows]
        distinct = np.unique(values[~np.isnan(values)])
        if len(distinct) <= _FEW:
            codes = np.where(np.isnan(values), len(distinct), np.searchsorted(distinct, values))
            names = [*distinct.tolist(), None]
            return _tallied(codes, names, lambda i: [_is(column, names[i])], kept[rows], by_size=False)
        edges = np.unique(np.quantile(distinct, np.linspace(0, 1, _RANGES + 1)))
        codes = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
        codes[np.isnan(values)] = len(edges) - 1
        ranges = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))

        def filters(i: int) -> list[dict[str, Any]]:
            if i == len(ranges):
                return [_is(column, None)]
            upper = "<=" if i == len(ranges) - 1 else "<"
            low, high = ranges[i]
            return [{"column": column, "op": ">=", "value": low}, {"column": column, "op": upper, "value": high}]

        names = [*(f"{low:.4g} to {high:.4g}" for low, high in ranges), None]
        return _tallied(codes, names, filters, kept[rows], by_size=False)


def _is(column: str, value: Any) -> dict[str, Any]:
    return {"column": column, "op": "=", "value": value}


def _tallied(
    codes: np.ndarray, names: Sequence, filters: Callable[[int], list[dict]], kept: np.ndarray, *, by_size: bool
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    counts = np.bincount(codes, minlength=len(names))
    survivors = np.bincount(codes[kept], minlength=len(names))
    order = np.argsort(-counts, kind="stable") if by_size else np.arange(len(names))
    order = order[counts[order] > 0]
    rank = np.zeros(len(names), np.int64)
    rank[order] = np.arange(len(order))
    groups = [
        {"value": names[i], "count": int(counts[i]), "kept": int(survivors[i]), "filters": filters(i)}
        for i in order[:_MOST_GROUPS].tolist()
    ]
    return rank[codes], groups


def column_kinds(columns: Columns, extra: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Every column as the page lists it: {name, kind}, and the values of text that has at most 50 of them; `extra`
    are columns of text that change, with the values that they may have, or none of them where it can be any text."""
    listed: list[dict[str, Any]] = []
    for name in columns.names():
        if columns.is_number(name):
            listed.append({"name": name, "kind": "number"})
            continue
        _, values = columns.text(name)
        few = {"values": values.tolist()} if len(values) <= _FEW else {}
        listed.append({"name": name, "kind": "text", **few})
    for name, choices in extra.items():
        listed.append({"name": name, "kind": "text", **({"values": list(choices)} if choices else {})})
    return listed
