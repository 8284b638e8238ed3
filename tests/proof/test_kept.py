"""The numbers that are kept, and what their README and `check --kept` say of them."""

import csv
import hashlib
import re

from ae.maintain import dead_units
from ae.paths import DATA
from ae.proof import check, claims, published, reproduced
from tutorials import __main__ as tutorials

import numpy as np
import pytest
from running import LESSONS, lesson

REASONS = reproduced.FOLDER / "README.md"
DIGESTS = {
    "conv_denoiser.csv": "b10f69f45042dce1",
    "document_cleaner.csv": "d301d52dcbfe0aaa",
    "fashion_vae.csv": "69bcc369045b7ee6",
    "fashion_vae_dense.csv": "4b00fb336bbbce28",
    "latent_space.csv": "9d5e79cb4c513cef",
    "sigmoid_ae.csv": "1c8c5d1ae547f559",
    "sigmoid_ae_30000_steps.csv": "f3adc1d09c7da44d",
    "sparse_ae.csv": "28cf2e2103a11f42",
}


def test_what_was_printed_is_not_edited():
    found = {path.name: path.read_bytes() for path in published.FOLDER.glob("*.csv")}
    assert {n: hashlib.sha256(data).hexdigest()[:16] for n, data in found.items()} == DIGESTS


def test_bounds_are_those_that_the_kept_runs_were_judged_by():
    seen = set()
    for one in LESSONS:
        declared = {(claim.sentence, claim.quantity): claim for claim in one.claims}
        for trainings in reproduced.kept_of(one).values():
            for training in trainings:
                for result in training.about["claims"]:
                    claim = declared[result["claim"], result["quantity"]]
                    assert claim.at_least == result["at_least"], claim.sentence
                    assert claim.at_most == result["at_most"], claim.sentence
                    if result["value"] is not None:
                        assert claim.holds(result["value"]) == result["holds"]
                    seen.add((one.name, claim.quantity))
    assert {(one.name, c.quantity) for one in LESSONS for c in one.claims} == seen


def test_no_kept_run_of_the_denoiser_could_have_stopped_early():
    """An erratum of conv_denoiser says so."""
    kept = reproduced.kept("conv_denoiser")
    assert len(kept) == 3
    for training in kept:
        assert np.argmin([epoch["val_loss"] for epoch in training.history]) == 19


def numbers(text):
    """All numbers in a text, such as "43", "0.3225" and "28"."""
    return set(re.findall(r"\d+(?:\.\d+)?", text))


def section(title):
    """A section of data/reproduced/README.md."""
    text = REASONS.read_text(encoding="utf-8")
    return re.split(r"^#+ ", text.partition(f"# {title}\n")[2], flags=re.M)[0]


def item(title, name):
    """What a section's list says of a lesson."""
    return re.split(r"^- ", section(title).partition(f"**`{name}`")[2], flags=re.M)[0]


def test_the_readme_counts_the_claims():
    verdicts = []
    for one in LESSONS:
        trainings = reproduced.kept(one.name)
        for network in one.networks:
            kept = [t.about["claims"] for t in trainings if t.about["network"] == network]
            verdicts += [re.match(r"[\w ]+", line)[0] for line in claims.summary(one, kept)]
    held, mixed, failed = (verdicts.count(word) for word in ("holds", "mixed", "fails"))
    text = " ".join(section("The articles' claims").split())
    assert f"There are {len(verdicts)} claims" in text
    assert f"{held} hold in every run, {mixed} hold in some, and {failed} hold in none" in text


def measured(name, quantity):
    """The kept values of a lesson's claims whose quantity begins so."""
    found = [r for t in reproduced.kept(name) for r in t.about["claims"]]
    return np.array([r["value"] for r in found if r["quantity"].startswith(quantity)])


