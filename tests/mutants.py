"""Changes one thing at a time in the code that computes numbers, and counts what the tests notice.

    python tests/mutants.py                               every mutant; hours
    python tests/mutants.py --sample 400                  a random sample
    python tests/mutants.py tutorials/dense_ae.py         those of one file

A mutant is killed if the tests of its file fail. One that survives shows a hole in the tests,
unless it computes the same: those are listed in equivalent_mutants.txt, with the reason.
TensorFlow is imported once; each mutant is tested in a fork of that process, in a copy of the
repository.
"""

import argparse
import ast
import collections
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parent
REPOSITORY = TESTS.parent
EQUIVALENT = TESTS / "equivalent_mutants.txt"
ARTICLE = "tutorials/articles"
LONGER = 5  # times what the tests take of the unchanged file; then a mutant counts as killed
# What is kept says which bounds claims have, and what errata measure.
KEPT_BOUNDS = "test_bounds_are_those_that_the_kept_runs_were_judged_by"
ERRATA = (
    "tests/proof/test_errata.py::test_what_is_kept_is_what_the_errata_measure "
    "tests/proof/test_errata.py::test_measures_tell_errata_of_one_lesson_apart"
)
PICTURE_METRICS = "tests/test_picture_metrics.py " + " ".join(  # without those that train networks
    f"--deselect tests/test_picture_metrics.py::{name}"
    for name in (
        "test_every_claim_is_measured_on_an_untrained_network",
        "test_the_network_without_noise_is_trained_once_and_learns",
    )
)
# The tests of a lesson or its article, the telling ones first.
LESSON_TESTS = (
    "tests/lessons/test_expected.py tests/lessons/test_drawn.py",
    "tests/proof/test_kept.py tests/proof/test_measures.py tests/proof/test_digits.py "
    f"{PICTURE_METRICS} {ERRATA} "
    "tests/lessons --ignore tests/lessons/test_lessons.py --ignore tests/lessons/test_expected.py "
    "--ignore tests/lessons/test_drawn.py",
)
SUBJECTS = {
    **{
        f"ae/cleaning/{name}.py": f"tests/cleaning/test_{tests}.py"
        for name, tests in {
            "cleaners": "cleaners",
            "command": "command",
            "features": "page",
            "file": "command",
            "jobs": "jobs",
            "network": "page",
            "ocrmypdf_plugin": "ocrmypdf_plugin",
            "page": "page",
            "pdf": "pdf",
            "scans": "scans",
        }.items()
    },
    "ae/export/onnx_models.py": "tests/test_onnx_models.py",
    "ae/figures.py": "tests/test_figures.py tests/lessons/test_drawn.py",
    "ae/metrics.py": f"tests/test_metrics.py tests/proof/test_digits.py {PICTURE_METRICS}",
    "ae/networks.py": "tests/lessons/test_networks.py tests/lessons/test_expected.py",
    "ae/operations.py": "tests/test_operations.py",
    "ae/datasets/idx.py": "tests/datasets/test_idx.py",
    "ae/datasets/images.py": "tests/datasets/test_images.py tests/datasets/test_packages.py "
    "tests/lessons/test_digit_lessons.py::test_digits_are_those_after_the_first_five_thousand",
    "ae/pictures.py": "tests/test_pictures.py",
    "ae/proof/claims.py": "tests/proof/test_claims.py tests/proof/test_measures.py "
    "tests/training/test_interrupts.py::test_no_claim_is_measured_after_the_one_it_fell_into "
    "--deselect tests/proof/test_claims.py::test_every_claim_is_measured_on_every_network "
    "--deselect tests/proof/test_claims.py::"
    "test_the_network_of_two_units_is_trained_once_for_the_same_digits",
    "ae/proof/digits.py": "tests/proof/test_measures.py tests/proof/test_digits.py "
    "tests/proof/test_judges.py "
    f"tests/proof/test_kept.py::{KEPT_BOUNDS}",
    "ae/proof/garments.py": f"tests/proof/test_measures.py {PICTURE_METRICS}",
    "ae/proof/judges.py": "tests/proof/test_judges.py tests/proof/test_digits.py "
    "tests/training/test_interrupts.py::test_a_judge_s_training_stops_after_the_batch_it_fell_into",
    "ae/proof/published.py": "tests/proof/test_published.py tests/proof/test_check.py "
    "tests/proof/test_bands.py",
    "ae/proof/readability.py": PICTURE_METRICS,
    "ae/proof/reproduced.py": "tests/proof/test_kept.py tests/proof/test_check.py",
    "ae/training/minibatches.py": "tests/training/test_minibatches.py",
    "ae/training/optimizers.py": "tests/training/test_optimizers.py",
    "ae/training/precision.py": "tests/training/test_precision.py",
}

