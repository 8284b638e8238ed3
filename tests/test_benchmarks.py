"""The benchmark's peers train the same network in the same way; how fast is not tested."""

import importlib
import json
from types import SimpleNamespace

from ae.errors import InputError
from ae.training import precision
from ae.training.minibatches import Shuffled
from benchmarks import __main__ as benchmarks
from benchmarks import gpu, growth, problems, process, profiling, worker
from tutorials import dense_ae

import numpy as np
import pytest
from running import lesson

# One network for each optimizer and kind of layer; the others in the long tests.
QUICKEST = ("dense_ae", "conv_denoiser", "fashion_vae")


class EnoughError(Exception):
    """Ends a peer's endless training."""


@pytest.fixture
def first_loss(monkeypatch):
    """Trains a peer for one short epoch and returns the mean loss."""

    def train(name, peer):
        needed = benchmarks.NEEDS.get(peer)
        if needed:
            pytest.importorskip(needed, reason=f"{needed} is not installed")
        # A mean square that starts at one has decayed to TensorFlow 1's epsilon by step 219.
        steps = {"conv_denoiser": 2, "document_cleaner": 2, "sigmoid_ae": 300}.get(name, 10)
        monkeypatch.setitem(problems.SHAPES, name, problems.SHAPES[name]._replace(steps=steps))
        monkeypatch.setattr(dense_ae, "STEPS_PER_EPOCH", 10)
        small = name in ("conv_denoiser", "document_cleaner", "sigmoid_ae")
        if name in problems.SIDES:
            monkeypatch.setitem(problems.SIDES, name, (28, 28, 1))
        losses = []

        def epoch_done(loss, seconds):
            assert seconds > 0
            losses.append(loss)
            raise EnoughError

        module, function = worker.PEERS[peer]
        module = importlib.import_module(f"benchmarks.{module}")
        problem = problems.make(name, batch_size=32 if small else None)
        with pytest.raises(EnoughError):
            getattr(module, function)(problem, epoch_done)
        return losses[0]

    return train


@pytest.fixture(scope="module")
def plain():
    """What `fit` trains, the same for each peer that is compared with it."""
    found = {}

    def loss(name, first_loss):
        if name not in found:
            found[name] = first_loss(name, "fit")
        return found[name]

    return loss


@pytest.mark.parametrize(
    "name",
    [n if n in QUICKEST else pytest.param(n, marks=pytest.mark.long) for n in problems.SHAPES],
)
@pytest.mark.parametrize(
    "peer", [p for p in worker.PEERS if p not in ("fit", "torch.compile", *benchmarks.BFLOAT16)]
)
def test_peers_train_alike(first_loss, plain, name, peer):
    if peer == "session" and name not in benchmarks.DIGITS:
        pytest.skip("its article had no session")
    loss = first_loss(name, peer)
    assert loss == pytest.approx(plain(name, first_loss), rel=benchmarks.TOLERANCE)


@pytest.mark.parametrize(
    "name", ["conv_denoiser", pytest.param("document_cleaner", marks=pytest.mark.long)]
)
@pytest.mark.parametrize("peer", benchmarks.BFLOAT16)
def test_bfloat16_trains_alike_within_its_own_tolerance(first_loss, plain, name, peer):
    if peer == "low-level-bf16" and not precision.rewrites_steps():
        pytest.skip("TensorFlow computes the low-level style in float32 here")
    loss = first_loss(name, peer)
    assert loss == pytest.approx(plain(name, first_loss), rel=benchmarks.TOLERANCES[peer])


def test_a_known_network_has_known_operations():
    """784 x 784, 784 x 256, 256 x 128 and back; 2 forward and 4 backward, 4 in the first layer."""
    products = [784 * 784, 784 * 256, 256 * 128, 128 * 128, 128 * 256, 256 * 784]
    expected = (6 * sum(products) - 2 * products[0]) / 1e6
    assert problems.make("dense_ae").megaflops == pytest.approx(expected)


def test_who_trains_differently_is_named():
    measured = {
        "fit": {"first_loss": 1.0},
        "jax": {"first_loss": 1.00005},
        "torch": {"failed": "x"},
    }
    assert benchmarks.disagreements(measured) == []
    measured["low-level"] = {"first_loss": 1.0002}
    measured["keras"] = {"first_loss": float("nan")}
    assert benchmarks.disagreements(measured) == ["low-level", "keras"]
    measured["fit"] = {"first_loss": float("nan")}
    assert set(benchmarks.disagreements(measured)) == {"fit", "low-level", "jax", "keras"}
    assert benchmarks.failures({"peers": measured}) == ["torch"]


