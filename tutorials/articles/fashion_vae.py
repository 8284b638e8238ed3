from ae.lesson import Option
from tutorials.fashion_vae import HELD_OUT
ORDER = 6
OPTIONS = {"generate": Option(None, "draw new clothes of a class", False, None, str | None)}
PRESETS = {"quick": {"num_epochs": 2, "num_train": 10_000, "num_test": 1000},"smoke": {"num_epochs": 1, "num_train": 320, "num_test": 64}}
ARGUMENTS = {
    ("variant", "corrected"): {
        "load": {"held_out": HELD_OUT},
        "VAE": {"power": 2},
        "train_low_level": {"kl_weight": 1 / 784},
        "build_keras": {"power": 2, "kl_weight": 1 / 784},
    },
}