PACKAGES = (
    *("tensorflow", "keras", "imgaug", "matplotlib.pyplot", "scipy.stats", "scipy.ndimage"),
    *("skimage.metrics", "tqdm"),
)
OPERATORS = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "*", ast.Mod: "*",
    ast.Pow: "*",
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
    ast.And: "or", ast.Or: "and",
}  # fmt: skip
NAMES = {
    "relu": "elu", "sigmoid": "tanh", "softmax": "relu", "identity": "abs", "square": "abs",
    "reduce_mean": "reduce_sum", "reduce_sum": "reduce_mean", "mean": "sum", "sum": "mean",
    "std": "var", "var": "std", "min": "max", "max": "min", "minimum": "maximum",
    "maximum": "minimum", "zeros": "ones", "ones": "zeros", "exp": "expm1", "log": "log1p",
    "sqrt": "square", "normal": "uniform", "uniform": "normal", "argmin": "argmax",
    "argmax": "argmin", "max_pool2d": "avg_pool2d", "MaxPooling2D": "AveragePooling2D",
    "Adam": "Adamax", "SGD": "Adam", "RMSpropTF1": "RMSpropKeras2", "RMSpropKeras2": "RMSpropTF1",
    "floor": "ceil", "ceil": "floor", "median": "mean", "x_train": "x_test", "x_test": "x_train",
    "x_val": "x_test", "encode": "decode", "permutation": "shuffle", "psnr": "ssim",
}  # fmt: skip
STRINGS = {
    "same": "valid", "valid": "same", "SAME": "VALID", "VALID": "SAME", "gray": "viridis",
    "Greys_r": "gray", "viridis": "gray", "tab10": "viridis", "linear": "sigmoid",
}  # fmt: skip
# Arguments that change no number: names for readers, speed, and checks of what holds anyway.
QUIET = {
    *("name", "encoding", "verbose", "strict", "reduce_retracing", "jit_compile", "help"),
    *("quote", "problem", "effect", "fix", "quantity", "why"),
    # Layout of figures, and words of the command line.
    *("figsize", "layout", "labelpad", "rotation", "va", "alpha", "marker"),
    *("unit", "disable", "leave", "metavar", "description"),
}


class Mutant(NamedTuple):
    """A file with one change."""

    path: str
    line: int
    before: str  # the line as it is
    after: str
    source: str  # the whole file, changed

    @property
    def key(self):
        """What tells it from other mutants, also when lines have moved."""
        return f"{self.path}\n- {self.before.strip()}\n+ {self.after.strip()}"


