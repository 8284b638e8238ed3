"""What an article would say of `tiny_ae`."""

from ae.lesson import Claim, Erratum, Option
from ae.proof.digits import test_error

ORDER = 99
OPTIONS = {
    "darkness": Option(2, "how dark the pictures are", True, choices=(2, 3)),
    "code_size": Option(4, "numbers in a code", True),
}
PRESETS = {"smoke": {"num_epochs": 2}, "quick": {"num_epochs": 3}}
CAPTIONS = {"pair": "A picture over what the network makes of it."}
ARGUMENTS = {
    ("variant", "corrected"): {"Autoencoder": {"stddev": 0.1}, "build_keras": {"stddev": 0.1}},
    ("darkness", 3): {"load": {"darkness": 3}},
}
PASSED_ON = {"code_size": {"Autoencoder": "units", "build_keras": "units"}}
CLAIMS = [
    Claim(
        "It repeats what it is given.",
        quantity="Mean squared error on test pictures",
        measure=test_error,
        at_most=1,
        why="Pixels are at most 1.",
    )
]
ERRATA = [
    Erratum(
        quote="stddev=0.2",
        problem="The weights are twice as large as they need be.",
        effect="The first losses are larger.",
        fix="The corrected variant halves them.",
        measures={"mean squared error on test pictures": test_error},
    )
]
