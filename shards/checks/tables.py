"""index.parquet against what the tars really hold."""

from typing import IO, Any

import pyarrow as pa

from shards.checks.defect import Findings
from shards.checks.tar import TarReport
from shards.format import INDEX_FILE
from shards.index import INDEX_COLUMNS, index_schema, read_table


class IndexCheck:
    """Holds the index (columnar, well under 1 KB a sample) while shard after shard is held against it."""

    def __init__(self, raw: IO[bytes]) -> None:
        self.found = Findings(INDEX_FILE)
        self._table: pa.Table | None = None
        self._rows: dict[str, int] = {}
        self._splits: dict[str, str] = {}
        try:
            table = read_table(raw)
            table.validate(full=True)
        except (pa.ArrowException, OSError, ValueError) as error:  # whatever pyarrow says of damaged bytes
            self.found.add(f"is no parquet file: {error}")
            return
        base = index_schema(())
        for name in INDEX_COLUMNS:
            if name not in table.column_names:
                self.found.add(f"lacks the column {name}")
            elif table.schema.field(name).type != base.field(name).type:
                self.found.add(f"column {name} is {table.schema.field(name).type}, wanted {base.field(name).type}")
        scores = [name for name in table.column_names if name not in INDEX_COLUMNS]
        wrong = [name for name in scores if table.schema.field(name).type != pa.float64()]
        self.found.expect(not wrong, f"score columns {wrong} are not float64")
        if self.found:
            return
        keys = table["key"].to_pylist()
        self._table, self._rows = table, {key: number for number, key in enumerate(keys)}
        self.found.expect(len(self._rows) == len(keys), f"lists {len(keys) - len(self._rows)} keys twice")

    def shard(self, report: TarReport, split: str) -> None:
        """Compares the rows of one shard's samples, and ticks them off."""
        for key in report.keys:
            video = key.rpartition("-s")[0]
            if self._splits.setdefault(video, split) != split:
                self.found.add(
                    f"{key}: video {video} lies in the splits {self._splits[video]} and {split}; "
                    "a model would be tested on what it learnt"
                )
            if self._table is None:
                continue
            number = self._rows.pop(key, None)
            if number is None:
                self.found.add(f"{key} of shards/{report.name} has no row")
            elif key in report.rows:
                said = self._table.slice(number, 1).to_pylist()[0]
                self._compare(key, said, report.rows[key])

    def _compare(self, key: str, said: dict[str, Any], true: dict[str, Any]) -> None:
        off = [name for name in said.keys() | true.keys() if said.get(name) != true.get(name)]
        for name in sorted(off):
            self.found.add(f"{key}: {name} is {said.get(name)!r}, the shard has {true.get(name)!r}")

    def finish(self) -> None:
        """Whatever row was not ticked off belongs to no sample."""
        for key in self._rows:
            self.found.add(f"{key} stands in no shard that dataset.json lists")

    def videos(self, split: str) -> int:
        """How many videos have a sample in the split."""
        return sum(each == split for each in self._splits.values())
