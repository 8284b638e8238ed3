"""The lessons' networks once more, for frameworks that only share NumPy: one description of each.

A network is a list of steps on an image or a row. Weights are in the order and layout of Keras:
kernels (in, out) and (height, width, in, out), each followed by its bias.
"""

DENSE = "dense"
CONV = "conv"  # 3 x 3, "same" unless said otherwise
POOL, UP, FLATTEN = "pool", "up", "flatten"
RELU, SIGMOID = "relu", "sigmoid"

DENSE_AE = [DENSE, RELU] * 6
SIGMOID_AE = [DENSE, SIGMOID] * 4
LOW_LEVEL_CLASS = [DENSE, RELU, DENSE]  # ends at the logits
LOW_LEVEL_LAYERS = [DENSE, DENSE, DENSE, SIGMOID]
CONV_DENOISER = [
    *[CONV, RELU, POOL] * 3,
    *[CONV, RELU, UP] * 2,
    *("conv valid", RELU, UP, CONV, SIGMOID),
]
DOCUMENT_CLEANER = [CONV, RELU, POOL, CONV, RELU, UP, CONV, SIGMOID]
VAE_ENCODER = [CONV, RELU, "conv stride 2", RELU, CONV, RELU, CONV, RELU, FLATTEN, DENSE, RELU]
VAE_DECODER = [DENSE, RELU, "unflatten", "transposed", RELU, CONV, SIGMOID]

NETWORKS = {
    "dense_ae": DENSE_AE,
    "sigmoid_ae": SIGMOID_AE,
    "low_level_ae_class": LOW_LEVEL_CLASS,
    "low_level_ae_layers": LOW_LEVEL_LAYERS,
    "conv_denoiser": CONV_DENOISER,
    "document_cleaner": DOCUMENT_CLEANER,
    "fashion_vae": None,  # two lists, and two heads between them
}
# Rule, step size and epsilon. "tf1" and "keras2" say how RMSprop starts and where it adds epsilon.
OPTIMIZERS = {
    "dense_ae": ("tf1", 0.001, 1e-10),
    "sigmoid_ae": ("tf1", 0.01, 1e-10),
    "low_level_ae_class": ("tf1", 0.005, 1e-10),
    "low_level_ae_layers": ("adam", 0.001, 1e-8),
    "conv_denoiser": ("adam", 0.001, 1e-7),
    "document_cleaner": ("adam", 0.001, 1e-7),
    "fashion_vae": ("keras2", 0.001, 1e-7),
}
