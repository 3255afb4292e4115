"""`humove keywords` from the command line."""

import csv
import subprocess
import sys


def run_humove(*args: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "humove.cli", *args], capture_output=True, text=True)


def test_terms_of_a_category_and_one_line_for_an_unknown_one() -> None:
    done = run_humove("keywords", "Judo", "Water Sports", "--format", "csv", "--count", "3")
    rows = list(csv.reader(done.stdout.splitlines()))
    assert done.returncode == 0 and len(rows) == 1 + 8 * 3 and rows[1] == ["Combat Sports", "Judo", "judo"]
    wrong = run_humove("keywords", "chess")
    assert wrong.returncode == 2 and wrong.stderr.startswith("humove: 'chess' is no category; use one of: Urban")
    nowhere = run_humove("keywords", "Judo", "--url", "nowhere", "--model", "x")
    assert nowhere.returncode == 2 and "url is 'nowhere'" in nowhere.stderr and nowhere.stderr.count("\n") == 1
