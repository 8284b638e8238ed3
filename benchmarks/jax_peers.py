"""The peer on JAX: compiled steps over data in memory; dense networks take an epoch in a `scan`."""

import time
from collections.abc import Callable

from benchmarks import networks
from benchmarks.problems import FOREVER, Problem

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, nn

LAYOUT = ("NHWC", "HWIO", "NHWC")


def scan(problem: Problem, epoch_done: Callable[[float, float], None]) -> None:
    """Trains dense networks an epoch in one call, convolutional ones a step."""
    rule, *constants = networks.OPTIMIZERS[problem.name]
    update = {"adam": _adam, "tf1": _rmsprop_tf1, "keras2": _rmsprop_keras2}[rule]
    loss_of = LOSSES.get(problem.name, _mean_squared_error)
    x, y = jnp.asarray(problem.inputs), jnp.asarray(problem.targets)

    def step(state, rows):
        weights, slots, t, key = state
        key, noise = jax.random.split(key)
        loss, gradients = jax.value_and_grad(loss_of, argnums=1)(
            problem.name, weights, x[rows], y[rows], noise
        )
        triples = zip(weights, gradients, slots, strict=True)
        new = [update(*triple, t, *constants) for triple in triples]
        return ([w for w, _ in new], [s for _, s in new], t + 1, key), loss

    train = jax.jit(lambda state, rows: lax.scan(step, state, rows))
    if problem.inputs.ndim == 4:  # on a CPU, XLA's convolutions in a loop are slower still
        one_step = jax.jit(step)

        def train(state, batches):
            losses = []
            for rows in batches:
                state, loss = one_step(state, rows)
                losses.append(loss)
            return state, jnp.stack(losses)

    weights = [jnp.asarray(w) for w in problem.weights]
    start = jnp.ones_like if rule == "tf1" else jnp.zeros_like
    slots = [(jnp.zeros_like(w), start(w)) for w in weights]
    state = (weights, slots, jnp.float32(1), jax.random.key(0))
    for epoch in range(FOREVER):
        rows = jnp.asarray(np.stack(problem.order.epoch(epoch)))
        started = time.perf_counter()
        state, losses = train(state, rows)
        losses.block_until_ready()
        seconds = time.perf_counter() - started
        epoch_done(float(losses.mean()), seconds)


def _adam(w, g, slots, t, learning_rate, epsilon):
    m, v = slots
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    step_size = learning_rate * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return w - step_size * m / (jnp.sqrt(v) + epsilon), (m, v)


def _rmsprop_tf1(w, g, slots, t, learning_rate, epsilon):
    v = 0.9 * slots[1] + 0.1 * g**2
    return w - learning_rate * g / jnp.sqrt(v + epsilon), (slots[0], v)


def _rmsprop_keras2(w, g, slots, t, learning_rate, epsilon):
    v = 0.9 * slots[1] + 0.1 * g**2
    return w - learning_rate * g / (jnp.sqrt(v) + epsilon), (slots[0], v)


def _forward(steps, x, weights):
    weights = list(weights)
    for step in steps:
        if step == networks.DENSE:
            x = x @ weights.pop(0) + weights.pop(0)
        elif step.startswith("conv"):
            stride = (2, 2) if step.endswith("2") else (1, 1)
            padding = "VALID" if step.endswith("valid") else "SAME"
            kernel, bias = weights.pop(0), weights.pop(0)
            x = (
                lax.conv_general_dilated(x, kernel, stride, padding, dimension_numbers=LAYOUT)
                + bias
            )
        elif step == "transposed":
            kernel, bias = weights.pop(0), weights.pop(0)
            x = lax.conv_transpose(x, kernel, (2, 2), "SAME", dimension_numbers=LAYOUT,
                                   transpose_kernel=True) + bias  # fmt: skip
        elif step == networks.POOL:
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "SAME")
        elif step == networks.UP:
            x = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
        elif step == networks.FLATTEN:
            x = x.reshape(len(x), -1)
        elif step == "unflatten":
            x = x.reshape(-1, 14, 14, 64)
        else:
            x = getattr(nn, step)(x)
    return x, weights


def _with_logits(logits, y):
    return jnp.maximum(logits, 0) - logits * y + jnp.log1p(jnp.exp(-jnp.abs(logits)))


def _mean_squared_error(name, weights, x, y, noise):
    return jnp.mean((_forward(networks.NETWORKS[name], x, weights)[0] - y) ** 2)


def _sum_of_cross_entropies(name, weights, x, y, noise):
    return jnp.sum(_with_logits(_forward(networks.NETWORKS[name], x, weights)[0], y))


def _doubled_sigmoid(name, weights, x, y, noise):
    return jnp.mean(_with_logits(_forward(networks.NETWORKS[name], x, weights)[0], y))


def _variational(name, weights, x, y, noise):
    h, left = _forward(networks.VAE_ENCODER, x, weights)
    z_mean, left = _forward([networks.DENSE], h, left)
    s, left = _forward([networks.DENSE], h, left)
    z = z_mean + jnp.exp(s) * jax.random.normal(noise, s.shape)
    x_hat = jnp.clip(_forward(networks.VAE_DECODER, z, left)[0], 1e-7, 1 - 1e-7)
    cross_entropy = -jnp.mean(y * jnp.log(x_hat) + (1 - y) * jnp.log(1 - x_hat))
    return cross_entropy - 5e-4 * jnp.mean(1 + s - z_mean**2 - jnp.exp(s))


LOSSES = {
    "low_level_ae_class": _sum_of_cross_entropies,
    "low_level_ae_layers": _doubled_sigmoid,
    "fashion_vae": _variational,
}
