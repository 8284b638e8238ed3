"""Compares every lesson with its entry in `expected.py`, which shares no code with it."""

import ast
import contextlib
import dataclasses
import functools
import importlib
import inspect
import math
from types import SimpleNamespace

import tutorials
from ae.lesson import PRESETS, STYLES
from ae.networks import codec, count_parameters
from ae.proof.stepwise import StepRun, computing_in, in_float64
from ae.training.run import Run

import keras
import numpy as np
import pytest
import tensorflow as tf
from expected import CORRECTED, DEFAULTS, PUBLISHED, expected
from keras import ops
from running import lesson
from tensorflow import nest

NAMES = [*tutorials.names(), "tiny_ae"]
EACH_LESSON = pytest.mark.parametrize("name", NAMES)
NETWORKS = [(name, network) for name in NAMES for network in lesson(name).networks]
EACH_NETWORK = pytest.mark.parametrize(("name", "network"), NETWORKS)
EACH_STYLE = pytest.mark.parametrize("style", STYLES)
# What stands in capitals and is not a constant: parts of a lesson that other tests are about.
PARTS = {
    "LINK",
    "SETTINGS",
    "NETWORKS",
    "OPTIONS",
    "PRESETS",
    "CAPTIONS",
    "FIGURES_BY",
    "CLAIMS",
    "ERRATA",
    "COMMANDS",
    "STEPS",
    "DIFFERS",
    "EXERCISES",
}


def own_data(name):
    """Returns the lesson's option of own data, and what the table of options says of each."""
    taken = {"document_cleaner": ["pairs"], "tiny_ae": []}.get(name, ["images"])
    return dict.fromkeys(taken, (True, None, tuple[str, ...] | None))


def cases(name):
    """Lists the networks of a lesson, each with the settings that change it or its training."""
    article = lesson(name).presets["article"]
    fields = [f for f in dataclasses.fields(article) if f.metadata.get("retrains")]
    fields = [f for f in fields if f.name not in own_data(name)]  # other data, the same network
    changes = [
        (f.name, value)
        for f in fields
        for value in f.metadata.get("choices") or numbers_for(name, f.name)
        if value != getattr(article, f.name)
    ]
    return [
        (name, network, setting)
        for network in lesson(name).networks
        for setting in [PUBLISHED, CORRECTED, *changes]
    ]


def numbers_for(name, option):
    """Finds the values for which an entry says what a numeric option makes of the networks."""
    if option in DEFAULTS:
        return []
    listed = [s for found in expected(name).networks.values() for s in found]
    found = dict.fromkeys(value for setting, value in listed if setting == option)
    return list(found) or [f"a value of {option}"]


CASES = [case for name in NAMES for case in cases(name)]
EACH_CASE = pytest.mark.parametrize(
    ("name", "network", "setting"), CASES, ids=lambda p: p if isinstance(p, str) else p[1]
)


def test_a_lesson_without_an_entry_is_named():
    with pytest.raises(AssertionError, match=r"the_next_lesson has no entry.*expected\.py"):
        expected("the_next_lesson")


@EACH_LESSON
def test_an_entry_speaks_of_every_network_and_every_setting_that_changes_it(name):
    listed = [
        (name, n, setting) for n, found in expected(name).networks.items() for setting in found
    ]
    assert sorted(listed) == sorted(cases(name))


@EACH_LESSON
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_sets_what_the_table_says(name, preset):
    presets = expected(name).presets
    settings = DEFAULTS | presets["article"] | presets[preset] | dict.fromkeys(own_data(name))
    assert dataclasses.asdict(lesson(name).presets[preset]) == settings


@EACH_LESSON
def test_an_option_is_what_the_table_says(name):
    fields = dataclasses.fields(lesson(name).presets["article"])
    options = {f.name: f for f in fields if "choices" in f.metadata}
    assert own_data(name) | expected(name).options == {
        name: (option.metadata["retrains"], option.metadata["choices"], option.type)
        for name, option in options.items()
    }


def modules_of(name):
    """Imports a lesson and its article."""
    package = "added" if name == "tiny_ae" else "tutorials"
    lesson(name)  # lets the package of articles find that of tiny_ae
    paths = (f"{package}.{name}", f"tutorials.articles.{name}")
    return [importlib.import_module(path) for path in paths]


def capitals(module):
    """Finds the constants that a module assigns, not those that it imports."""
    statements = ast.parse(inspect.getsource(module)).body
    assigned = [s for s in statements if isinstance(s, ast.Assign | ast.AnnAssign)]
    nodes = [n for s in assigned for n in ast.walk(s)]
    names = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return {name: getattr(module, name) for name in names if name.isupper()}


