"""The numbers that are kept, and what the README and `check --kept` say of them."""

import csv
import hashlib
import re

from ae.paths import DATA, REPOSITORY
from ae.proof import check, claims, published, reproduced
from tutorials import __main__ as tutorials

import numpy as np
from running import LESSONS, lesson

REASONS = reproduced.FOLDER / "README.md"
DIGESTS = {
    "conv_denoiser.csv": "b10f69f45042dce1",
    "document_cleaner.csv": "d301d52dcbfe0aaa",
    "fashion_vae.csv": "69bcc369045b7ee6",
    "fashion_vae_dense.csv": "4b00fb336bbbce28",
    "sigmoid_ae.csv": "1c8c5d1ae547f559",
    "sigmoid_ae_30000_steps.csv": "f3adc1d09c7da44d",
}


def test_what_was_printed_is_not_edited():
    found = {path.name: path.read_bytes() for path in published.FOLDER.glob("*.csv")}
    assert {n: hashlib.sha256(data).hexdigest()[:16] for n, data in found.items()} == DIGESTS


def test_thresholds_are_those_that_the_kept_runs_were_held_against():
    seen = set()
    for one in LESSONS:
        declared = {claim.text: claim for claim in one.claims}
        for path in reproduced.FOLDER.glob(f"{one.name}*.csv"):
            for training in reproduced.read(path):
                for result in training.about["claims"]:
                    claim = declared[result["claim"]]
                    assert claim.at_least == result["at_least"], claim.text
                    assert claim.at_most == result["at_most"], claim.text
                    if result["value"] is not None:
                        assert claim.holds(result["value"]) == result["holds"]
                    seen.add((one.name, claim.text))
    assert seen == {(one.name, claim.text) for one in LESSONS for claim in one.claims}


def test_no_kept_run_of_the_denoiser_could_have_stopped_early():
    """An erratum of conv_denoiser says so."""
    kept = reproduced.read(reproduced.FOLDER / "conv_denoiser.csv")
    assert len(kept) == 3
    for training in kept:
        assert np.argmin([epoch["val_loss"] for epoch in training.history]) == 19


def test_the_readme_counts_the_claims():
    verdicts = []
    for one in LESSONS:
        for path in reproduced.FOLDER.glob(f"{one.name}.csv"):
            trainings = reproduced.read(path)
            for network in one.networks:
                kept = [t.about["claims"] for t in trainings if t.about["network"] == network]
                verdicts += [re.match(r"[\w ]+", line)[0] for line in claims.summary(one, kept)]
    held, mixed, failed = (verdicts.count(word) for word in ("holds", "mixed", "fails"))
    text = readme_text()
    assert f"Of {len(verdicts)} claims (the linear denoiser's left out) {held} hold in" in text
    assert f"{mixed} hold in some and {failed} in none:" in text


def claimed(name, text):
    """The kept results of the claim whose text begins so."""
    found = [r for t in reproduced.kept(name) for r in t.about["claims"]]
    return [result for result in found if result["claim"].startswith(text)]


def test_the_readme_says_of_claims_what_the_kept_runs_found():
    text = readme_text()
    gained = [r["value"] for r in claimed("conv_denoiser", "The noise is removed: PSNR")]
    filtered = [r["value"] for r in claimed("conv_denoiser", "It is removed adequately")]
    (median,) = {f"{a - b:.1f}" for a, b in zip(gained, filtered, strict=True)}
    assert (
        f"brings noisy images {min(gained):.1f} to {max(gained):.1f} dB nearer to the clean ones, "
        f"a 3 x 3 median filter {median} dB."
    ) in text
    epochs = [t.about["seconds"] / len(t.history) for t in reproduced.kept("conv_denoiser")]
    assert f"took us {min(epochs):.0f} to {max(epochs):.0f} s on two cores" in text
    first, second = published.curve("conv_denoiser")["seconds"]
    assert f"took its author {first:.0f} and {second:.0f} s" in text
    hundred, thousand = (
        [r["holds"] for r in claimed("dense_ae", words)]
        for words in ("the encoder initialises a classifier", "the same with 1,000 labels")
    )
    assert (
        f"holds in {sum(hundred)} of {len(hundred)} runs with 100 labels and in {sum(thousand)} "
        "with 1,000: the accuracy gained is"
    ) in text
    of_all = [r["holds"] for r in claimed("dense_ae", "the same with all labels")]
    assert f"With all labels it holds in {sum(of_all)} of {len(of_all)}." in text
    gained = []
    for words in ("the encoder initialises a classifier", "the same with 1,000 labels"):
        values = [100 * r["value"] for r in claimed("dense_ae", words)]
        gained.append(f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}")
    assert f"the accuracy gained is {' and '.join(gained)} percentage points." in text
    lost = [100 * r["value"] for r in claimed("sigmoid_ae", "reconstructions are recognisable")]
    assert f"recognises {min(lost):.0f} to {max(lost):.0f} in a hundred fewer" in text
    (derivative,) = {f"{r['value']:.2f}" for r in claimed("sigmoid_ae", "sigmoids have a good")}
    assert f"is {derivative} in the mean; the largest possible is 0.25." in text
    gains = [r["holds"] for r in claimed("document_cleaner", "Creases and dark areas go: SSIM")]
    assert (gains.count(False), len(gains)) == (1, 6)
    assert "one run of six gains a little too little SSIM" in text
    (worst,) = claimed("fashion_vae", "Distinct clusters: share of the worst class")
    assert f"the ten nearest codes tell {100 * worst['value']:.0f} % rightly" in text
    (drawn,) = claimed("fashion_vae", "Random codes decode to clothes")
    assert f"Of random codes {100 * drawn['value']:.0f} % decode to what is" in text
    (varied,) = claimed("fashion_vae", "New clothes look similar, but not the same")
    assert varied["holds"]


