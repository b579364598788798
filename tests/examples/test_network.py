"""The digit trainer's own network, against what the mathematics says."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

TRAINER = Path(__file__).parents[2] / "examples/digits_local/trainer"


@pytest.fixture
def modules(monkeypatch):
    """The trainer's modules, as its own scripts import them."""
    monkeypatch.syspath_prepend(TRAINER)
    return importlib.import_module("network"), importlib.import_module("pipeline_pb2")


@pytest.mark.parametrize("activation", ["RELU", "TANH"])
def test_gradient_is_the_slope_of_the_loss(modules, activation):
    network, pb = modules
    l2 = 0.3
    model = pb.ModelConfig(activation=pb.ModelConfig.Activation.Value(activation), l2=l2)
    rng = np.random.default_rng(1)
    net = network.Network([5, 7, 4, 3], model, rng)
    inputs = rng.standard_normal((6, 5), np.float32)
    targets = rng.dirichlet(np.ones(3), 6).astype(np.float32)
    weights = np.concatenate(
        [np.r_[np.ones(i * o), np.zeros(o)] for i, o in [(5, 7), (7, 4), (4, 3)]]
    )

    def loss(parameters):
        net.parameters[:] = parameters
        cross_entropy = -(targets * np.log(net.predict(inputs))).sum(axis=1).mean()
        return cross_entropy + l2 / 2 * (weights * parameters**2).sum()

    start = net.parameters.copy()
    gradient = net.gradient(inputs, targets).copy()
    for _ in range(10):
        direction = rng.standard_normal(start.size).astype(np.float32)
        direction *= 1e-2 / np.linalg.norm(direction)
        slope = loss(start + direction) - loss(start - direction)
        assert slope == pytest.approx(2 * gradient @ direction, rel=0.02, abs=2e-4)


def test_dropout_silences_its_share_in_training_only(modules):
    network, pb = modules
    model = pb.ModelConfig(dropout=0.5)
    net = network.Network([4, 8, 2], model, np.random.default_rng(1))
    inputs, targets = np.ones((1, 4), np.float32), np.array([[1, 0]], np.float32)

    assert (net.predict(inputs) == net.predict(inputs)).all()
    assert (net.gradient(inputs, targets).copy() != net.gradient(inputs, targets)).any()


@pytest.mark.parametrize(
    "schedule, rates",
    [
        ("constant_learning_rate { learning_rate: 0.25 }", [0.25, 0.25, 0.25]),
        (
            """exponential_decay_learning_rate {
                initial_learning_rate: 1 decay_steps: 10 decay_factor: 0.25
                min_learning_rate: 0.125
            }""",
            [1, 0.5, 0.125],
        ),
    ],
)
def test_schedule_gives_the_rate_of_each_step(modules, schedule, rates):
    from google.protobuf import text_format

    network, pb = modules
    text = f"momentum_optimizer {{ learning_rate {{ {schedule} }} }}"
    rate = network.make_schedule(text_format.Parse(text, pb.Optimizer()))
    assert [rate(0), rate(5), rate(100)] == rates


@pytest.mark.parametrize("kind", ["adam_optimizer", "momentum_optimizer"])
def test_optimizers_go_down_a_bowl(modules, kind):
    network, pb = modules
    config = pb.Optimizer()
    getattr(config, kind).SetInParent()
    parameters = np.array([3.0, -2.0], np.float32)
    optimizer = network.make_optimizer(config, 2)
    for _ in range(300):
        optimizer.update(parameters, 2 * parameters, 0.05)
    assert np.abs(parameters).max() < 0.05
