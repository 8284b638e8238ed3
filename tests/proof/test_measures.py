"""What claims and errata measure, on networks and data whose values are known."""

import dataclasses
from functools import partial
from types import SimpleNamespace

from ae import cli, datasets, metrics
from ae.lesson import VARIANTS
from ae.options import article_options
from ae.proof import claims, digits, errata, garments, judges
from tutorials.articles import (
    conv_denoiser,
    dense_ae,
    document_cleaner,
    fashion_vae,
    low_level_ae,
    sigmoid_ae,
)

import numpy as np
import pytest
import tensorflow as tf
from running import EACH_LESSON, LESSONS, lesson, smoke_settings
from scipy import stats
from stand_ins import Net, NoFit


def test_claims_are_measured_at_the_articles_settings(monkeypatch, tmp_path):
    (result,) = measured = [{"claim": "It works.", "quantity": "error", "value": 1.0}]
    result |= {"at_least": 0, "at_most": None, "holds": True}
    monkeypatch.setattr(claims, "measure", lambda *_: measured)
    record = cli.run(lesson("tiny_ae"), article_options(style="keras"), tmp_path / "run")
    assert [training["claims"] for training in record["trainings"]] == [measured]


def test_noise_is_what_differs_between_outputs_of_one_image():
    """Copies keep all of it, a constant keeps none, half the contrast keeps a quarter."""
    clean = np.random.default_rng(0).random((20, 28, 28, 1)).astype("float32")
    data = SimpleNamespace(x_test=clean)
    settings = smoke_settings("conv_denoiser")
    left = partial(conv_denoiser.noise_left, data=data, settings=settings)
    assert left(lambda x: x) == 1
    assert left(lambda x: 0 * x + clean) < 1e-9  # what is lost each time does not count
    assert left(lambda x: x / 2) == pytest.approx(0.25)
    assert conv_denoiser.noise_left_by_network(Net(), data, settings) == 1
    median = left(metrics.median_filter)
    assert 0 < median < 1
    beside = conv_denoiser.noise_left_beside_median(Net(), data, settings)
    assert beside == pytest.approx(1 / median)


def test_each_of_500_images_gets_noise_ten_times():
    clean = np.random.default_rng(0).uniform(0.2, 0.8, (510, 6, 6, 1)).astype("float32")
    seen = []
    data = SimpleNamespace(x_test=clean)
    salted, white = (smoke_settings("conv_denoiser", noise=n) for n in conv_denoiser.AUGMENTERS)
    left = conv_denoiser.noise_left(lambda x: seen.append(x) or x**2, data, salted)
    assert (
        conv_denoiser.noise_left(np.square, data, salted) == left
    )  # it is the same noise each time
    assert len(seen) == 10
    for number, noisy in enumerate(seen):
        assert noisy.shape == (500, 6, 6, 1)
        assert 0 <= noisy.min() < 0.01 < 0.99 < noisy.max() <= 1
        replaced = abs(noisy - clean[:500]) > 1e-5
        assert replaced.mean() == pytest.approx(0.1, abs=0.01)
        assert not any(np.array_equal(noisy, other) for other in seen[:number])
    seen.clear()
    conv_denoiser.noise_left(lambda x: seen.append(x) or x, data, white)
    for noisy in seen:
        assert (noisy - clean[:500]).std() == pytest.approx(0.17, rel=0.03)


def test_distinct_clusters_are_those_of_the_mean_codes(monkeypatch):
    monkeypatch.setattr(garments, "codec", lambda network: network)
    y = np.arange(40) % 2
    data = SimpleNamespace(x_train=y, y_train=y, x_test=y[:30], y_test=y[:30])
    apart, mixed = (lambda x: np.stack([x, x], 1)), (lambda x: np.zeros((len(x), 2)))
    network = SimpleNamespace(encode=lambda x: (apart(x), mixed(x)))
    assert garments.worst_recall(network, data, None) == 1
    asked = []
    gained = garments.clearer(lambda *how: asked.append(how) or mixed, network, data, "settings")
    assert gained == pytest.approx(0.5)
    assert asked == [(data.x_train, "settings")]