def test_a_network_that_no_chosen_peer_trains_is_refused_before_anything_is_timed(
    monkeypatch, tmp_path
):
    arguments = ["--lesson", "dense_ae", "conv_denoiser", "--peer", "session"]
    monkeypatch.setattr("sys.argv", ["benchmarks", *arguments, "--out", str(tmp_path)])
    with pytest.raises(InputError, match="conv_denoiser"):
        benchmarks.run()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("what", "option"),
    [
        *((w, "--lesson dense_ae") for w in ("scaling", "cleaning", "growth", "profile", "table")),
        *((w, "--peer fit") for w in ("scaling", "growth", "profile", "table")),
        *(
            (w, o)
            for w in ("cleaning", "growth", "profile", "table")
            for o in ("--quick", "--rounds 3")
        ),
        ("table", "--out runs"),
    ],
)
def test_what_a_benchmark_would_overlook_is_refused(monkeypatch, what, option):
    monkeypatch.setattr("sys.argv", ["benchmarks", what, *option.split()])
    with pytest.raises(InputError, match=f"{what} takes no .*{option.split()[0]}"):
        benchmarks.run()


def test_two_numbers_of_rounds_are_refused(monkeypatch):
    monkeypatch.setattr("sys.argv", ["benchmarks", "--quick", "--rounds", "9"])
    with pytest.raises(InputError, match="not allowed with"):
        benchmarks.run()


def test_every_network_has_a_row_for_each_machine_that_timed_it():
    made = benchmarks.readme_tables()
    kept = [json.loads(path.read_text()) for path in benchmarks.KEPT.glob("speed-*.json")]
    for name in problems.SHAPES:
        results = [r for record in kept for r in record["results"] if r["problem"] == name]
        alike = [r for r in results if not r["disagree"]]
        assert made["speed"].count(f"| {name} |") == len(alike) > 0


def test_costs_stand_beside_speeds_where_memory_was_measured(monkeypatch, tmp_path):
    fit = {"images_per_second": 2000.0, "gigaflops": 20.0, "seconds_to_first_step": 7.6,
           "peak_memory_mib": 1234.5}  # fmt: skip
    peers = {"fit": fit, "low-level": {**fit, "images_per_second": 5000.0, "gigaflops": 50.0}}
    result = {"problem": "dense_ae", "disagree": [], "peak_gigaflops": 100.0}
    for number, memory in enumerate((1234.5, None)):
        part = {name: {**m, "peak_memory_mib": memory} for name, m in peers.items()}
        part["jax"] = {"failed": "x"}
        kept = {"device": f"machine {number}", "results": [{**result, "peers": part}]}
        (tmp_path / f"speed-{number}.json").write_text(json.dumps(kept))
    monkeypatch.setattr(benchmarks, "KEPT", tmp_path)
    tables = benchmarks.readme_tables()
    assert tables["speed"].count("| dense_ae | 2,000/s | 2.50 |  |") == 2
    assert "machine 1" not in tables["costs"]
    assert "| dense_ae | 1,234, 8 s, 20% | 1,234, 8 s, 50% |  |" in tables["costs"]


class FakeWorker:
    """Reports five epochs of 100 images, the first two slow ones; the machine slows down."""

    def __init__(self, problem, peer, *options):
        self.loss = 2.0 if peer == "keras" else 1.0
        self.seconds = (9, 9, 2, 2, 16) if peer == "fit" else (9, 9, 1, 2, 4)
        self.reports = []

    def epoch(self):
        n = len(self.reports)
        report = {"loss": self.loss, "images": 100, "seconds": self.seconds[n]}
        self.reports.append({**report, "since_start": 30.0 + n, "peak_memory_mib": 5.0 + n})
        return True

    rates = process.Worker.rates

    def stop(self):
        return "stopped"


@pytest.mark.skipif(worker.peak_memory() is None, reason="this system does not say")
def test_the_memory_that_making_the_data_took_does_not_count():
    worker.forget_peak()
    before = worker.peak_memory()
    data = np.ones(25_000_000)
    assert worker.peak_memory() > before
    del data
    worker.forget_peak()
    assert worker.peak_memory() < before + 100


