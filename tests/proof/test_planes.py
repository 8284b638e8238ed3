"""Measures of codes, tried on codes whose answer is known."""

from types import SimpleNamespace

from ae.proof import planes

import numpy as np
import pytest

RNG = np.random.default_rng(0)


def discs(*centres, inner=0.0, number=10_000):
    """Draws codes evenly from rings of outer radius 1."""
    angle = RNG.random(number) * 2 * np.pi
    radius = np.sqrt(inner**2 + (1 - inner**2) * RNG.random(number))
    ring = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return ring + np.array(centres)[np.arange(number) % len(centres)]


@pytest.mark.parametrize("scale", [1, [100, 3]])
def test_codes_from_one_distribution_without_holes_leave_no_gaps(scale):
    for z in (RNG.normal(size=(10_000, 2)), RNG.random((10_000, 2)), discs([0, 0])):
        assert planes.gaps(z * scale) < 0.002


def test_a_hole_is_a_gap_as_large_as_it_is():
    """A margin as wide as the distance between codes does not count."""
    assert planes.gaps(discs([0, 0], inner=0.5)) == pytest.approx(0.25, abs=0.03)
    assert planes.gaps(discs([0, 0], inner=0.8)) == pytest.approx(0.64, abs=0.03)


def test_what_lies_between_two_clusters_is_a_gap():
    hull, both = np.pi + 8, 2 * np.pi  # two half discs and a square of 4 x 2
    assert planes.gaps(discs([-2, 0], [2, 0])) == pytest.approx(1 - both / hull, abs=0.03)
    assert planes.gaps(discs([-1, 0], [1, 0])) < 0.15  # they touch


def test_places_in_gaps_lie_in_the_hole_on_all_sides():
    """They keep away from the codes around the hole, and from each other."""
    places = planes.gap_codes(discs([5, 0], inner=0.5), 40)
    assert places.shape == (40, 2)
    assert places.dtype == "float32"
    from_centre = places - [5, 0]
    assert np.hypot(*from_centre.T).max() < 0.5
    assert (from_centre.min(axis=0) < -0.2).all()
    assert (from_centre.max(axis=0) > 0.2).all()
    assert len(np.unique(places, axis=0)) == 40
    assert len(planes.gap_codes(RNG.normal(size=(2000, 2)), 10)) <= 10


def test_codes_on_a_line_span_no_area_and_have_no_gaps():
    line = np.linspace(-1, 1, 200)[:, None] * np.array([[2.0, 3]])
    for z in (line, np.ones((200, 2))):
        assert planes.gaps(z) is None
        assert planes.gap_codes(z, 10).shape == (0, 2)


def test_a_few_codes_far_away_span_no_area():
    z = np.concatenate([discs([0, 0]), [[50, 0], [0, 50], [-50, -50]]])
    assert planes.gaps(z) < 0.01


def test_recalls_count_each_class_for_itself():
    """The classes 3 and 7 have a cluster each; what is called 8 lies among the 3s."""
    train = np.concatenate([discs([0, 0], number=100), discs([9, 9], number=100)])
    labels = np.repeat([3, 7], 100)
    test = np.concatenate([discs([0, 0], number=30), discs([9, 9], number=10)])
    found = planes.recalls(train, labels, test, np.repeat([3, 8, 7], [20, 10, 10]))
    np.testing.assert_array_equal(found, [1, 1, 0])


@pytest.mark.parametrize("dimensions", [2, 10])
def test_equal_distributions_have_the_coverage_and_density_that_the_paper_expects(dimensions):
    """The expected coverage of a ball with five neighbours is 1 - 1 / 2^5."""
    real, drawn = RNG.normal(size=(2, 5000, dimensions))
    coverage, density = planes.coverage_and_density(real, drawn)
    assert coverage == pytest.approx(1 - 1 / 32, abs=0.01)
    assert density == pytest.approx(1, abs=0.05)


def test_coverage_misses_what_is_never_drawn_and_density_what_is_drawn_elsewhere():
    real = discs([-5, 0], [5, 0])
    assert planes.coverage_and_density(real, discs([5, 0]))[0] == pytest.approx(0.5, abs=0.02)
    half = planes.coverage_and_density(real, discs([5, 0], [-5, 0], [0, 90], [90, 0]))
    assert half[1] == pytest.approx(0.5, abs=0.02)
    assert planes.coverage_and_density(real, discs([0, 90])) == (0, 0)


