"""Defects of a data set: what is wrong, where, and the remedy, in one line."""

from dataclasses import dataclass

REBUILD = "restore it from a copy, or remove dataset.json and build again (measurements in the ledger are reused)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One violation of the format."""

    where: str
    what: str
    remedy: str = REBUILD

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}; {self.remedy}"
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


class Findings(list[Defect]):
    """The defects of one place."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def add(self, what: str, remedy: str = REBUILD) -> None:
        """Add a defect."""
        self.append(Defect(where=self.where, what=what, remedy=remedy))

    def expect(self, condition: bool, what: str, remedy: str = REBUILD) -> bool:
        """Add a defect unless `condition`; return `condition`."""
        if not condition:
            self.add(what, remedy)
        return bool(condition)
