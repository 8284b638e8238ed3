"""The peers on PyTorch: eager and compiled, channels last, denormals flushed, data in memory."""

import time
from collections.abc import Callable

from benchmarks import networks
from benchmarks.problems import FOREVER, Problem

import numpy as np
import torch
from torch.nn import functional


def eager(problem: Problem, epoch_done: Callable[[float, float], None]) -> None:
    """Trains step by step."""
    _train(problem, epoch_done, lambda function: function)


def compiled(problem: Problem, epoch_done: Callable[[float, float], None]) -> None:
    """Trains with forward and backward pass by `torch.compile`."""
    _train(problem, epoch_done, torch.compile)


def _train(problem, epoch_done, wrap):
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    weights = [torch.nn.Parameter(_to_torch(w)) for w in problem.weights]
    optimizer = _optimizer(*networks.OPTIMIZERS[problem.name], weights)
    x, y = _images(problem.inputs), _images(problem.targets)
    loss_of = wrap(LOSSES.get(problem.name, _mean_squared_error)(problem.name, weights))
    for epoch in range(FOREVER):
        batches = [torch.from_numpy(np.ascontiguousarray(r)) for r in problem.order.epoch(epoch)]
        losses = []
        started = time.perf_counter()
        for rows in batches:
            loss = loss_of(x[rows], y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        seconds = time.perf_counter() - started
        epoch_done(float(torch.stack(losses).mean()), seconds)


def _to_torch(weight):
    tensor = torch.from_numpy(weight.copy())
    if weight.ndim == 4:
        return tensor.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    return tensor.T.contiguous() if weight.ndim == 2 else tensor


def _images(array):
    tensor = torch.from_numpy(array)
    if array.ndim == 4:
        return tensor.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    return tensor


class RMSpropTF1:
    """TensorFlow 1's rule: the mean square starts at one, and epsilon is added inside the root.

    `torch.optim.RMSprop` adds it outside. Where gradients are small, as behind saturated sigmoids,
    that is another training after some hundred steps.
    """

    def __init__(self, weights, learning_rate, epsilon):
        self.weights, self.learning_rate, self.epsilon = weights, learning_rate, epsilon
        self.mean_squares = [torch.ones_like(weight) for weight in weights]

    def zero_grad(self, set_to_none):
        """Forgets the gradients."""
        for weight in self.weights:
            weight.grad = None

    @torch.no_grad()
    def step(self):
        """Moves all weights, each operation on the whole list at once."""
        gradients = [weight.grad for weight in self.weights]
        torch._foreach_mul_(self.mean_squares, 0.9)
        torch._foreach_addcmul_(self.mean_squares, gradients, gradients, 0.1)
        roots = torch._foreach_sqrt(torch._foreach_add(self.mean_squares, self.epsilon))
        torch._foreach_addcdiv_(self.weights, gradients, roots, -self.learning_rate)


class AdamOfKeras(torch.optim.Adam):
    """Keras's rule: epsilon is added to the root of the mean square before its bias is corrected.

    `torch.optim.Adam` adds it after that, so that it counts thirty times less in the first step.
    """

    def __init__(self, weights, learning_rate, epsilon):
        super().__init__(weights, learning_rate, eps=epsilon)
        self.epsilon, self.steps_done = epsilon, 0

    def step(self):
        """Moves all weights."""
        self.steps_done += 1
        (group,) = self.param_groups
        group["eps"] = self.epsilon / (1 - group["betas"][1] ** self.steps_done) ** 0.5
        super().step()


def _optimizer(rule, learning_rate, epsilon, weights):
    if rule == "adam":
        return AdamOfKeras(weights, learning_rate, epsilon)
    if rule == "tf1":
        return RMSpropTF1(weights, learning_rate, epsilon)
    return torch.optim.RMSprop(weights, learning_rate, alpha=0.9, eps=epsilon)


def _forward(steps, x, weights):
    """Applies the steps; returns the output and the weights that are left."""
    weights = list(weights)
    for step in steps:
        if step == networks.DENSE:
            x = functional.linear(x, weights.pop(0), weights.pop(0))
        elif step == networks.CONV:
            x = functional.conv2d(x, weights.pop(0), weights.pop(0), padding=1)
        elif step == "conv valid":
            x = functional.conv2d(x, weights.pop(0), weights.pop(0))
        elif step == "conv stride 2":  # TensorFlow pads an even side at its end only
            x = functional.conv2d(
                functional.pad(x, (0, 1, 0, 1)), weights.pop(0), weights.pop(0), stride=2
            )
        elif step == "transposed":
            kernel, bias = weights.pop(0), weights.pop(0)
            x = functional.conv_transpose2d(x, kernel, bias, stride=2)[:, :, :-1, :-1]
        elif step == networks.POOL:
            x = functional.max_pool2d(x, 2, ceil_mode=True)
        elif step == networks.UP:
            x = functional.interpolate(x, scale_factor=2, mode="nearest")
        elif step == networks.FLATTEN:
            x = x.permute(0, 2, 3, 1).flatten(1)
        elif step == "unflatten":
            x = x.view(-1, 14, 14, 64).permute(0, 3, 1, 2)
        else:
            x = getattr(torch, step)(x)
    return x, weights


def _mean_squared_error(name, weights):
    def loss_of(x, y):
        return functional.mse_loss(_forward(networks.NETWORKS[name], x, weights)[0], y)

    return loss_of


def _sum_of_cross_entropies(name, weights):
    def loss_of(x, y):
        logits, _ = _forward(networks.NETWORKS[name], x, weights)
        return functional.binary_cross_entropy_with_logits(logits, y, reduction="sum")

    return loss_of


def _doubled_sigmoid(name, weights):
    def loss_of(x, y):
        x_hat, _ = _forward(networks.NETWORKS[name], x, weights)
        return functional.binary_cross_entropy_with_logits(x_hat, y)

    return loss_of


def _variational(name, weights):
    def loss_of(x, y):
        h, left = _forward(networks.VAE_ENCODER, x, weights)
        z_mean, left = _forward([networks.DENSE], h, left)
        s, left = _forward([networks.DENSE], h, left)
        z = z_mean + torch.exp(s) * torch.randn_like(s)
        x_hat, _ = _forward(networks.VAE_DECODER, z, left)
        x_hat = x_hat.clamp(1e-7, 1 - 1e-7)
        divergence = -5e-4 * torch.mean(1 + s - z_mean**2 - torch.exp(s))
        return functional.binary_cross_entropy(x_hat, y) + divergence

    return loss_of


LOSSES = {
    "low_level_ae_class": _sum_of_cross_entropies,
    "low_level_ae_layers": _doubled_sigmoid,
    "fashion_vae": _variational,
}
