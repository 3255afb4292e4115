"""A defect: one line that says what is wrong, where, and how to mend it."""

from dataclasses import dataclass

REBUILD = "restore it from a copy, or remove dataset.json and build again (the ledger spares the measuring)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One way in which a data set breaks the format."""

    where: str
    what: str
    mend: str = REBUILD

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}; {self.mend}"
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


class Findings(list[Defect]):
    """The defects of one place."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def add(self, what: str, mend: str = REBUILD) -> None:
        """Notes a defect."""
        self.append(Defect(where=self.where, what=what, mend=mend))

    def expect(self, holds: bool, what: str, mend: str = REBUILD) -> bool:
        """Notes a defect unless `holds`, which it returns."""
        if not holds:
            self.add(what, mend)
        return bool(holds)
