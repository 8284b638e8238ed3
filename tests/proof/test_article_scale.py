"""Minutes of training at the articles' settings, against what was published: `pytest -m long`."""

from ae import cli
from ae.lesson import ONLY_NETWORK
from ae.options import article_options
from ae.proof import check, published, reproduced

import numpy as np
import pytest
from running import lesson

pytestmark = pytest.mark.long


@pytest.mark.parametrize("style", ["low-level", "keras"])
def test_a_new_seed_of_sigmoid_ae_follows_the_published_runs(tmp_path, style):
    sigmoid = lesson("sigmoid_ae")
    options = article_options(seed=11, style=style)
    record = cli.run(sigmoid, options, tmp_path)
    kept = reproduced.kept("sigmoid_ae")
    band = check.compare(sigmoid, ONLY_NETWORK, kept)
    ours = [logs["last_batch_loss"] for logs in record["trainings"][0]["history"]]
    assert ((band.lower <= ours) & (ours <= band.upper)).mean() >= 0.9


@pytest.mark.parametrize("style", ["low-level", "keras"])
def test_the_denoiser_of_the_notebook_comes_near_its_two_losses(tmp_path, style):
    options = article_options(seed=11, style=style, epochs=2, output="linear")
    record = cli.run(lesson("conv_denoiser"), options, tmp_path)
    ours = [logs["loss"] for logs in record["trainings"][0]["history"]]
    np.testing.assert_allclose(ours, published.curve("conv_denoiser")["loss"], rtol=0.25)


def test_two_epochs_of_the_vae_come_near_the_published_loss(tmp_path):
    options = article_options(seed=11, style="low-level", epochs=2)
    record = cli.run(lesson("fashion_vae"), options, tmp_path)
    ours = record["trainings"][0]["history"][-1]["loss"]
    assert ours == pytest.approx(published.curve("fashion_vae")["loss"][1], rel=0.03)