@EACH_LESSON
def test_the_table_has_every_constant_of_a_lesson_and_its_article(name):
    module, article = modules_of(name)
    found = capitals(module) | capitals(article)
    constants = {**expected(name).constants, "ARGUMENTS": expected(name).arguments}
    styles = [id(styles) for styles in module.NETWORKS.values()]
    prose = {n for n, v in found.items() if isinstance(v, str) and v.endswith(".")}
    others = PARTS | prose | {n for n, v in found.items() if id(v) in styles}
    missing = found.keys() - constants.keys() - others
    assert not missing, f"{missing} of {name} are not in the constants of tests/lessons/expected.py"
    values = {n: vars(module).get(n, vars(article).get(n)) for n in constants}
    assert nest.map_structure(named, values) == constants


def named(value):
    """Replaces a function by its name, and one with fixed arguments by these too."""
    if isinstance(value, functools.partial):
        return value.func.__name__, *value.args, *value.keywords.items()
    return value.__name__ if callable(value) else value


# Networks. Random weights and biases reach both sides of every ReLU and both ends of every sigmoid.


def variables_of(network):
    """Lists what is trained; both styles have the order of Keras."""
    return network.trainable_variables if isinstance(network, keras.Model) else network.weights


def settings_for(name, setting, **changes):
    article = lesson(name).presets["article"]
    field, value = setting
    return dataclasses.replace(article, **{field: value}, **changes)


def build(name, network, setting, style):
    keras.utils.set_random_seed(0)
    return lesson(name).networks[network][style].build(settings_for(name, setting))


def random_weights(network):
    rng = np.random.default_rng(0)
    drawn = []
    for shape in [tuple(v.shape) for v in variables_of(network)]:
        deviation = 0.3 if len(shape) == 1 else 1.5 / np.sqrt(np.prod(shape[:-1]))
        drawn.append(rng.normal(scale=deviation, size=shape))
    return drawn


def assert_equal(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * abs(theirs).max())


@EACH_STYLE
@EACH_CASE
def test_a_network_computes_what_numpy_does(name, network, setting, style):
    entry = expected(name).networks[network][setting]
    built = build(name, network, setting, style)
    w = random_weights(built)
    for variable, value in zip(variables_of(built), w, strict=True):
        variable.assign(value)
    rng = np.random.default_rng(1)
    x = rng.random((2, *entry.shape), "float32")
    z = rng.normal(size=(2, *entry.code_shape)).astype("float32")
    encode, decode, reconstruct = codec(built)
    code = entry.encode(w, x)
    for ours, theirs in zip(nest.flatten(encode(x)), nest.flatten(code), strict=True):
        assert ours.shape == z.shape
        assert_equal(ours, theirs)
    assert_equal(decode(z), entry.decode(w, z))
    mean = code[0] if isinstance(code, tuple) else code
    assert reconstruct(x).shape == x.shape
    assert_equal(reconstruct(x), entry.decode(w, mean))
    assert count_parameters(built) == sum(v.size for v in w) == entry.parameters


def assert_drawn(w, how):
    if isinstance(how, tuple):
        how, factor = how
        w = w / factor
    if how == 0:
        assert not w.any()
        return
    spread = 5 / math.sqrt(w.size)  # more than five standard errors of a standard deviation
    if how != "glorot":
        assert w.std() == pytest.approx(how, rel=spread)
        assert abs(w).max() > 2 * w.std()  # not uniform
        assert abs(w.mean()) < how * spread
        return
    field = math.prod(w.shape[:-2])
    fans = w.shape[-2:] if w.ndim > 1 else (w.size, w.size)
    limit = math.sqrt(6 / (field * sum(fans)))
    assert limit * (1 - 10 / w.size) < abs(w).max() <= limit
    assert w.std() == pytest.approx(limit / math.sqrt(3), rel=spread)
    assert abs(w.mean()) < limit * spread


@EACH_STYLE
@EACH_CASE
def test_the_first_weights_are_drawn_as_the_article_drew_them(name, network, setting, style):
    kernel, bias = expected(name).networks[network][setting].first_weights
    for variable in variables_of(build(name, network, setting, style)):
        w = variable.numpy()
        assert w.dtype == "float32"
        assert_drawn(w, bias if w.ndim == 1 else kernel)


# Training.


SWITCHED_OFF = ("weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema")
SWITCHED_OFF += ("loss_scale_factor", "gradient_accumulation_steps")


class HalfASigma:
    """Stands for the source of noise: every draw is one half."""

    def normal(self, shape, dtype):
        return tf.fill(shape, tf.constant(0.5, dtype))


@contextlib.contextmanager
def uncompiled():
    """Runs steps without making a graph of them, which takes much longer than two steps do."""
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