def test_new_clothes_are_drawn_from_their_own_class(monkeypatch):
    """Class k has codes around (k, -k), and so has what is drawn of it, if it stays there."""
    seen, asked = [], []

    def predict(new, **_):
        seen.append(new)
        taken_for = [0, 1, 9][len(seen) - 1]  # the third class for another
        return np.eye(10)[np.full(len(new), taken_for)]

    judge = SimpleNamespace(predict=predict)
    monkeypatch.setattr(garments, "train_classifier", lambda x: asked.append(x) or judge)
    y = np.arange(60) % 3
    codes = np.stack([y, -y], 1).astype("float32")
    network = Net(encode=lambda x: (tf.constant(codes), tf.fill([60, 2], -9.0)))
    data = SimpleNamespace(x_train=np.zeros((60, 1, 1), "float32"), y_train=y)
    recognised = fashion_vae.recognised(network, data, smoke_settings("fashion_vae"))
    assert recognised == pytest.approx(2 / 3)
    assert asked == [judges.Hashable(np.zeros((60, 1), "float32"), y)]
    for k, z in enumerate(seen):
        np.testing.assert_allclose(z, [[k, -k]] * 100, atol=0.01)


def test_new_clothes_vary_as_their_codes_do():
    """Codes are decoded to images as they are: new ones differ a half and a quarter as much.

    The pixels have means of their own, which do not count, and so do real ones after the 100th.
    """
    y = np.repeat([0, 1], 120)
    x = np.tile(np.float32([[0, 50], [2, 52]]), (120, 1))
    x[y == 1] *= 3
    x[np.arange(240) % 120 >= 100] = 1000
    network = Net(encode=lambda x: (tf.fill([240, 2], 0.0), tf.fill([240, 2], 7.0)))
    data = SimpleNamespace(x_train=x, y_train=y)
    apart = iter([2 * 0.5, 6 * 0.25])

    def draw_codes(z_mean, s, number, settings):
        assert (z_mean.shape, z_mean.max(), s.min(), number) == ((120, 2), 0, 7, 100)
        assert settings == "settings"
        one = np.float32([-30, 70])
        return np.tile([one, one + np.float32(next(apart))], (number // 2, 1))

    assert garments.varied(draw_codes, network, data, "settings") == pytest.approx(3 / 8)


@pytest.fixture
def judged(monkeypatch):
    """What a judge was shown; it says that half as many new rows look right as real ones."""
    seen = []

    def share_typical(examples, real, new):
        seen.append((*examples.arrays, real, new))
        return 0.5

    monkeypatch.setattr(garments, "share_typical", share_typical)
    monkeypatch.setattr(judges, "share_typical", share_typical)
    return seen


def drawn_and_real(judged, data):
    """Returns the new rows that a judge was shown, beside the training and test images."""
    ((x, y, real, new),) = judged
    flat_train, flat_test = (x.reshape(len(x), -1) for x in (data.x_train, data.x_test))
    np.testing.assert_array_equal(x, flat_train)
    np.testing.assert_array_equal(y, data.y_train)
    np.testing.assert_array_equal(real, flat_test[:2000])
    assert (new.shape, new.dtype) == ((2000, x.shape[1]), "float32")
    return new


def test_clothes_are_drawn_from_the_prior(judged):
    """Codes are decoded to images as they are; the seed draws them."""
    rng = np.random.default_rng(0)
    network = Net(
        encode=lambda x: (tf.fill([1, 4], 7.0),) * 2, decode=lambda z: z[:, None, :, None]
    )
    data = SimpleNamespace(
        x_train=np.ones((5, 1, 4, 1), "float32"),
        y_train=np.arange(5),
        x_test=rng.random((3000, 1, 4, 1)),
    )
    drawn = []
    for seed in (0, 0, 1):
        settings = smoke_settings("fashion_vae", seed=seed)
        assert garments.drawn_and_typical(network, data, settings) == 0.5
        drawn.append(drawn_and_real(judged, data))
        judged.clear()
    np.testing.assert_allclose(drawn[0].mean(axis=0), 4 * [0], atol=0.08)
    np.testing.assert_allclose(np.cov(drawn[0].T), np.eye(4), atol=0.1)
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


@pytest.mark.parametrize(("most_epochs", "num_epochs"), [(2, 2), (9, 4)])
def test_the_learned_plane_is_compared_with_pca(monkeypatch, most_epochs, num_epochs):
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    y_test = 1 - y[:20]
    x, x_test = (np.stack([labels, rng.random(len(labels))], 1) for labels in (y, y_test))
    data = SimpleNamespace(x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    encoders = {"PCA": lambda x: 0 * x, "autoencoder": lambda x: x[:, :1]}
    asked = []
    monkeypatch.setattr(digits, "two_d_encoders", lambda *how: asked.append(how) or encoders)
    settings = smoke_settings("sigmoid_ae", two_d_epochs=4)
    gained = digits.separation_gained(most_epochs, None, data, settings)
    assert gained == pytest.approx(0.5)
    assert asked == [(data, settings, num_epochs)]


def crowd():
    """Ten thousand training images of one pixel that say 0 near zero and far away; one says 1.

    Of the ten nearest to zero, five say 0 and five say 1, so 0 wins. One more, nearer than all
    others, says 1 and is not asked.
    """
    x = np.full(10_001, 100.0)
    x[:5], x[5:10], x[-1] = 2, 1, 0.5
    y = np.zeros(10_001, int)
    y[5:10] = y[-1] = 1
    return x[:, None], y


def test_the_first_ten_thousand_images_are_asked():
    x, y = crowd()
    data = SimpleNamespace(x_train=x, y_train=y, x_test=np.zeros((3, 1)), y_test=np.zeros(3))
    assert garments.accuracy(np.asarray, data) == 1
    data.x_test = np.float32(data.x_test)
    shifted = Net(decode=lambda z: z + 200)
    assert digits.accuracy_lost_by_neighbours(shifted, data, None) == 0


def test_the_first_ten_thousand_digits_are_asked_in_a_plane(monkeypatch):
    x, y = crowd()
    data = SimpleNamespace(x_train=x, y_train=y, x_test=np.zeros((3, 1)), y_test=np.zeros(3))
    planes = {"PCA": lambda x: x + 200 * (len(x) == 3), "autoencoder": np.asarray}
    monkeypatch.setattr(digits, "two_d_encoders", lambda *_: planes)
    assert digits.separation_gained(1, None, data, smoke_settings("sigmoid_ae")) == 0


def test_two_thousand_digits_are_judged():
    """The digit after them would be taken for another, and its reconstruction would not."""
    x = np.float32(np.repeat([0, 9], 20))[:, None] + 1
    y = np.repeat([0, 1], 20)
    x_test, y_test = np.ones((2001, 1), "float32"), np.zeros(2001)
    x_test[-1] = 10
    data = SimpleNamespace(x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    alike = Net(decode=lambda z: 0 * z + 1)
    assert digits.accuracy_lost_by_neighbours(alike, data, None) == 0


def test_components_are_computed_about_the_mean(monkeypatch):
    """So a code's mean is 0, and its variances are the largest of the data's."""
    x = np.random.default_rng(0).normal(5, [1, 4, 2], (300, 3)).astype("float32")
    largest = np.linalg.eigvalsh(np.cov(x.T))[:0:-1]
    data, settings = SimpleNamespace(x_train=x), smoke_settings("sigmoid_ae", batch_size=300)
    monkeypatch.setattr(judges, "fit", NoFit())
    judges.train_deep_autoencoder.cache_clear()
    encoders = [garments.linear_encoder(x, None), digits.two_d_encoders(data, settings, 1)["PCA"]]
    judges.train_deep_autoencoder.cache_clear()
    for encode in encoders:
        z = encode(x)
        np.testing.assert_allclose(z.mean(axis=0), [0, 0], atol=1e-4)
        np.testing.assert_allclose(z.var(axis=0, ddof=1), largest, rtol=1e-4)


def test_the_error_of_reconstructions_is_the_mean_square():
    x = np.float32(np.random.default_rng(0).random((3, 7, 7, 1)))
    data = SimpleNamespace(x_test=x, x_test_noisy=x / 2)
    darker = Net(decode=lambda z: 0.5 * z)
    assert digits.test_error(darker, data, None) == pytest.approx(np.mean((x / 2) ** 2))
    assert conv_denoiser.test_loss(darker, data, None) == pytest.approx(np.mean((x * 0.75) ** 2))


def test_detail_is_compared_with_that_of_the_clean_images():
    x = np.float32(np.random.default_rng(0).random((3, 28, 28, 1)))
    data = SimpleNamespace(x_test=x, x_test_noisy=x / 2)
    assert conv_denoiser.detail_kept(Net(), data, None) == pytest.approx(0.25)


def test_noise_is_measured_on_what_is_reconstructed():
    black = np.zeros((2, 4), "float32")
    data = SimpleNamespace(x_train=black, x_test=black)
    network = Net(decode=lambda z: tf.constant(np.float32([[0, 0.2, 0, 0.2]] * 2)))
    assert sigmoid_ae.noise(network, data, None) == pytest.approx(0.1)


def test_the_derivative_of_a_sigmoid_is_averaged_over_the_code():
    data = SimpleNamespace(x_test=np.float32([[0.5, 0.9], [1.0, 0.5]]))
    expected = (0.25 + 0.09 + 0 + 0.25) / 4
    assert sigmoid_ae.derivative(Net(), data, None) == pytest.approx(expected)


def test_random_codes_are_drawn_as_the_codes_lie(judged):
    """Their mean and covariance are the training codes'; the seed draws them."""
    rng = np.random.default_rng(0)
    codes = np.float32(rng.normal([1, -2], [0.5, 3], (500, 2)))
    data = SimpleNamespace(x_train=codes, y_train=np.arange(500) % 10, x_test=rng.random((3000, 2)))
    drawn = []
    for seed in (0, 0, 1):
        settings = smoke_settings("dense_ae", seed=seed)
        network = Net(decode=lambda z: z - 20)
        assert digits.drawn_and_typical(network, data, settings) == 0.5
        drawn.append(drawn_and_real(judged, data) + 20)
        judged.clear()
    np.testing.assert_allclose(drawn[0].mean(axis=0), codes.mean(axis=0), atol=0.2)
    np.testing.assert_allclose(np.cov(drawn[0].T), np.cov(codes.T), atol=0.6)
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def share_typical(data, new):
    flat = [images.reshape(len(images), -1) for images in (data.x_train, data.x_test[:1000], new)]
    return judges.share_typical(judges.Hashable(flat[0], data.y_train), *flat[1:])


@pytest.mark.long
@pytest.mark.parametrize("load", [datasets.load_mnist, datasets.load_fashion_mnist])
def test_only_images_like_the_data_look_like_the_data(load):
    """Tried on images of known kinds: real ones, noise, blends, mixed pixels, a blank, the mean."""
    images = load()
    x_train, x_test = images.x_train[:20_000] / 255, images.x_test / 255
    data = SimpleNamespace(x_train=np.float32(x_train), x_test=np.float32(x_test))
    data.y_train = images.y_train[:20_000]
    others, more = data.x_test[1000:2000], data.x_test[2000:3000]
    rng = np.random.default_rng(0)
    assert share_typical(data, others) == pytest.approx(1, abs=0.1)
    for unlike, most in [
        (rng.random(others.shape, "float32"), 0.02),
        (rng.permuted(others.reshape(1000, -1), axis=1), 0.1),
        ((others + more) / 2, 0.35),
        (0 * others[:10], 0),
        (data.x_train.mean(axis=0, keepdims=True), 0),
    ]:
        assert share_typical(data, unlike) <= most


def test_speckle_that_is_always_the_same_does_not_mislead_the_neighbours():
    """Where no digit has ink, noise counts nothing; digits that become one digit lose it all."""
    rng = np.random.default_rng(0)
    y = np.arange(3000) % 10
    x = np.zeros((3000, 20), "float32")
    x[np.arange(3000), y] = 1 - 0.1 * rng.random(3000)
    data = SimpleNamespace(x_train=x[:2000], y_train=y[:2000], x_test=x[2000:], y_test=y[2000:])
    speckle = np.float32([[0] * 10 + list(50 * rng.random(10))])
    speckled = Net(decode=lambda z: z + speckle)
    assert digits.accuracy_lost_by_neighbours(speckled, data, None) == 0
    one = Net(decode=lambda z: 0 * z + x[:1])
    assert digits.accuracy_lost_by_neighbours(one, data, None) == pytest.approx(0.9)


def test_classifiers_learn_from_count_labels_and_are_judged_on_test_digits(monkeypatch):
    """The labels beyond `count`, and those of the training digits, are wrong."""
    fit = judges.fit
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 400)
    x = np.repeat(np.eye(10, dtype="float32")[y], 79, axis=1)[:, :784]
    wrong = np.where(np.arange(300) < 100, y[:300], (y[:300] + 1) % 10)
    data = SimpleNamespace(x_train=x[:300], y_train=wrong, x_test=x[300:], y_test=y[300:])
    monkeypatch.setattr(judges, "fit", lambda model, batches, steps: fit(model, batches, 40))
    settings = smoke_settings("dense_ae", label_counts=(100,))
    found = dense_ae.compare_classifiers(dense_ae.build_keras(), data, settings)
    assert found["from scratch"][0] > 0.95


def test_shares_of_pixels_are_counted():
    """What lies on a limit is in range, and is no grey."""
    x = np.float32([[-0.1, 0, 0.1, 0.15, 0.5, 0.85, 0.9, 0.95, 1, 1.1]])
    data = SimpleNamespace(x_test=x, x_test_noisy=x)
    assert conv_denoiser.out_of_range(Net(), data, None) == pytest.approx(0.2)
    assert low_level_ae.greys(Net(), data, None) == pytest.approx(0.3)


def test_the_vae_s_gap_is_test_above_validation():
    x = np.full((2, 4), 0.5, "float32")
    net = Net(decode=lambda z: z * 0 + 0.5)
    same = SimpleNamespace(x_val=x, x_test=x)
    assert fashion_vae.validation_gap(net, same, None) == pytest.approx(0)
    gap = fashion_vae.validation_gap(Net(), SimpleNamespace(x_val=x * 0, x_test=x), None)
    assert gap == pytest.approx(np.log(2), rel=1e-3)


def test_squashed_pages_are_compared_with_whole_ones(monkeypatch):
    page = np.tile(np.arange(420, dtype=np.uint8)[:, None], (1, 540))
    pages = page[:258], page, page.copy()  # one that needs no fitting, and a copy
    documents = SimpleNamespace(train=[SimpleNamespace(clean=page) for page in pages])
    monkeypatch.setattr(datasets, "load_or_generate_documents", lambda *_: documents)
    monkeypatch.setattr(
        document_cleaner.readability,
        "error_rates",
        lambda shown, fitted: [[(len(a), len(b)) for a, b in zip(shown, fitted, strict=True)]],
    )
    for variant, rows in (("published", (420, 258)), ("corrected", (258, 258))):
        settings = smoke_settings("document_cleaner", variant=variant)
        assert document_cleaner.misread(None, None, settings) == [rows]
    monkeypatch.setattr(document_cleaner.readability, "error_rates", lambda *_: None)
    assert document_cleaner.misread(None, None, settings) is None


def test_some_claims_are_about_the_data_alone():
    assert [
        (one.name, claim.quantity)
        for one in LESSONS
        for claim in one.claims
        if not claim.of_network
    ] == [
        ("dense_ae", "Largest angle between the two spans, degrees"),
        ("dense_ae", "Mean angle to the nearest component, degrees"),
        ("sigmoid_ae", "Accuracy gained by ten neighbours"),
        ("sparse_ae", "Share of active numbers in a code of 1568 sigmoids without a penalty"),
        ("sparse_ae", "Penalty of 32 equal images over that of one"),
    ]


def test_a_difference_says_which_is_which(monkeypatch):
    erratum = lesson("conv_denoiser").errata[0]
    entry = {"erratum": erratum.quote, "quantity": "error"}
    entry |= {"published": [3.0, 1.0, 2.0], "changed": [9.0]}
    monkeypatch.setattr(errata, "read", lambda _: {"measured": [entry]})
    words = "error: 1 to 3 as published, 9 with output linear"
    assert errata.differences(lesson("conv_denoiser"), erratum) == [words]


@EACH_LESSON
def test_an_erratum_changes_a_setting_to_another_value(name):
    article = lesson(name).presets["article"]
    fields = {field.name: field for field in dataclasses.fields(article)}
    for setting, value in (erratum.change for erratum in lesson(name).errata):
        assert value != getattr(article, setting)
        choices = VARIANTS if setting == "variant" else fields[setting].metadata.get("choices")
        assert value in (choices or [value])


def returning(rows):
    return lambda x: tf.constant(rows)


def test_black_pixels_are_those_that_only_the_originals_light():
    """More than half of a grey level is a light."""
    x = np.float32([[255, 0.7, 0.5, 9, 0, 0], [0, 0, 0, 0, 9, 0]]) / 255
    x_hat = np.float32([[0.4, 0, 0, 0, 0, 5], [0, 0, 0, 0.7, 0, 0]]) / 255
    data = SimpleNamespace(x_test=x)
    assert dense_ae.black_pixels(Net(decode=returning(x_hat)), data, None) == 3


def test_dead_units_are_zero_for_every_digit():
    data = SimpleNamespace(x_test=np.zeros((2, 784), "float32"))
    codes = np.array([[0, 1, 0], [0, 0, 0]], "float32")
    assert low_level_ae.dead_units(Net(encode=returning(codes)), data, None) == 2


def test_the_ratio_of_spreads_is_one_where_they_are_the_same():
    s = np.array([[-2.0, -4.0], [-6.0, -4.0]], "float32")
    data = SimpleNamespace(x_val=np.zeros((2, 28, 28, 1), "float32"))
    vae = Net(encode=lambda x: (tf.zeros_like(s), tf.constant(s)))
    published, corrected = (smoke_settings("fashion_vae", variant=v) for v in VARIANTS)
    assert fashion_vae.spread_ratio(vae, data, published) == pytest.approx(np.exp(-2))
    assert fashion_vae.spread_ratio(vae, data, corrected) == pytest.approx(1)


@pytest.mark.parametrize(
    ("mean", "s", "variant", "sigma"),
    [
        (0, 0, "published", 1),
        (2, 0, "corrected", 1),
        (1, -2, "published", np.exp(-2)),
        (1, -2, "corrected", np.exp(-1)),
    ],
)
def test_nats_are_those_of_the_distribution_that_codes_are_drawn_from(mean, s, variant, sigma):
    data = SimpleNamespace(x_val=np.zeros((3, 28, 28, 1), "float32"))
    codes = tf.fill([3, 2], float(mean)), tf.fill([3, 2], float(s))
    vae = Net(encode=lambda x: codes)
    z = stats.norm(mean, sigma)
    integral = z.expect(lambda x: z.logpdf(x) - stats.norm.logpdf(x))
    settings = smoke_settings("fashion_vae", variant=variant)
    assert fashion_vae.nats(vae, data, settings) == pytest.approx(2 * integral, abs=1e-6)


def test_the_gap_compares_what_was_trained_on_with_what_was_not():
    ones, zeros = (np.full((2, 8, 8, 1), v, "float32") for v in (1, 0))
    data = SimpleNamespace(x_train=zeros, y_train=ones / 4, x_val=zeros, y_val=ones / 2)
    assert document_cleaner.validation_gap(Net(), data, None) == pytest.approx(4)
