"""A multi-layer perceptron and its optimizers, small enough to read.

scikit-learn's own has no dropout and no learning rate that changes within an epoch. All parameters
live in one vector, of which the layers' matrices are views: an optimizer updates them in one go.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pipeline_pb2
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]
    Matrix = NDArray[np.float32]


class Network:
    """Dense layers with a softmax on top.

    Args:
        sizes: the widths of input, hidden layers and output.
        model: activation, dropout and l2.
        rng: draws the first weights and the dropout masks.
    """

    def __init__(
        self, sizes: Sequence[int], model: pipeline_pb2.ModelConfig, rng: np.random.Generator
    ) -> None:
        self._rng = rng
        self._keep = 1 - model.dropout
        self._l2 = model.l2
        self._activate, self._slope = _ACTIVATIONS[model.activation]
        self.parameters = np.zeros(sum((i + 1) * o for i, o in pairwise(sizes)), np.float32)
        self._gradient = np.zeros_like(self.parameters)
        self._layers = _split_layers(self.parameters, sizes)
        self._layer_gradients = _split_layers(self._gradient, sizes)
        for weights, _ in self._layers:
            weights[:] = rng.normal(0, np.sqrt(2 / len(weights)), weights.shape)

    def predict(self, inputs: Matrix) -> Matrix:
        """Return the probability of each class (n, classes)."""
        hidden = inputs
        for weights, bias in self._layers[:-1]:
            hidden = self._activate(hidden @ weights + bias)
        weights, bias = self._layers[-1]
        return _softmax(hidden @ weights + bias)

    def gradient(self, inputs: Matrix, targets: Matrix) -> Vector:
        """Return the gradient of the training loss in all parameters.

        Args:
            inputs: (n, width).
            targets: the wanted probabilities (n, classes).
        """
        activations, masks = [inputs], []
        for weights, bias in self._layers[:-1]:
            hidden = self._activate(activations[-1] @ weights + bias)
            mask = (self._rng.random(hidden.shape, np.float32) < self._keep) / self._keep
            masks.append(mask.astype(np.float32))
            activations.append(hidden * masks[-1])
        weights, bias = self._layers[-1]
        error = (_softmax(activations[-1] @ weights + bias) - targets) / np.float32(len(inputs))
        for index in reversed(range(len(self._layers))):
            weights, _ = self._layers[index]
            weight_gradient, bias_gradient = self._layer_gradients[index]
            weight_gradient[:] = activations[index].T @ error + self._l2 * weights
            bias_gradient[:] = error.sum(axis=0)
            if index:
                error = error @ weights.T * self._slope(activations[index], masks[index - 1])
        return self._gradient


class Adam:
    """Kingma and Ba 2015, algorithm 1."""

    def __init__(self, config: pipeline_pb2.AdamOptimizer, size: int) -> None:
        self._beta1, self._beta2 = config.beta1, config.beta2
        self._mean = np.zeros(size, np.float32)
        self._square = np.zeros(size, np.float32)
        self._step = 0

    def update(self, parameters: Vector, gradient: Vector, learning_rate: float) -> None:
        """Move `parameters` one step down."""
        self._step += 1
        self._mean += (1 - self._beta1) * (gradient - self._mean)
        self._square += (1 - self._beta2) * (gradient * gradient - self._square)
        mean_scale = learning_rate / (1 - self._beta1**self._step)
        square_scale = 1 / (1 - self._beta2**self._step)
        parameters -= mean_scale * self._mean / (np.sqrt(square_scale * self._square) + 1e-8)


class Momentum:
    """Stochastic gradient descent with heavy-ball momentum."""

    def __init__(self, config: pipeline_pb2.MomentumOptimizer, size: int) -> None:
        self._momentum = config.momentum
        self._velocity = np.zeros(size, np.float32)

    def update(self, parameters: Vector, gradient: Vector, learning_rate: float) -> None:
        """Move `parameters` one step down."""
        self._velocity *= self._momentum
        self._velocity -= learning_rate * gradient
        parameters += self._velocity


def make_optimizer(config: pipeline_pb2.Optimizer, size: int) -> Adam | Momentum:
    """Return the optimizer that `config` names, for a vector of `size` parameters."""
    if config.WhichOneof("optimizer") == "adam_optimizer":
        return Adam(config.adam_optimizer, size)
    return Momentum(config.momentum_optimizer, size)


def make_schedule(config: pipeline_pb2.Optimizer) -> Callable[[int], float]:
    """Return the learning rate as a function of the step (from 0)."""
    learning_rate = getattr(config, config.WhichOneof("optimizer")).learning_rate
    if learning_rate.WhichOneof("learning_rate") == "constant_learning_rate":
        constant = learning_rate.constant_learning_rate.learning_rate
        return lambda _: constant
    decay = learning_rate.exponential_decay_learning_rate
    first, factor, steps = decay.initial_learning_rate, decay.decay_factor, decay.decay_steps
    return lambda step: max(decay.min_learning_rate, first * factor ** (step / steps))


def _split_layers(flat: Vector, sizes: Sequence[int]) -> list[tuple[Matrix, Vector]]:
    layers, start = [], 0
    for inputs, outputs in pairwise(sizes):
        middle, end = start + inputs * outputs, start + (inputs + 1) * outputs
        layers.append((flat[start:middle].reshape(inputs, outputs), flat[middle:end]))
        start = end
    return layers


def _softmax(logits: Matrix) -> Matrix:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


def _relu(values: Matrix) -> Matrix:
    return np.maximum(values, 0)


def _relu_slope(activations: Matrix, mask: Matrix) -> Matrix:
    return mask * (activations > 0)


def _tanh_slope(activations: Matrix, mask: Matrix) -> Matrix:
    # `activations` are tanh(x) * mask, and mask is 0 or 1 / keep.
    return mask - activations * activations / np.where(mask > 0, mask, 1)


_ACTIVATIONS = ((_relu, _relu_slope), (np.tanh, _tanh_slope))  # by the number of the enum