def mutants_of(path):
    """Lists the mutants of a file, in the order of its lines."""
    source = (REPOSITORY / path).read_text(encoding="utf-8")
    tree = ast.parse(source)
    starts = [0]
    for text in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(text))
    encoded = source.encode()
    found = {}

    def at(node):
        start = starts[node.lineno - 1] + node.col_offset
        return start, starts[node.end_lineno - 1] + node.end_col_offset

    def add(start, end, text):
        changed = (encoded[:start] + text.encode() + encoded[end:]).decode()
        number = encoded[:start].count(b"\n")
        before = source.splitlines()[number]
        after = changed.splitlines()[number]
        mutant = Mutant(path, number + 1, before, after, changed)
        found.setdefault((mutant.key, number), mutant)

    def between(left, right, old, new):
        start, end = at(left)[1], at(right)[0]
        gap = encoded[start:end]
        place = start + gap.index(old.encode())
        add(place, place + len(old), new)

    silent = {
        id(part) for node in ast.walk(tree) for top in silent_below(node) for part in ast.walk(top)
    }
    for node in ast.walk(tree):
        if id(node) in silent:
            continue
        if isinstance(node, ast.Constant):
            for text in other_constants(node.value):
                add(*at(node), text)
        elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            symbol = {ast.FloorDiv: "//", ast.Pow: "**", ast.Mod: "%", ast.Add: "+", ast.Sub: "-",
                      ast.Mult: "*", ast.Div: "/"}[type(node.op)]  # fmt: skip
            between(node.left, node.right, symbol, OPERATORS[type(node.op)])
        elif isinstance(node, ast.Compare):
            symbols = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==",
                       ast.NotEq: "!=", ast.Is: "is", ast.IsNot: "is not", ast.In: "in",
                       ast.NotIn: "not in"}  # fmt: skip
            operands = [node.left, *node.comparators]
            for left, right, kind in zip(operands, operands[1:], node.ops, strict=False):
                between(left, right, symbols[type(kind)], OPERATORS[type(kind)])
        elif isinstance(node, ast.BoolOp):
            old = "and" if isinstance(node.op, ast.And) else "or"
            between(*node.values[:2], old, OPERATORS[type(node.op)])
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
            start, _ = at(node)
            add(start, at(node.operand)[0], "")
        elif isinstance(node, ast.Attribute) and node.attr in NAMES:
            end = at(node)[1]
            add(end - len(node.attr), end, NAMES[node.attr])
        elif isinstance(node, ast.Name) and node.id in NAMES:
            add(*at(node), NAMES[node.id])
        elif isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg and keyword.arg not in QUIET:
                    start, end = at(keyword)
                    rest = encoded[end:].lstrip()
                    if rest.startswith(b","):
                        end += len(encoded[end:]) - len(rest) + 1
                    add(start, end, "")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            add(*at(node), "pass")
    return sorted(filter(is_python, found.values()), key=lambda mutant: mutant.line)


def is_python(mutant):
    try:
        ast.parse(mutant.source)
    except SyntaxError:
        return False
    return True


def other_constants(value):
    """Gives what could stand where a constant stands."""
    if isinstance(value, bool):
        return [str(not value)]
    if isinstance(value, int):
        return [str(value + 1)]
    if isinstance(value, float):
        return [repr(2 * value or 1.0)]
    return [repr(STRINGS[value])] if value in STRINGS else []


def silent_below(node):
    """Lists the parts of a node that compute no number: prose, types, refusals, `__main__`."""
    if isinstance(node, (ast.Raise, ast.JoinedStr, ast.Import, ast.ImportFrom)):
        return [node]
    if isinstance(node, ast.If) and "__name__" in ast.dump(node.test):
        return [node]
    if isinstance(node, ast.keyword) and node.arg in QUIET:
        return [node]
    if isinstance(node, ast.AnnAssign):
        return [node.annotation]
    if isinstance(node, ast.FunctionDef):
        every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        return [a.annotation for a in every if a.annotation] + [n for n in [node.returns] if n]
    return []


# Running the tests of a mutant.


def stages_of(path):
    """Lists the arguments of pytest that test a file, the telling ones first."""
    if path in SUBJECTS:
        return [SUBJECTS[path].split()]
    name = Path(path).stem
    others = {file.stem for file in (REPOSITORY / "tutorials").glob("*_*.py")} - {name}
    own = ["-k", " and ".join(f"not {other}" for other in sorted(others) if "__" not in other)]
    return [[*tests.split(), *own] for tests in LESSON_TESTS]


