"""Manifests: CSV, Parquet or JSON Lines, one row per video."""

import codecs
import csv
import difflib
import io
import json
import tempfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from humove.errors import UserError
from humove.types import Source
from pipelines.inputs.addresses import check_address, get_suffix, hide_credentials, is_url, join_address
from pipelines.inputs.download import download
from pipelines.inputs.errors import SourceUnavailable

SUFFIXES = (".csv", ".parquet", ".jsonl", ".ndjson")
_TEXTS = tuple(f.name for f in fields(Source) if f.name != "category_source")
_NUMBERS = ("start", "end")
COLUMNS = ("uri", *_TEXTS, *_NUMBERS)
_ALIASES = {"license": "licence"}
_SEPARATORS = (",", ";", "\t")
_SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRow:
    uri: str
    """As in the manifest."""
    location: str
    """An absolute path or a URL; relative uris are relative to the manifest, a file or a URL."""
    source: Source


def read_manifest(manifest: str, ignore_columns: Collection[str] = ()) -> Iterator[ManifestRow]:
    """Yield the rows of a manifest. Raises UserError in one line for the first malformed one."""
    reader = _ManifestReader(hide_credentials(manifest), {_normalize_column(name) for name in ignore_columns})
    suffix = get_suffix(manifest)
    for number, row in enumerate(reader.read_rows(manifest, suffix), start=1):
        yield _parse_row(manifest, f"{reader.name}: row {number}", row)


class _ManifestReader:
    """A reader of rows as dicts from known column names to the values in the file."""

    def __init__(self, name: str, ignored: Collection[str]) -> None:
        self.name = name
        """The manifest's name in errors."""
        self.ignored = ignored

    def read_rows(self, manifest: str, suffix: str) -> Iterator[dict]:
        try:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(manifest).expanduser()
                if is_url(manifest):
                    path = Path(folder) / "manifest"
                    download(manifest, path)
                if suffix == ".parquet":
                    yield from self._read_parquet(path)
                    return
                text = self._decode_text(path.read_bytes())
        except (FileNotFoundError, IsADirectoryError) as e:
            raise UserError(f"VIDEOS={self.name}: no such manifest; name a CSV, Parquet or JSON Lines file") from e
        except SourceUnavailable as e:
            raise UserError(f"VIDEOS={self.name}: the manifest can't be read: {e}; check its address") from e
        except ConnectionError as e:
            raise UserError(f"VIDEOS={self.name}: the manifest can't be read: {e}; try again later") from e
        except OSError as e:
            raise UserError(f"{self.name}: can't be read: {e.strerror or e}; check the file and your rights") from e
        yield from self._read_csv(text) if suffix == ".csv" else self._read_json_lines(text)

    def _decode_text(self, data: bytes) -> str:
        utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        try:
            return data.decode("utf-16" if utf16 else "utf-8-sig")
        except UnicodeDecodeError as e:
            raise UserError(f"{self.name}: is not UTF-8 ({e.reason} at byte {e.start}); save it as UTF-8") from e

    def _read_parquet(self, path: Path) -> Iterator[dict]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path) as file:
                names = file.schema_arrow.names
                columns = self._match_columns(names)
                wanted = [name for name, column in zip(names, columns, strict=True) if column]
                for batch in file.iter_batches(columns=wanted):
                    for row in batch.to_pylist():
                        yield {column: row[name] for name, column in zip(names, columns, strict=True) if column}
        except pa.ArrowException as e:
            raise UserError(f"{self.name}: can't be read as parquet: {' '.join(str(e).split())}; write it again") from e

    def _read_csv(self, text: str) -> Iterator[dict]:
        separator = _find_separator(text)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        try:
            names = next((row for row in reader if row), [])
            columns = self._match_columns(names, unnamed=True)
            number = 0
            for row in reader:
                if not row:
                    continue
                number += 1
                extra = [value for value, column in zip(row, columns, strict=False) if column is None and value.strip()]
                if len(row) > len(columns) or extra:
                    raise UserError(
                        f"{self.name}: row {number} has {len(row)} fields, some without a column name (of"
                        f" {len(names)}); name the column, or quote fields that hold the separator {separator!r}"
                    )
                yield {column: value for value, column in zip(row, columns, strict=False) if column}
        except csv.Error as e:
            raise UserError(f"{self.name}: line {reader.line_num + 1} is not CSV: {e}; correct that line") from e

    def _read_json_lines(self, text: str) -> Iterator[dict]:
        matched: dict[tuple[str, ...], list[str | None]] = {}
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (json.JSONDecodeError, RecursionError) as e:
                raise UserError(f"{self.name}: line {number} is not JSON: {e}; correct that line") from e
            if not isinstance(row, dict):
                raise UserError(f'{self.name}: line {number} is not an object; write {{"uri": ...}}')
            names = tuple(row)
            if names not in matched:
                matched[names] = self._match_columns(names, where=f"line {number}: ", need_uri=False)
            yield {column: row[name] for name, column in zip(names, matched[names], strict=True) if column}

    def _match_columns(
        self, names: Iterable[str], *, where: str = "", unnamed: bool = False, need_uri: bool = True
    ) -> list[str | None]:
        """Return the known column for each name; "" for an ignored one, None for a CSV column without a name."""
        names = list(names)
        columns: list[str | None] = []
        for name in names:
            column = _ALIASES.get(_normalize_column(name), _normalize_column(name))
            if _normalize_column(name) in self.ignored or column in self.ignored:
                column = ""
            elif not column and unnamed:
                column = None
            columns.append(column)
        if need_uri and "uri" not in columns:
            raise UserError(f"{self.name}: has no column 'uri' (its columns: {', '.join(names) or 'none'})")
        for name, column in zip(names, columns, strict=True):
            if column and column not in COLUMNS:
                nearest = difflib.get_close_matches(column, [*COLUMNS, *_ALIASES], n=1, cutoff=0.0)[0]
                raise UserError(
                    f"{self.name}: {where}column {name!r} is not known; the nearest known one is {nearest!r}. Rename"
                    " it, remove it, or list it in inputs.ignore_columns"
                )
            if column and columns.count(column) > 1:
                raise UserError(f"{self.name}: {where}column {column!r} occurs twice; remove or rename one")
        return columns


