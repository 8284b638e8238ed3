"""Compares what every lesson draws with its entry in `expected.py`.

The network is a stand-in, and no two images of the data are alike. So a figure that shows another
image, or the right one in another place, differs.
"""

import dataclasses
import re
from types import SimpleNamespace

from ae import figures
from ae.networks import codec

import numpy as np
import pytest
from expected import expected, identity
from running import NAMES, lesson, read_record, run, smoke_settings
from stand_ins import AnyData, Kept, LinearNet

NETWORKS = [(name, network) for name in [*NAMES, "tiny_ae"] for network in lesson(name).networks]


def draw(name, network, data, settings, network_name):
    """Draws all figures of a run; returns the report that got them.

    A run's networks are all this one.
    """
    report = Kept(network_name)
    lesson(name).draw(network, data, settings, report)
    if lesson(name).appendix is not None:
        networks = dict.fromkeys(lesson(name).networks, network)
        lesson(name).appendix(data, settings, report, lambda: networks)
    return report


@pytest.fixture(scope="module", params=NETWORKS, ids=" ".join)
def drawn(request):
    """A lesson, a network and data in place of its own, and the figures with what is asked for."""
    name, network_name = request.param
    table = expected(name).figures
    (shapes, *_) = expected(name).networks[network_name].values()
    network = LinearNet(shapes.shape, shapes.code_shape, variational=shapes.sample is not identity)
    data = AnyData(shapes.shape, table.number, table.labels)
    data.encode, data.decode, data.output = codec(network)
    data.settings = smoke_settings(name, **table.asked)
    with pytest.MonkeyPatch.context() as patch:
        for function, other in table.instead.items():
            patch.setattr(f"tutorials.articles.{name}.{function}", other)
        report = draw(name, network, data, data.settings, network_name)
        yield SimpleNamespace(**locals())


def test_every_figure_shows_what_the_table_says(drawn):
    pictures = drawn.table.always(drawn.data) | drawn.table.if_asked(drawn.data)
    where = f"{drawn.name} in expected.py"
    assert list(drawn.report.figures) == list(pictures), f"figures of {where}"
    for title, picture in pictures.items():
        picture.compare(drawn.report.figures[title], f"figure {title} of {where}:")


def test_every_figure_has_a_caption_of_its_own(drawn):
    captions = drawn.report.captions
    for title, caption in captions.items():
        assert re.fullmatch(r"[A-Z0-9].+\.", caption), f"CAPTIONS of {drawn.name}: {title}"
        assert len(caption.split()) >= 8, f"CAPTIONS of {drawn.name}: {title} says too little"
    assert len(set(captions.values())) == len(captions)


def test_some_figures_are_drawn_only_on_request(drawn):
    if not drawn.table.asked:
        assert not drawn.table.if_asked(drawn.data)
        return
    settings = smoke_settings(drawn.name)
    report = draw(drawn.name, drawn.network, drawn.data, settings, drawn.network_name)
    assert list(report.figures) == list(drawn.table.always(drawn.data))


def test_every_option_that_may_draw_a_figure_is_asked_for(drawn):
    fields = dataclasses.fields(drawn.data.settings)
    options = {f.name for f in fields if f.metadata.get("help") and not f.metadata["retrains"]}
    missing = options - set(drawn.table.asked)
    assert not missing, f"add a value to `asked` of {drawn.name} in expected.py"


def test_the_examples_are_those_of_the_table(drawn):
    examples = lesson(drawn.name).examples(drawn.data)
    x, target = drawn.table.examples(drawn.data)
    np.testing.assert_array_equal(examples.x, x)
    np.testing.assert_equal(examples.target, target)


def test_the_plane_is_that_of_the_table(drawn):
    plane, expected_plane = lesson(drawn.name).plane, drawn.table.plane
    assert (plane is None) == (expected_plane is None), f"plane of {drawn.name} in expected.py"
    if plane is not None:
        decode, *parts = plane(drawn.network, drawn.data, drawn.network_name)
        for part, expected_part in zip(parts, expected_plane(drawn.data), strict=True):
            np.testing.assert_array_equal(part, expected_part)
        np.testing.assert_array_equal(decode(parts[0][:3]), drawn.data.decode(parts[0][:3]))


def test_an_appendix_is_drawn_once_a_run(smoke, tmp_path):
    assert read_record(smoke("tiny_ae"))["appendix"]["figures"] == []
    drawn = []

    def appendix(data, settings, report, networks):
        drawn.append(settings.seed)
        report.figure("pictures", figures.strip({"": data.x_test.reshape(-1, 4, 4)}))

    with_appendix = dataclasses.replace(lesson("tiny_ae"), appendix=appendix)
    assert run(with_appendix, "--preset", "smoke", "--seed", "3", "--out", tmp_path) == 0
    assert drawn == [3]
    assert read_record(tmp_path)["appendix"]["figures"] == ["figures/pictures.png"]