def import_packages():
    """Imports what all forks need, and nothing of the repository."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for package in PACKAGES:
        importlib.import_module(package)


def survives(tree, arguments, log, limit=None):
    """Runs tests in a fork, for so many seconds at most, and says whether they pass."""
    child = os.fork()
    if not child:
        code = 3
        try:
            os.setsid()
            os.chdir(tree)
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            sys.path[:0] = [str(tree), str(tree / "tests")]
            import pytest

            code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments])
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(int(code))
    started = time.monotonic()
    while limit is None or time.monotonic() - started < limit:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) in (0, 5)  # 5: no test is about it
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def copy_repository(tree):
    """Makes a folder that holds what the tests need, and nothing else."""
    shutil.rmtree(tree, ignore_errors=True)
    for room in ("ae", "benchmarks", "data", "tests", "tutorials"):
        ignore = shutil.ignore_patterns(".*", "__pycache__", "cache")
        shutil.copytree(REPOSITORY / room, tree / room, ignore=ignore)
    for file in filter(Path.is_file, REPOSITORY.iterdir()):
        shutil.copy(file, tree)


def work(number, mutants, folder, out):
    """Tests mutants one after the other, in a copy of the repository and on a core of its own."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[number % len(cores)]})
    sys.dont_write_bytecode = True
    tree, log = folder / str(number), folder / f"{number}.log"
    for path in sorted({mutant.path for mutant in mutants}):
        copy_repository(tree)
        stages = []
        for arguments in stages_of(path):
            started = time.monotonic()
            if not survives(tree, arguments, log):
                sys.exit(f"Unchanged, {path} does not pass its tests: {log.read_text()}")
            stages.append((arguments, LONGER * (time.monotonic() - started)))
        for mutant in (mutant for mutant in mutants if mutant.path == path):
            copy_repository(tree)  # once more, because the mutant before may have written into it
            (tree / path).write_text(mutant.source, encoding="utf-8")
            result = all(survives(tree, arguments, log, limit) for arguments, limit in stages)
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"mutant": mutant.key, "survives": result}) + "\n")


def results_in(out):
    """Reads what an earlier call found out, by mutant."""
    if not out.exists():
        return {}
    lines = map(json.loads, out.read_text(encoding="utf-8").splitlines())
    return {line["mutant"]: line["survives"] for line in lines}


def equivalent_mutants():
    """Reads the mutants that compute the same, with the reason."""
    blocks = EQUIVALENT.read_text(encoding="utf-8").strip().split("\n\n")
    return dict(block.rsplit("\n", 1) for block in blocks if not block.startswith("#"))


def shares(mutants, jobs):
    """Deals the mutants out, those of a file together, to lists of about equal lengths."""
    dealt = [[] for _ in range(jobs)]
    by_path = collections.defaultdict(list)
    for mutant in mutants:
        by_path[mutant.path].append(mutant)
    for of_path in sorted(by_path.values(), key=len, reverse=True):
        min(dealt, key=len).extend(of_path)
    return dealt


def main():
    """Tests the mutants asked for and prints the survivors and the share that was killed."""
    lessons = [f"tutorials/{p.name}" for p in sorted((REPOSITORY / "tutorials").glob("*_*.py"))]
    lessons = [path for path in lessons if "__" not in path]
    files = [*lessons, *(f"{ARTICLE}/{Path(path).name}" for path in lessons), *SUBJECTS]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", metavar="FILE", help="default: all that it knows")
    parser.add_argument("--sample", type=int, help="how many, drawn at random; default: all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument(
        "--out",
        type=Path,
        default=REPOSITORY / "runs" / "mutants.jsonl",
        help="results; those that are there are not found out again",
    )
    options = parser.parse_args()
    mutants = [mutant for path in options.files or files for mutant in mutants_of(path)]
    same = equivalent_mutants()
    mutants = [mutant for mutant in mutants if mutant.key not in same]
    if options.sample:
        mutants = random.Random(0).sample(mutants, min(options.sample, len(mutants)))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    known = results_in(options.out)
    open_ones = [mutant for mutant in mutants if mutant.key not in known]
    print(f"{len(mutants)} mutants, {len(open_ones)} to test")
    import_packages()
    with tempfile.TemporaryDirectory() as folder:
        children = []
        for number, share in enumerate(shares(open_ones, options.jobs)):
            if child := os.fork():
                children.append(child)
                continue
            work(number, share, Path(folder), options.out)
            os._exit(0)
        if any([os.waitpid(child, 0)[1] for child in children]):
            sys.exit(1)
    results = results_in(options.out)
    alive = [mutant for mutant in mutants if results[mutant.key]]
    for mutant in alive:
        print(f"\n{mutant.key}\n({mutant.path}:{mutant.line})")
    counts = collections.Counter(mutant.path for mutant in mutants)
    survivors = collections.Counter(mutant.path for mutant in alive)
    print("\n| file | mutants | killed |\n|---|---|---|")
    for path, count in counts.items():
        print(f"| {path} | {count} | {count - survivors[path]} |")
    killed = len(mutants) - len(alive)
    print(f"| all | {len(mutants)} | {killed}, {killed / len(mutants):.1%} |")


if __name__ == "__main__":
    main()