class DoneError(Exception):
    """A training has taken the steps that a test asks for."""


class Steps(StepRun):
    """A run that keeps the weights after each step, and ends a training after some steps."""

    def __init__(self, variables, num_steps):
        super().__init__("a run", num_steps)
        self.variables, self.weights = variables, []
        self.observe([])

    def observe(self, losses):
        super().observe(losses)
        self.weights.append([v.numpy() for v in self.variables])
        if len(self.step_losses) == self.num_steps > 0:
            raise DoneError

    def epochs(self, optimizer, patience=None):
        self.optimizer, self.patience = optimizer, patience
        return super().epochs(optimizer)

    def callbacks(self, patience=None):
        self.patience = patience
        return [Watch(self), *super().callbacks()]


class Watch(keras.callbacks.Callback):
    """Takes the compiled model to a run."""

    def __init__(self, run):
        super().__init__()
        self.run = run

    def on_train_begin(self, logs=None):
        self.run.compiled, self.run.optimizer = self.model, self.model.optimizer
        if not self.run.num_steps:
            raise DoneError


def without_randomness(built, monkeypatch):
    """Sets weights that every style gets, and makes every draw of noise 0.5."""
    for variable, w in zip(variables_of(built), random_weights(built), strict=True):
        variable.assign(w)
    monkeypatch.setattr(  # what `keras.random.normal` and `GaussianNoise` call
        "keras.src.backend.random.normal",
        lambda shape, mean, stddev, dtype, seed: ops.full(shape, mean + 0.5 * stddev, dtype),
    )
    if isinstance(built, tf.Module):
        built.noise = HalfASigma()


def gradients(loss, weights, numbers):
    """Computes the derivative for one number of each weight, by a central difference."""
    found = []
    for w, i in zip(weights, numbers, strict=True):
        middle, ends = w.flat[i], []
        for w.flat[i] in (middle - 1e-6, middle + 1e-6):
            ends.append(loss(weights))
        w.flat[i] = middle
        found.append((ends[1] - ends[0]) / 2e-6)
    return np.array(found)


def two_steps(name, network, setting, data, settings, monkeypatch):
    """Trains both styles for two steps in float64; returns what happened."""
    runs = []
    with computing_in("float64"), uncompiled():
        for style, (_, train) in lesson(name).networks[network].items():
            built = build(name, network, setting, style)
            if style == "low-level":
                in_float64(built)
            without_randomness(built, monkeypatch)
            runs.append(Steps(variables_of(built), 2))
            with pytest.raises(DoneError):
                train(built, data, settings, runs[-1])
    return runs


@EACH_CASE
@pytest.mark.filterwarnings("ignore:.*does not apply to tf.data functions")
def test_two_steps_follow_the_written_rule(monkeypatch, name, network, setting):
    table = expected(name)
    entry = table.networks[network][setting]
    data = table.data(2, "float64")
    # Both examples are one minibatch. Larger steps would magnify rounding.
    learning_rate = lesson(name).presets["article"].learning_rate / 100
    changes = {"batch_size": 2, "num_epochs": 2, "learning_rate": learning_rate}
    changes |= {"jit_compile": False, "steps_per_call": 1}
    settings = settings_for(name, setting, **changes)
    runs = two_steps(name, network, setting, data, settings, monkeypatch)

    def loss(w, epoch=0, fields=table.trains_on):
        x, target = (getattr(data, field) for field in fields)
        if entry.drawn and fields == table.trains_on:
            x = entry.drawn(data, settings, epoch)
        code = entry.encode(w, entry.corrupt(x))
        loss = entry.loss(target, entry.decode(w, entry.sample(code)), code)
        return loss + entry.penalty(w, code)

    first, second, third = runs[0].weights
    # Of each kernel and bias, the number with the largest gradient.
    largest = [np.argmax(abs(a - b)) for a, b in zip(first, second, strict=True)]
    chosen = [
        np.array([w.flat[i] for w, i in zip(ws, largest, strict=True)]) for ws in runs[0].weights
    ]
    losses = [functools.partial(loss, epoch=epoch) for epoch in (0, 1)]
    g = [gradients(*at, largest) for at in zip(losses, (first, second), strict=True)]
    config = {"learning_rate": learning_rate, **entry.optimizer.config}
    for before, after in ((0, 1), (0, 2)):
        rule = entry.optimizer.rule(g[:after], **config)
        np.testing.assert_allclose(chosen[after] - chosen[before], rule, rtol=1e-4)
    for w, w_keras in zip(third, runs[1].weights[2], strict=True):
        np.testing.assert_allclose(w_keras, w, rtol=1e-7, atol=1e-9)
    for run in runs:
        assert run.step_losses == pytest.approx([loss(first, 0), loss(second, 1)], rel=1e-6)
        validated = [epoch["val_loss"] for epoch in run.history if "val_loss" in epoch]
        right = [loss(second, fields=table.validates_on)] if table.validates_on else []
        assert validated == pytest.approx(right, rel=1e-6)
        assert type(run.optimizer).__name__ == entry.optimizer.name
        found = run.optimizer.get_config()
        assert {name: found[name] for name in config} == pytest.approx(config)
        assert not any(found[name] for name in SWITCHED_OFF)
        assert run.patience == table.patience


