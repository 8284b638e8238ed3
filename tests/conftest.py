import ae  # noqa: F401  (starts TensorFlow quietly, before any test imports it)

import matplotlib
import pytest
from matplotlib import pyplot

matplotlib.use("Agg")


def pytest_configure(config):
    # Keras saves a model's variables with np.array(), whose new signature TensorFlow lacks.
    config.addinivalue_line(
        "filterwarnings",
        "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
    )


@pytest.fixture(autouse=True)
def _no_figure_survives_a_test():
    yield
    pyplot.close("all")