def test_the_reasons_say_how_uneven_the_published_split_of_the_pages_was():
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
    assert (
        f"{theirs:.2f} times their loss from epoch 20 on, where ours have {ours[0]:.2f} to "
        f"{ours[-1]:.2f}; with the errors that one of our networks makes on each page "
        f"(`data/tried`), {100 * as_uneven:.0f} of 100 random splits are as uneven."
    ) in readme_text(REASONS)


def test_the_readme_says_how_often_sigmoid_ae_lies_between_the_published_runs():
    curves = published.curve("sigmoid_ae")
    printed = np.array(
        [curves[c] for c in lesson("sigmoid_ae").published["autoencoder"]["last_batch_loss"]]
    )
    kept = reproduced.kept("sigmoid_ae")
    ours = np.mean([[e["last_batch_loss"] for e in t.history] for t in kept], axis=0)
    between = (printed.min(axis=0) <= ours) & (ours <= printed.max(axis=0))
    assert f"within their range at {between.sum()} of {len(ours)} epochs" in readme_text()


def readme_text(path=REPOSITORY / "README.md"):
    return " ".join(path.read_text(encoding="utf-8").split())


def test_check_kept_says_what_the_readme_says(capsys, tmp_path):
    lessons = ["sigmoid_ae", "conv_denoiser", "document_cleaner", "fashion_vae"]
    assert tutorials.main(["check", *lessons, "--kept", "--out", str(tmp_path)]) == 1
    out = " ".join(capsys.readouterr().out.split())
    missed = {"document_cleaner": ("43 of 200", "4 of 200"), "fashion_vae": ("1 of 20", "2 of 20")}
    for name, (points, of_validation) in missed.items():
        assert f"curve loss FAILED: {points} published points" in out
        assert f"curve val loss FAILED: {of_validation} published points" in out
        assert (
            f"`{name}`: **not reached at {points} epochs**, and of the validation loss at "
            f"{of_validation}."
        ) in readme_text()
        assert f"## {name} {points} epochs, and {of_validation} of the val" in readme_text(REASONS)
    assert out.count("val loss passed: 2 of 2 published points") == 2
    assert "2 runs in bfloat16, 4 in float32 for the band" in out
    for part in (
        "curve loss FAILED: 31 of 200 published points outside the band",
        "curve loss passed: 20 of 20 published points within the band; 1 runs in bfloat16",
    ):
        assert part in out
    assert (
        "In bfloat16, a run each: 31 of the cleaner's 200 epochs and 2 of their validation losses "
        "are outside, none of the VAE's 20 and 2 of their validation losses."
    ) in readme_text()
    mixed = "-mixed_precision"
    failed = f"document_cleaner, document_cleaner{mixed}, fashion_vae, fashion_vae{mixed}."
    assert f"Curves that failed: {failed}" in out
    assert "control our own runs, each held against the others: " in out
    assert "claim holds, " in out


def test_kept_runs_stand_beside_a_run_of_another_seed_or_style():
    kept = reproduced.kept("fashion_vae")
    about = kept[0].about
    record = {"settings": about["settings"], "data": {"notice": ""}}
    record["trainings"] = [{"style": about["style"]}]
    beside = reproduced.kept_like(lesson("fashion_vae"), record)
    assert len(beside) == len(kept) - 1
    kinds = {(t.about["seed"], t.about["style"]) for t in beside}
    assert (about["seed"], about["style"]) not in kinds


def test_runs_in_bfloat16_find_their_float32_runs():
    denoiser = lesson("conv_denoiser")
    (mixed, *_) = reproduced.kept("conv_denoiser-output-linear-mixed_precision")
    found = reproduced.kept_in_float32(denoiser, mixed)
    assert len(found) == 4
    assert not any(t.about["settings"]["mixed_precision"] for t in found)
    assert reproduced.kept_in_float32(denoiser, found[0]) is None


def test_the_furthest_point_outside_is_named():
    printed, inside = np.array([[9.0, 1.2, 1.5]]), np.array([True, False, False])
    comparison = check.Comparison(
        "n", np.arange(1, 4), np.ones((3, 3)), printed, None, None, inside
    )
    assert "furthest at epoch 3" in check.verdict(comparison)