def _normalize_column(name: str) -> str:
    return name.strip().lower()


def _find_separator(text: str) -> str:
    """Return the separator that gives the most known columns in the first line; else the most columns."""
    first = next((line for line in text.splitlines() if line.strip()), "")

    def count_columns(separator: str) -> tuple[int, int]:
        names = [_normalize_column(name) for name in next(csv.reader([first], delimiter=separator), [])]
        return sum(name in COLUMNS or name in _ALIASES for name in names), len(names)

    return max(_SEPARATORS, key=count_columns)


def _parse_row(manifest: str, where: str, row: dict) -> ManifestRow:
    values = {name: value for name, value in row.items() if not _is_empty(value)}
    texts = {name: _parse_text(where, name, values[name]) for name in ("uri", *_TEXTS) if name in values}
    texts = {name: text for name, text in texts.items() if text}
    uri = texts.pop("uri", "")
    if not uri:
        raise UserError(f"{where} has no uri; every row needs one in the column 'uri'")
    if texts.get("split", "train") not in _SPLITS:
        raise UserError(f"{where} has split {texts['split']!r}; use train, val or test")
    _refuse_span(where, values)
    if "category" in texts:
        texts["category_source"] = "manifest"
    try:
        location = join_address(manifest, check_address(uri))
    except ValueError as e:
        raise UserError(f"{where}: uri {hide_credentials(uri)} {e}") from e
    return ManifestRow(uri=uri, location=location, source=Source(**texts))


def _refuse_span(where: str, values: dict) -> None:
    """Check the span of a row, and refuse it: builds only use whole videos so far."""
    if not any(name in values for name in _NUMBERS):
        return
    span = {name: _parse_seconds(where, name, values[name]) for name in _NUMBERS if name in values}
    if span.get("start", 0.0) < 0 or span.get("start", 0.0) >= span.get("end", float("inf")):
        raise UserError(f"{where}: the span from start to end is {span}; it needs 0 <= start < end, in seconds")
    raise UserError(
        f"{where} has start or end: spans of a video can't be built yet; cut the video, or leave them empty"
    )


def _is_empty(value: object) -> bool:
    return value is None or value == "" or value != value  # NaN stands for an empty cell in Parquet


def _parse_text(where: str, column: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str | int | float):
        raise UserError(f"{where}: {column} is {value!r}; write a text")
    text = str(value).strip()
    if "\0" in text:
        raise UserError(f"{where}: {column} holds a NUL character; remove it")
    try:
        text.encode()
    except UnicodeEncodeError as e:
        raise UserError(f"{where}: {column} holds half of a surrogate pair ({text!a}); write valid Unicode") from e
    return text


def _parse_seconds(where: str, column: str, value: object) -> float:
    try:
        seconds = float(value.strip() if isinstance(value, str) else value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        seconds = float("nan")
    if isinstance(value, bool) or not abs(seconds) < float("inf"):
        raise UserError(f"{where}: {column} is {value!r}; write seconds as a number")
    return seconds