def test_a_linear_decoder_makes_no_jump_and_a_table_of_images_makes_nothing_else():
    starts, ends = RNG.normal(size=(2, 20, 2))
    matrix = RNG.normal(size=(2, 30)).astype("float32")
    assert planes.jump(lambda z: z @ matrix, starts, ends) == pytest.approx(1, abs=1e-3)
    assert planes.jump(lambda z: np.sign(z) @ matrix, starts, -starts) == np.inf


def test_a_jump_is_the_largest_step_over_the_median_one():
    """The derivative of tanh is 1 in the middle, and 1 - tanh^2(2) halfway to either end."""
    way = planes.jump(np.tanh, np.array([[-4.0, -4]]), np.array([[4.0, 4]]))
    assert way == pytest.approx(1 / (1 - np.tanh(2) ** 2), rel=0.03)


def parts_of_three():
    """Draws from a mixture with the weights 0.5, 0.3 and 0.2."""
    of = RNG.choice(3, 4000, p=[0.5, 0.3, 0.2])
    means = np.array([[0, 0], [6, 0], [0, 8]])
    return means[of] + RNG.normal(size=(4000, 2)) * np.array([[1, 1], [0.3, 2], [2, 0.5]])[of]


def test_a_mixture_finds_the_parts_that_it_is_fitted_to():
    mixture = planes.fit_mixture(parts_of_three(), components=3)
    order = np.argsort(-mixture.weights)
    assert mixture.weights[order] == pytest.approx([0.5, 0.3, 0.2], abs=0.03)
    assert mixture.means[order] == pytest.approx(np.array([[0, 0], [6, 0], [0, 8]]), abs=0.2)
    factors = mixture.factors[order]
    spread = np.sqrt(np.einsum("kij,kij->ki", factors, factors))
    assert spread == pytest.approx(np.array([[1, 1], [0.3, 2], [2, 0.5]]), abs=0.1)


def test_the_density_of_a_mixture_is_a_density():
    """It sums to 1 over the plane, and what is drawn from it has its mean and covariance."""
    z = parts_of_three()
    mixture = planes.fit_mixture(z, components=3)
    axis = np.linspace(-10, 16, 261)
    places = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    total = np.exp(mixture.log_densities(places)).sum() * (axis[1] - axis[0]) ** 2
    assert total == pytest.approx(1, abs=0.01)
    drawn = mixture.draw(20_000, seed=0)
    assert drawn.mean(axis=0) == pytest.approx(z.mean(axis=0), abs=0.1)
    assert np.cov(drawn.T) == pytest.approx(np.cov(z.T), abs=0.4)


def test_one_component_is_the_normal_distribution_of_the_codes():
    z = RNG.normal(size=(500, 3)) @ RNG.normal(size=(3, 3)) + [1, 2, 3]
    mixture = planes.fit_mixture(z, components=1)
    assert mixture.means[0] == pytest.approx(z.mean(axis=0))
    covariance = np.cov(z.T, ddof=0)
    assert mixture.factors[0] @ mixture.factors[0].T == pytest.approx(covariance, abs=1e-4)


def test_a_number_that_is_the_same_in_all_codes_does_no_harm():
    z = np.concatenate([RNG.normal(size=(500, 2)), np.zeros([500, 1])], axis=1)
    drawn = planes.fit_mixture(z, components=4).draw(100, seed=0)
    assert abs(drawn[:, 2]).max() < 0.01


def test_codes_are_judged_by_what_they_decode_to(monkeypatch):
    seen = []
    monkeypatch.setattr(planes.judges, "share_typical", lambda *given: seen.append(given) or 0.7)
    images = RNG.random((9, 2, 2, 1))
    data = SimpleNamespace(x_train=images, y_train=np.arange(9), x_test=images[::-1])
    assert planes.share_typical(lambda z: images[z], np.array([4, 2]), data) == 0.7
    ((examples, real, new),) = seen
    np.testing.assert_array_equal(examples.arrays[0], images.reshape(9, 4))
    np.testing.assert_array_equal(real, images[::-1][:2].reshape(2, 4))
    np.testing.assert_array_equal(new, images[[4, 2]].reshape(2, 4))
