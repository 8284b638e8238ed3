"""An added lesson adds its two files and changes no other; a mistake in them gets one sentence."""

import shutil
import sys

import tutorials
from tutorials import __main__ as commands
from tutorials import articles

import nbformat
import pytest
from running import ADDED, NAMES, read_record

WITHOUT_ARTICLE = "copied_ae"
LESSON, ARTICLE = "tiny_ae.py", "articles/tiny_ae.py"


@pytest.fixture
def added(tmp_path, monkeypatch):
    """The lessons, one more in the folder that this returns, and a copy without an article."""
    folder = tmp_path / "lessons"
    shutil.copytree(ADDED, folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(folder / LESSON, folder / f"{WITHOUT_ARTICLE}.py")
    monkeypatch.setattr(tutorials, "__path__", [*tutorials.__path__, str(folder)])
    here = [path for path in articles.__path__ if str(ADDED) not in path]
    monkeypatch.setattr(articles, "__path__", [*here, str(folder / "articles")])
    for name in ("tutorials.tiny_ae", f"tutorials.{WITHOUT_ARTICLE}", "tutorials.articles.tiny_ae"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield folder
    for name in ("tutorials.tiny_ae", f"tutorials.{WITHOUT_ARTICLE}", "tutorials.articles.tiny_ae"):
        sys.modules.pop(name, None)


def change(path, changes):
    """Replaces parts of a file; each must be in it at least once."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def run(*arguments):
    return commands.main([str(argument) for argument in arguments])


def one_sentence(capsys):
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.endswith((".\n", "?\n"))
    return err


def test_it_is_listed_where_its_article_puts_it(added, capsys):
    assert tutorials.names() == [*NAMES, "tiny_ae", WITHOUT_ARTICLE]
    commands.main([])
    listed = capsys.readouterr().out.splitlines()
    title = "A tiny autoencoder repeats pictures of sixteen random pixels."
    assert f"{'tiny_ae':18}{title}" in listed


def test_it_runs_in_both_styles_and_leaves_a_report(added, tmp_path, capsys):
    out = tmp_path / "runs"
    assert not run("run", "tiny_ae", "--preset", "smoke", "--out", out)
    record = read_record(out / "tiny_ae")
    assert [t["style"] for t in record["trainings"]] == ["low-level", "keras"]
    assert [len(t["history"]) for t in record["trainings"]] == [2, 2]
    assert (out / "tiny_ae" / "figures" / "keras-pair.png").is_file()
    assert not run("report", out)
    page = (out / "report" / "tiny_ae.html").read_text(encoding="utf-8")
    assert "A picture over what the network makes of it." in page
    assert "It repeats what it is given." in page
    assert "The weights are twice as large as they need be." in page


def test_its_claims_are_measured_at_its_own_settings(added, tmp_path, capsys):
    assert not run("tiny_ae", "--style", "keras", "--out", tmp_path / "run")
    (training,) = read_record(tmp_path / "run")["trainings"]
    assert [claim["holds"] for claim in training["claims"]] == [True]


def test_its_article_passes_arguments_to_its_functions(added, tmp_path):
    losses = {}
    for number, options in enumerate(([], ["--variant", "corrected"], ["--darkness", "3"])):
        folder = tmp_path / str(number)
        assert not run("tiny_ae", "--preset", "smoke", *options, "--out", folder)
        for training in read_record(folder)["trainings"]:
            losses[number, training["style"]] = training["history"][0]["loss"]
    assert len(set(losses.values())) == len(losses)
    for style in ("low-level", "keras"):
        assert losses[2, style] < losses[1, style]  # darker pictures, whose errors are smaller


def test_its_styles_are_compared(added, tmp_path, capsys):
    assert not run("parity", "tiny_ae", "--steps", "10", "--out", tmp_path)
    assert "tiny_ae" in capsys.readouterr().out
    assert (tmp_path / "tiny_ae.png").is_file()


def test_it_becomes_a_notebook_and_its_errata_are_printed(added, tmp_path, capsys):
    assert not run("notebooks", "tiny_ae", "--out", tmp_path)
    cells = nbformat.read(tmp_path / "tiny_ae.ipynb", as_version=4).cells
    assert any(cell.source.startswith("def train_keras(") for cell in cells)
    assert not run("errata", "tiny_ae")
    assert "The weights are twice as large" in capsys.readouterr().out


def test_a_copy_without_an_article_runs_too(added, tmp_path):
    folder = tmp_path / "run"
    assert not run(WITHOUT_ARTICLE, "--preset", "smoke", "--style", "keras", "--out", folder)
    assert read_record(folder)["lesson"] == WITHOUT_ARTICLE


APPENDIX = """

def appendix(data, settings, report, networks):
    errors = {n: float(test_error(one, data, settings)) for n, one in networks().items()}
    report.result("errors", errors)
"""


def test_its_appendix_gets_the_trained_networks(added, tmp_path, capsys):
    """Those of the style that was trained last, also if the run is drawn again."""
    path = added / ARTICLE
    path.write_text(path.read_text() + APPENDIX)
    assert not run("tiny_ae", "--out", tmp_path / "run")
    record = read_record(tmp_path / "run")
    claimed = [training["claims"][0]["value"] for training in record["trainings"]]
    errors = record["appendix"]["results"]["errors"]
    assert errors == {"autoencoder": pytest.approx(claimed[1], rel=1e-6)}
    assert claimed[0] != claimed[1]
    assert not run("tiny_ae", "--from", tmp_path / "run")
    assert read_record(tmp_path / "run")["appendix"]["results"]["errors"] == errors


# Two networks

NETWORKS = """NETWORKS = {
    "autoencoder": {"""
TWO_NETWORKS = {
    "(encode, decode, data)": "(encode, decode, data, network_name)",
    '"pair": figure': 'f"of-the-{network_name}": figure',
    NETWORKS: """LOW_LEVEL, KERAS = (Autoencoder, train_low_level), (build_keras, train_keras)
NETWORKS = {
    "second": {"low-level": LOW_LEVEL, "keras": KERAS},
    "first": {""",
}
ABOUT_ONE = {
    "        at_most=1,": '        at_most=1,\n        network="first",',
    'measures={"mean squared error on test pictures": test_error},': "",
    "CLAIMS =": '''
def draw(network, data, settings, report):
    """Draws an empty figure, under another name for each network."""
    report.figure(f"only-{report.network_name}", plt.figure())


def plane(network, data, network_name):
    """Lays out the pictures of one network alone."""
    decode = codec(network).decode
    images, labels = data.x_train.reshape(-1, 4, 4, 1), np.zeros(len(data.x_train), int)
    plane = Plane(lambda z: decode(np.tile(z, 2)), data.x_train[:, :2], images, labels, ["any"])
    return plane if network_name == "first" else None


CLAIMS =''',
    "from ae.lesson": """import matplotlib.pyplot as plt
import numpy as np
from ae.networks import codec
from ae.report.snapshots import Plane
from ae.lesson""",
}


def test_figures_claims_and_plane_may_differ_from_network_to_network(added, tmp_path, capsys):
    change(added / LESSON, TWO_NETWORKS)
    change(added / ARTICLE, ABOUT_ONE)
    folder = tmp_path / "run"
    assert not run("tiny_ae", "--style", "keras", "--out", folder)
    second, first = read_record(folder)["trainings"]
    assert (second["network"], first["network"]) == ("second", "first")
    for training in (second, first):
        name = training["network"]
        expected = [f"{name}-keras-{kind}-{name}.png" for kind in ("of-the", "only")]
        assert training["figures"] == [f"figures/{figure}" for figure in expected]
    assert [len(training["claims"]) for training in (second, first)] == [0, 1]
    assert second["plane"] is None
    assert first["plane"]["classes"] == ["any"]
    before = [read_record(folder)["trainings"][n]["figures"] for n in (0, 1)]
    assert not run("tiny_ae", "--from", folder)
    assert [training["figures"] for training in read_record(folder)["trainings"]] == before


# Options of its own

KINDS = {
    "OPTIONS = {": """OPTIONS = {
    "rate": Option(0.05, "50 % by default", True),
    "size": Option(3, "a whole number", True),
    "dark": Option(False, "yes or no", True),
    "light": Option(True, "yes or no", True),
    "label": Option("a", "a word", False),
    "noise": Option(None, "a number or nothing", True, type=float | None),
    "counts": Option((1, 2), "numbers", True, type=tuple[int, ...]),
    "part": Option(None, "one of nine", False, type=int | None, bounds=(1, 9)),
    """
}
CHOSEN = [
    "--rate=0.1",
    "--size=4",
    "--dark",
    "--no-light",
    "--label=b",
    "--noise=0",
    "--counts=3,4",
    "--part=9",
]


def test_its_options_take_values_of_every_kind(added, tmp_path, capsys):
    change(added / ARTICLE, KINDS)
    smoke = ("tiny_ae", "--preset", "smoke", "--style", "keras")
    assert not run(*smoke, *CHOSEN, "--out", tmp_path / "run")
    settings = read_record(tmp_path / "run")["settings"]
    values = {"rate": 0.1, "size": 4, "dark": True, "light": False, "label": "b", "noise": 0.0}
    assert values.items() <= settings.items()
    assert (settings["counts"], settings["part"]) == ([3, 4], 9)

    # `--from` takes those that do not change the trained network.
    capsys.readouterr()
    assert not run("tiny_ae", "--from", tmp_path / "run", "--label", "c")
    assert run("tiny_ae", "--from", tmp_path / "run", "--rate", "0.1") == 2
    assert "--from takes its settings from the run" in one_sentence(capsys)

    with pytest.raises(SystemExit):
        run("tiny_ae", "--help")
    assert "50 % by default" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--rate", "x"], "--rate: must be a number not below zero, not 'x'"),
        (["--rate", "-1"], "--rate: must be a number not below zero, not '-1'"),
        (["--size", "4.5"], "--size: must be a whole number not below zero, not '4.5'"),
        (["--noise", "nan"], "--noise: must be a number not below zero, not 'nan'"),
        (["--counts", "3,x"], "--counts: must be a whole number not below zero, not 'x'"),
        (["--part", "0"], "--part: must be a whole number from 1 to 9, not '0'"),
        (["--part", "10"], "--part: must be a whole number from 1 to 9, not '10'"),
        (["--darkness", "5"], "--darkness: invalid choice"),
        (["--no-dark", "1"], "unrecognized arguments: 1"),
    ],
)
def test_a_bad_value_of_its_options(added, tmp_path, capsys, arguments, part):
    change(added / ARTICLE, KINDS)
    assert run("tiny_ae", *arguments, "--out", tmp_path / "run") == 2
    assert part in one_sentence(capsys)
    assert not (tmp_path / "run").exists()


# Mistakes, each with what its sentence names

WEIGHTS = "        self.weights = [self.W1, self.b1, self.W2, self.b2]"
PAIR = '        "keras": (build_keras, train_keras),\n'
OF_IMPORT = {
    "a mistake of syntax": (
        LESSON,
        {"def load(": "def load(("},
        ["tutorials.tiny_ae", "(tiny_ae.py, line "],
    ),
    "a missing package": (
        LESSON,
        {"import keras\n": "import keras\nimport kerras\n"},
        ["tutorials.tiny_ae", "line 17", "kerras"],
    ),
    "a name that is not there": (
        ARTICLE,
        {"Option(2": "Options(2"},
        ["tutorials.articles.tiny_ae", "line 8", "'Options' is not defined"],
    ),
}
OF_FORM = {
    "no settings": (LESSON, {"SETTINGS =": "CONSTANTS ="}, ["lacks `SETTINGS`"]),
    "no figures": (LESSON, {"def draw(": "def plot("}, ["lacks `draw`"]),
    "one style": (LESSON, {PAIR: ""}, ["NETWORKS", "both styles"]),
    "a network that is built": (LESSON, {"(build_keras,": "(build_keras(),"}, ["NETWORKS"]),
    "an unknown preset": (ARTICLE, {'"quick":': '"quik":'}, ["PRESETS", "did you mean 'quick'?"]),
    "a preset of an unknown setting": (
        ARTICLE,
        {'{"num_epochs": 3}': '{"epochs": 3}'},
        ["PRESETS", "'epochs'; did you mean 'num_epochs'?"],
    ),
    "arguments for an unknown setting": (
        ARTICLE,
        {'("darkness", 3)': '("dark", 3)'},
        ["ARGUMENTS", "'dark'; did you mean 'darkness'?"],
    ),
    "arguments for a value that is no choice": (
        ARTICLE,
        {'("darkness", 3)': '("darkness", 4)'},
        ["ARGUMENTS", "darkness is never '4'; there are 2, 3."],
    ),
    "arguments for some values of many": (
        ARTICLE,
        {", choices=(2, 3)": ""},
        ["ARGUMENTS", "'darkness' may have values that no entry names", "give it choices"],
    ),
    "arguments for an unknown variant": (
        ARTICLE,
        {'"corrected")': '"correct")'},
        ["ARGUMENTS", "'correct'; did you mean 'corrected'?"],
    ),
    "arguments for a function that gets none": (
        ARTICLE,
        {'"load": {"darkness": 3}': '"minibatches": {"data": 3}'},
        ["ARGUMENTS", "'minibatches'", "load"],
    ),
    "an unknown argument": (
        ARTICLE,
        {'"load": {"darkness"': '"load": {"light"'},
        ["ARGUMENTS", "`load` has no argument 'light'"],
    ),
    "an unknown setting whose value is passed on": (
        ARTICLE,
        {'PASSED_ON = {"code_size"': 'PASSED_ON = {"code_sise"'},
        ["PASSED_ON", "'code_sise'; did you mean 'code_size'?"],
    ),
    "a value that no function gets": (
        ARTICLE,
        {'"code_size": {"Autoencoder": "units", ': '"code_size": {"Autoencoders": "units", '},
        ["PASSED_ON", "'Autoencoders'; did you mean 'Autoencoder'?"],
    ),
    "a value for an unknown argument": (
        ARTICLE,
        {'{"Autoencoder": "units", ': '{"Autoencoder": "unit", '},
        ["PASSED_ON", "`Autoencoder` has no argument 'unit'; did you mean 'units'?"],
    ),
    "an option without a type": (
        ARTICLE,
        {"OPTIONS = {": 'OPTIONS = {"size": Option(None, "a size", True), '},
        ["'size' needs a type"],
    ),
    "an option that every lesson has": (
        ARTICLE,
        {"OPTIONS = {": 'OPTIONS = {"out": Option("a", "a place", True), '},
        ["--out"],
    ),
    "a claim that is not in a list": (
        ARTICLE,
        {"CLAIMS = [": "CLAIMS = (", "    )\n]\nERR": "    )\n)\nERR"},
        ["CLAIMS must be a list"],
    ),
    "a claim about an unknown network": (
        ARTICLE,
        {"        at_most=1,": '        at_most=1,\n        network="encoder",'},
        ["CLAIMS", "'encoder'"],
    ),
    "an erratum about an unknown network": (
        ARTICLE,
        {'quote="stddev=0.2",': 'quote="stddev=0.2", network="encoder",'},
        ["ERRATA", "'encoder'"],
    ),
}
PROVENANCE = ', datasets.Provenance("random numbers", "0" * 64)'
OF_RESULTS = {
    "data without provenance": (
        LESSON,
        {PROVENANCE: "", "    provenance: datasets.Provenance\n": ""},
        ["`load`", "has no provenance"],
    ),
    "data without test examples": (
        LESSON,
        {"x_test: ": "x_val: ", "data.x_test": "data.x_val"},
        ["`load`", "has no x_test"],
    ),
    "a network without a decoder": (
        LESSON,
        {"def decode(": "def decoded(", "network.decode(": "network.decoded("},
        ["`Autoencoder`", "lacks decode"],
    ),
    "a variable outside the weights": (
        LESSON,
        {
            WEIGHTS: f"        self.b3 = [(tf.Variable(0.0),)]\n{WEIGHTS}",
            "@ self.W2 +": "@ self.W2 + self.b3[0][0] +",
        },
        ["`Autoencoder`", 'network.weights lacks the variable "b3"'],
    ),
    "an optimizer that is not built": (
        LESSON,
        {"    optimizer.build(network.weights)\n": ""},
        ["tiny_ae low-level", "optimizer.build(network.weights)"],
    ),
    "no optimizer": (
        LESSON,
        {"run.epochs(optimizer)": "run.epochs(None)"},
        ["tiny_ae low-level", "run.epochs takes the Keras optimizer"],
    ),
    "no losses": (
        LESSON,
        {"run.log(train_steps(rows))": "train_steps(rows)"},
        ["tiny_ae low-level", "run.log(losses)"],
    ),
    "a loop of its own": (
        LESSON,
        {"in run.epochs(optimizer)": "in range(0)"},
        ["`train_low_level` ended after 0 of 2 epochs"],
    ),
    "a loss that is not a number": (
        LESSON,
        {"loss = tf.reduce_mean(": "loss = np.nan * tf.reduce_mean("},
        ["tiny_ae low-level", "the loss became nan by step 1 of epoch 1"],
    ),
}
OF_KERAS = {
    "no encoder": (LESSON, {'name="encoder"': 'name="first"'}, ["`build_keras`", "lacks encoder"]),
    "nothing built": (
        LESSON,
        {"return keras.Model(x, decoder": "keras.Model(x, decoder"},
        ["`build_keras`", "NoneType"],
    ),
    "no callbacks": (
        LESSON,
        {"        callbacks=run.callbacks(),\n": ""},
        ["`train_keras` ended after 0 of 2 epochs", "run.callbacks()"],
    ),
    "no number of epochs": (
        LESSON,
        {"        epochs=settings.num_epochs,\n": ""},
        ["`train_keras` ended after 1 of 2 epochs", "epochs=settings.num_epochs"],
    ),
}


def each(mistakes):
    return pytest.mark.parametrize(
        ("path", "changes", "parts"), mistakes.values(), ids=mistakes.keys()
    )


@each(OF_IMPORT | OF_FORM)
def test_a_mistake_in_its_files_costs_this_lesson_alone(added, capsys, path, changes, parts):
    change(added / path, changes)
    assert run("tiny_ae", "--preset", "smoke") == 2
    sentence = one_sentence(capsys)
    assert all(part in sentence for part in ["tiny_ae", *parts])
    commands.main([])
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed[: len(NAMES) + 1]] == [*NAMES, "tiny_ae"]
    assert not run("errata", NAMES[0])


def test_a_mistake_in_one_of_all_lessons_is_named_before_any_trains(added, tmp_path, capsys):
    change(added / LESSON, {"def load(": "def load(("})
    assert run("run", "--out", tmp_path / "runs") == 2
    assert "tutorials.tiny_ae cannot be imported" in one_sentence(capsys)
    assert not (tmp_path / "runs").exists()


@each(OF_RESULTS)
def test_a_mistake_in_its_functions(added, tmp_path, capsys, path, changes, parts):
    change(added / path, changes)
    assert run("tiny_ae", "--preset", "smoke", "--out", tmp_path / "run") == 2
    sentence = one_sentence(capsys)
    assert all(part in sentence for part in ["tiny_ae", *parts])
    assert not (tmp_path / "run").exists()


@each(OF_KERAS)
def test_a_mistake_in_its_keras_half(added, tmp_path, capsys, path, changes, parts):
    change(added / path, changes)
    options = ("--preset", "smoke", "--style", "keras", "--out", tmp_path / "run")
    assert run("tiny_ae", *options) == 2
    sentence = one_sentence(capsys)
    assert all(part in sentence for part in ["tiny_ae", *parts])
    assert not (tmp_path / "run" / "record.json").exists()


# What a training cost is not lost by a mistake in what follows it


def test_a_figure_that_is_none_can_be_corrected_and_the_run_resumed(added, tmp_path, capsys):
    change(added / LESSON, {'return {"pair": figure}': "return [figure]"})
    folder = tmp_path / "run"
    smoke = ("tiny_ae", "--preset", "smoke", "--style", "keras", "--out", folder)
    assert run(*smoke) == 2
    assert "tiny_ae: `draw` must return a dictionary" in one_sentence(capsys)
    assert not (folder / "record.json").exists()
    change(added / LESSON, {"return [figure]": 'return {"pair": figure}'})
    sys.modules.pop("tutorials.tiny_ae")
    assert not run("tiny_ae", "--resume", folder)
    assert len(read_record(folder)["trainings"][0]["history"]) == 2


@pytest.mark.parametrize(
    ("path", "changes", "part"),
    [
        (LESSON, {'"pair": figure': '"pair": axes'}, "keras-pair.png"),
        (
            ARTICLE,
            {
                "CLAIMS =": "def draw(network, data, settings, report):\n"
                '    report.figure("pair", plt.figure())\n\n\nCLAIMS =',
                "from ae.lesson": "import matplotlib.pyplot as plt\nfrom ae.lesson",
            },
            "two figures",
        ),
    ],
    ids=["no figure", "two of one name"],
)
def test_a_mistake_in_a_figure(added, tmp_path, capsys, path, changes, part):
    change(added / path, changes)
    options = ("--preset", "smoke", "--style", "keras", "--out", tmp_path / "run")
    assert run("tiny_ae", *options) == 2
    sentence = one_sentence(capsys)
    assert "keras-pair.png" in sentence
    assert part in sentence
    assert not (tmp_path / "run" / "record.json").exists()


# A network that is saved without one of its variables

FORGETFUL = '''@keras.saving.register_keras_serializable(package="tests")
class Shift(layers.Layer):
    """Adds a trained number, and saves nothing."""

    def build(self, shape):
        self.shift = self.add_weight(shape=[], initializer="ones", name="shift"{trainable})

    def save_own_variables(self, store):
        pass

    def load_own_variables(self, store):
        pass

    def call(self, x):
        return x + self.shift


# %% Keras: network'''
WITH_SHIFT = {
    "keras.Model(z, layers.Dense(16, kernel_initializer=normal)(z)": "keras.Model(z, "
    "Shift()(layers.Dense(16, kernel_initializer=normal)(z))"
}


def test_a_keras_variable_that_is_not_saved_is_named(added, tmp_path, capsys):
    shift = {"# %% Keras: network": FORGETFUL.replace("{trainable}", "")}
    change(added / LESSON, shift | WITH_SHIFT)
    options = ("--preset", "smoke", "--style", "keras", "--out", tmp_path / "run")
    assert run("tiny_ae", *options) == 2
    assert 'tiny_ae keras: the saved network lacks the variable "shift/shift"' in (
        one_sentence(capsys)
    )
    assert not (tmp_path / "run" / "record.json").exists()


def test_a_state_that_is_not_saved_is_found_by_what_the_network_computes(added, tmp_path, capsys):
    """`fit` does not train it; the lesson changes it after the training."""
    shift = {"# %% Keras: network": FORGETFUL.replace("{trainable}", ", trainable=False")}
    last = {
        "        verbose=0,\n    )\n": "        verbose=0,\n    )\n"
        '    autoencoder.get_layer("decoder").layers[-1].shift.assign(0.5)\n'
    }
    change(added / LESSON, shift | WITH_SHIFT | last)
    options = ("--preset", "smoke", "--style", "keras", "--out", tmp_path / "run")
    assert run("tiny_ae", *options) == 2
    assert "lacks something besides its trainable variables" in one_sentence(capsys)


def test_a_low_level_variable_that_is_not_saved_is_found(added, tmp_path, capsys):
    """A closure holds it, so neither TensorFlow nor `weights` knows it."""
    change(
        added / LESSON,
        {
            WEIGHTS: f"""        hidden = tf.Variable(0.0)
        self.hidden = lambda: hidden
{WEIGHTS}""",
            "@ self.W2 +": "@ self.W2 + self.hidden() +",
            "        return loss\n": """        network.hidden().assign_add(0.01)
        return loss
""",
        },
    )
    options = ("--preset", "smoke", "--style", "low-level", "--out", tmp_path / "run")
    assert run("tiny_ae", *options) == 2
    assert "tiny_ae low-level: the saved network lacks" in one_sentence(capsys)
    assert not (tmp_path / "run" / "record.json").exists()
