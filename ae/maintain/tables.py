"""The tables of the READMEs that are made from records, each between two marks."""

from ae.errors import InputError
from ae.paths import DATA, REPOSITORY, replacing

READMES = {  # which README holds which table
    "reproduced": DATA / "reproduced" / "README.md",
    "cleaners": DATA / "reproduced" / "README.md",
    "times": DATA / "reproduced" / "README.md",
    "speed": REPOSITORY / "benchmarks" / "README.md",
    "costs": REPOSITORY / "benchmarks" / "README.md",
    "reliability": REPOSITORY / "tests" / "README.md",
}
END = "<!-- end of table -->"


def put(name: str, table: str) -> None:
    """Replaces the table of this name in its README.

    Raises:
        InputError: if the README lacks the marks around it.
    """
    path, mark = READMES[name], f"<!-- table: {name} -->"
    before, begin, rest = path.read_text(encoding="utf-8").partition(mark)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError(f"{path}: the marks '{mark}' and '{END}' are missing.")
    with replacing(path) as partial:
        partial.write_text(f"{before}{mark}\n{table}\n{END}{after}", encoding="utf-8")