@EACH_NETWORK
def test_both_styles_report_the_same_losses(monkeypatch, name, network):
    """Several minibatches, compiled and in float32; the last one is smaller."""
    data = expected(name).data(35)
    changes = {"batch_size": 16, "num_epochs": 2, "jit_compile": False, "steps_per_call": 1}
    changes["learning_rate"] = lesson(name).presets["article"].learning_rate / 100
    settings = settings_for(name, PUBLISHED, **changes)
    histories = []
    for style in STYLES:
        built = build(name, network, PUBLISHED, style)
        without_randomness(built, monkeypatch)
        run = Run("a run", settings.num_epochs)
        lesson(name).networks[network][style].train(built, data, settings, run)
        histories.append(run.history)
    assert [len(history) for history in histories] == [2, 2]
    for ours, theirs in zip(*histories, strict=True):
        shared = (set(ours) & set(theirs)) - {"seconds"}
        assert {"loss", lesson(name).printed_loss} <= shared
        assert ("val_loss" in shared) == (expected(name).validates_on is not None)
        assert [theirs[e] for e in shared] == pytest.approx([ours[e] for e in shared], rel=1e-4)


class KnownError(Exception):
    """The minibatches of an epoch are known."""


class Minibatches(Run):
    """A run that ends when it knows the minibatches of the first epoch."""

    def chunks(self, batches):
        raise KnownError(batches)

    def dataset(self, order, *arrays):
        raise KnownError(order.epoch(0))


def first_epoch(name, network, setting, style, **changes):
    """Returns the minibatches that a training takes, each an array of example numbers."""
    x = np.zeros((expected(name).networks[network][setting].num_train, 1), "float32")
    data = SimpleNamespace(**{field: x for field in vars(expected(name).data(1))})
    settings = settings_for(name, setting, **changes)
    make, train = lesson(name).networks[network][style]
    with pytest.raises(KnownError) as known:
        train(make(settings), data, settings, Minibatches("a run", 1))
    return known.value.args[0]


@EACH_CASE
def test_an_epoch_takes_the_article_s_steps_in_an_order_of_the_seed(name, network, setting):
    steps = expected(name).networks[network][setting].steps_per_epoch
    orders = [
        first_epoch(name, network, setting, style, seed=seed) for seed in (0, 1) for style in STYLES
    ]
    assert [len(order) for order in orders] == 4 * [steps]
    ours, theirs, others, theirs_too = map(np.concatenate, orders)
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(others, theirs_too)
    assert not np.array_equal(ours, others)


# Speed.


@pytest.mark.parametrize("jit_compile", [True, False])
@EACH_NETWORK
def test_xla_compiles_low_level_steps_if_the_settings_say_so(name, network, jit_compile):
    """XLA refuses to compile a call of Python."""
    built = build(name, network, PUBLISHED, "low-level")
    encode = built.encode

    def call_python(x):
        raise DoneError("Python is called")

    built.encode = lambda x: encode(
        tf.reshape(tf.numpy_function(call_python, [x], x.dtype), x.shape)
    )
    settings = settings_for(name, PUBLISHED, batch_size=2, jit_compile=jit_compile)
    run = Run("a run", 1)
    told = "unsupported operations" if jit_compile else "Python is called"
    with pytest.raises(tf.errors.OpError, match=told):
        lesson(name).networks[network]["low-level"].train(
            built, expected(name).data(2), settings, run
        )


@pytest.mark.parametrize("jit_compile", [True, False])
@EACH_NETWORK
def test_keras_compiles_steps_as_the_settings_say(name, network, jit_compile):
    built = build(name, network, PUBLISHED, "keras")
    settings = settings_for(
        name, PUBLISHED, batch_size=2, jit_compile=jit_compile, steps_per_call=7
    )
    run = Steps([], num_steps=0)
    with pytest.raises(DoneError):
        lesson(name).networks[network]["keras"].train(built, expected(name).data(2), settings, run)
    assert run.compiled.jit_compile is jit_compile
    assert run.compiled.steps_per_execution == 7