def test_the_readme_s_numbers_of_claims_are_those_of_the_kept_runs():
    left = measured("conv_denoiser", "Share of the noise's variance left in the output")
    median = left / measured("conv_denoiser", "Share of the noise's variance left, over")
    detail = measured("conv_denoiser", "Energy above half of Nyquist's limit")
    epochs = [t.about["seconds"] / len(t.history) for t in reproduced.kept("conv_denoiser")]
    said = numbers(item("The articles' claims", "conv_denoiser"))
    assert {f"{100 * left.mean():.1f}", f"{100 * median.mean():.1f}"} <= said
    assert {f"{100 * min(detail):.0f}", f"{100 * max(detail):.0f}"} <= said
    assert {f"{min(epochs):.0f}", f"{max(epochs):.0f}"} <= said
    assert {f"{s:.0f}" for s in published.curve("conv_denoiser")["seconds"]} <= said

    said = numbers(item("The articles' claims", "dense_ae"))
    for labels, bound in (("100", 0.028), ("1,000", 0.011), ("all", 0.007)):
        gains = measured("dense_ae", f"Accuracy gained with {labels} labels")
        assert {f"{np.sum(gains >= bound) or 'none'}"} <= said | {"none"}
        if labels != "all":
            assert {f"{100 * gains.mean():.1f}", f"{100 * gains.std(ddof=1):.1f}"} <= said

    lost = 100 * measured("sigmoid_ae", "Accuracy that a classifier")
    derivative = measured("sigmoid_ae", "Its mean over the code").mean()
    by_neighbours = 100 * measured("sigmoid_ae", "Accuracy that ten neighbours lose")
    said = numbers(item("The articles' claims", "sigmoid_ae"))
    assert {f"{min(lost):.0f}", f"{max(lost):.0f}", f"{derivative:.2f}"} <= said
    assert {f"{min(by_neighbours):.0f}", f"{max(by_neighbours):.0f}"} <= said

    said = numbers(item("The articles' claims", "fashion_vae"))
    worst = measured("fashion_vae", "Share of the worst class")
    drawn = measured("fashion_vae", "How often they look like clothes")
    assert {f"{100 * min(worst):.0f}", f"{100 * max(worst):.0f}"} <= said
    assert f"{drawn.mean():.2f}" in said


def test_the_readme_says_how_uneven_the_published_split_of_the_pages_was():
    def unevenness(history):
        return np.mean([e["val_loss"] / e["loss"] for e in history[19:122]])

    curve = published.curve("document_cleaner")
    printed = [dict(zip(curve, row, strict=True)) for row in zip(*curve.values(), strict=True)]
    theirs = unevenness(printed)
    ours = sorted(unevenness(t.history) for t in reproduced.kept("document_cleaner"))
    with (DATA / "tried" / "document_cleaner_pages.csv").open() as file:
        lines = (line for line in file if not line.startswith("#"))
        errors = np.array([float(page["error"]) for page in csv.DictReader(lines)])
    assert len(errors) == 144
    splits = np.random.default_rng(0).permuted(np.tile(errors, (20_000, 1)), axis=1)
    as_uneven = np.mean(splits[:, :22].mean(axis=1) <= theirs * splits[:, 22:].mean(axis=1))
    expected = {f"{theirs:.2f}", f"{ours[0]:.2f}", f"{ours[-1]:.2f}", f"{100 * as_uneven:.0f}"}
    assert expected <= numbers(section("document_cleaner"))


def test_the_readme_says_how_often_sigmoid_ae_lies_between_the_published_runs():
    curves = published.curve("sigmoid_ae")
    printed = np.array(
        [curves[c] for c in lesson("sigmoid_ae").published["autoencoder"]["last_batch_loss"]]
    )
    kept = reproduced.kept("sigmoid_ae")
    ours = np.mean([[e["last_batch_loss"] for e in t.history] for t in kept], axis=0)
    between = (printed.min(axis=0) <= ours) & (ours <= printed.max(axis=0))
    assert {f"{between.sum()}", f"{len(ours)}"} <= numbers(
        item("How a curve is checked", "sigmoid_ae")
    )


def test_check_kept_finds_what_the_readme_says(capsys, tmp_path):
    lessons = ["sigmoid_ae", "conv_denoiser", "document_cleaner", "fashion_vae"]
    assert tutorials.main(["check", *lessons, "--kept", "--out", str(tmp_path)]) == 1
    out = " ".join(capsys.readouterr().out.split())
    said = " ".join(section("How a curve is checked").split())
    for name, (points, of_validation, epochs) in {
        "document_cleaner": (52, 5, 200),
        "fashion_vae": (1, 2, 20),
    }.items():
        word = "FAILED" if name == "document_cleaner" else "passed"
        assert f"curve loss {word}: {points} of {epochs} published points outside" in out
        assert f"curve val loss passed: {of_validation} of {epochs} published points" in out
        assert {f"{points}", f"{of_validation}", f"{epochs}"} <= numbers(section(name))
        assert f"at {points} of {epochs} epochs" in said
    assert out.count("val loss passed: 0 of 2 published points") == 2
    assert "2 runs in bfloat16, 4 in float32 for the band" in out
    assert "curve loss FAILED: 22 of 200 published points outside the band" in out
    assert "curve loss passed: 0 of 20 published points outside the band" in out
    assert "epochs to a loss of 0.0036: published 99, ours 83 to 101" in out
    assert "Curves that failed: document_cleaner, document_cleaner-mixed_precision." in out
    assert "control each of our runs against the others: " in out
    assert "claim holds, " in out