def test_what_is_measured_of_a_peer(monkeypatch):
    monkeypatch.setattr(benchmarks, "Worker", FakeWorker)
    problem = SimpleNamespace(order=Shuffled(100, 10, 0), megaflops=2.0)
    monkeypatch.setattr(benchmarks, "make", lambda _: problem)
    result = benchmarks.measure("x", ["fit", "low-level", "keras"], 3)
    timed = result["peers"]["low-level"]
    rates = [timed[name] for name in ("images_per_second", "slowest", "fastest")]
    assert rates == [50, 25, 100]  # without the two epochs that warm up
    assert timed["gigaflops"] == pytest.approx(0.1)
    assert timed["seconds_to_first_step"] == pytest.approx(30 - 100 / 50)
    assert timed["peak_memory_mib"] == 9
    assert result["disagree"] == ["keras"]
    shown = benchmarks.table({**result, "peak_gigaflops": 1.0})
    assert "NOT THE SAME TRAINING: keras" in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("low-level")]
    # In the same rounds it was 2, 1 and 4 times as fast as `fit`; the medians are equal.
    assert line.split()[1] == "2.00"


@pytest.mark.parametrize(
    ("disagree", "peer", "code"), [([], {}, 0), (["keras"], {}, 1), ([], {"failed": "x"}, 1)]
)
def test_the_benchmark_s_exit_code(monkeypatch, tmp_path, disagree, peer, code):
    result = {"disagree": disagree, "peers": {"fit": peer}}
    monkeypatch.setattr(benchmarks, "measure", lambda *_: dict(result))
    monkeypatch.setattr(benchmarks, "peak", lambda: 1.0)
    for name in ("table", "plot", "write"):
        monkeypatch.setattr(benchmarks, name, lambda *_: "")
    arguments = ["--lesson", "dense_ae", "--peer", "fit", "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["benchmarks", *arguments])
    assert benchmarks.run() == code


def test_every_network_is_measured_on_the_device_or_listed_as_left_out():
    kept = []
    tiny = [lesson("tiny_ae")]
    result = gpu.measure(lambda now: kept.append(len(now["parity"]) + len(now["speed"])), tiny)
    assert kept == [1, 2, 3, 4, 5, 6, 7]  # parity; two styles in three modes
    (row,) = result["parity"]
    assert row["agrees"]
    for row in result["speed"]:
        assert ("examples_per_second" in row) != ("left_out" in row), row
        assert row.get("losses") is None or row["losses"][0] > row["losses"][-1]
    assert {(row["mode"], row["style"]) for row in result["speed"]} == {
        (mode, style) for mode in gpu.MODES for style in ("low-level", "keras")
    }
    late = gpu.measure(kept.append, tiny, seconds=0)
    assert len(late["left_out"]) == 7
    assert "no time was left for 7 measurements" in gpu.table(late)


def test_what_a_device_cannot_do_does_not_end_the_measurements(monkeypatch):
    def refused(*_):
        raise ValueError("no kernel")

    monkeypatch.setattr(gpu, "build", refused)
    result = gpu.measure(lambda now: None, [lesson("tiny_ae")])
    assert all(
        row.get("failed") == "ValueError: no kernel" or "left_out" in row for row in result["speed"]
    )
    assert "ValueError: no kernel" in gpu.table(result)


@pytest.mark.parametrize(("power", "expected"), [(1, [1, 1]), (2, [1, 1 / 4.2])])
def test_a_cost_that_grows_faster_than_the_pages_leaves_the_ideal_line(power, expected):
    rows = [{"pages": n, "seconds": 0.5 + n**power} for n in (1, 4, 20)]
    first, *others = growth.rated(rows, "pages")
    assert "of_ideal" not in first
    assert [row["of_ideal"] for row in others] == pytest.approx(expected)


def test_the_time_of_operations_is_shared_among_their_kinds():
    of_steps = {
        "while/body/gradient_tape/Conv2DBackpropFilter:_MklNativeConv2DBackpropFilter": 4,
        "while/body/Relu_1:_MklNativeFusedConv2D": 3,
        "while/body/conv2d_transpose:_MklNativeConv2DBackpropInput": 2,
        "MatMul.24": 1,
        "while/body/Relu_4:_MklNativeFusedMatMul": 2,
        "while/body/rmsprop_keras2/Square_8:Square": 1,
        "multiply_add_fusion.3": 5,
        "while/body/gradient_tape/add_2/Sum:Sum": 2,
        # What runs or waits for others would count twice.
        "ThunkExecutor::Execute": 50,
        "call.2": 50,
    }
    calls = [("train_steps", 10.0)] * 10  # where a call takes a single step
    once = [("while.4", 100.0), ("EagerExecute", 100.0), *calls]
    timed = [(name, 1e-3 * ms) for name, ms in of_steps.items() for _ in range(10)] + once
    found = profiling.shares(timed, steps=10)["shares"]
    assert found == pytest.approx(
        {
            "kernels' gradients": 0.2,
            "convolutions": 0.25,
            "products": 0.15,
            "update": 0.05,
            "the rest": 0.35,
        }
    )