def test_runs_in_bfloat16_find_their_float32_runs():
    denoiser = lesson("conv_denoiser")
    (mixed, *_) = reproduced.kept("conv_denoiser-output-linear-mixed_precision")
    found = reproduced.kept_in_float32(denoiser, mixed)
    assert len(found) == 4
    assert not any(t.about["settings"]["mixed_precision"] for t in found)
    assert reproduced.kept_in_float32(denoiser, found[0]) is None


def test_the_furthest_point_outside_is_named():
    printed, upper = np.array([[9.0, 1.2, 1.5]]), np.array([10, 1.1, 1.1])
    comparison = check.Comparison(np.arange(1, 4), np.ones((3, 3)), printed, 0 * upper, upper)
    assert "furthest at epoch 3" in check.verdict(comparison)


def test_units_die_in_a_session_of_tensorflow_1_as_an_erratum_says():
    with dead_units.PATH.open() as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    dead = {
        step: [int(row["dead_units"]) for row in rows if int(row["step"]) == step]
        for step in dead_units.STEPS
    }
    assert dead[0] == [0, 0, 0]
    (effect,) = (e.effect for e in lesson("low_level_ae").errata if "units are dead" in e.effect)
    for step in (859, 1718):
        assert f"{min(dead[step])} to {max(dead[step])}" in effect


def test_a_unit_that_fires_for_no_digit_is_dead():
    x = np.float32([[1, 0], [0, 1]])
    W1, b1 = np.float32([[1, -1, 0, -1], [-2, -1, 0, 3]]), np.float32([0, 0.5, 0, -9])
    assert dead_units.dead([W1, b1, None, None], x) == 3


def test_the_readme_s_numbers_of_code_sizes_are_those_that_were_tried():
    with (DATA / "tried" / "code_sizes.csv").open() as file:
        tried = list(csv.DictReader(line for line in file if not line.startswith("#")))
    text = section("The size of the code")
    rows = [
        [cell.strip() for cell in line.split("|")[2:-1]]
        for line in text.splitlines()
        if line.startswith("|") and "---" not in line
    ]
    sizes, error, of_pca, recognised, recognised_of_pca = rows
    swept = [row for row in tried if row["detail"]]
    assert sizes == [row["numbers"] for row in swept]
    for said, column, factor in (
        *((error, "error", 1), (of_pca, "error_of_pca", 1)),
        *((recognised, "recognised", 100), (recognised_of_pca, "recognised_of_pca", 100)),
    ):
        digits = 1 if factor == 1 else 0
        for cell, row in zip(said, swept, strict=True):
            assert float(cell) == pytest.approx(round(factor * float(row[column]), digits))
    (thirty,) = [row for row in tried if row["numbers"] == "30"]
    assert {f"{float(thirty['error']):.2f}", f"{float(thirty['error_of_pca']):.2f}"} <= numbers(
        text
    )


def test_the_readme_s_accuracies_of_codes_are_those_of_the_kept_runs():
    text = section("Codes as features")
    of_pixels = float(re.search(r"Pixels: ([\d.]+) %", text)[1]) / 100
    for name in ("dense_ae", "sigmoid_ae", "low_level_ae", "contractive_ae"):
        first = [t for t in reproduced.kept(name) if t.about["seed"] == 0]
        for training in first:
            for result in training.about["claims"]:
                if result["quantity"].endswith("less that on pixels"):
                    network = training.about["network"].replace("autoencoder", "")
                    of_lesson = [r for r in text.splitlines() if r.startswith(f"| `{name}`")]
                    (row,) = [r for r in of_lesson if r.split("|")[1].strip().endswith(network)]
                    said = row.split("|")[2 if training.about["style"] == "low-level" else 3]
                    accuracy = float(said.replace("%", "")) / 100
                    assert accuracy == pytest.approx(of_pixels + result["value"], abs=0.001)
