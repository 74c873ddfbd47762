"""Recurrent networks: the equations against autograd, against torch's own cells, in every type."""

import math

import numpy as np
import pytest
import torch

from lnbench import registry
from lnbench.backend import UnsupportedError
from lnbench.errors import ConfigError
from lnbench.measure.truth import torch_errors
from lnbench.measure.verify import agreement
from lnbench.operations.recurrent import equations
from lnbench.operations.recurrent.equations import Norm
from lnbench.operations.recurrent.torch import sequence
from lnbench.plan.case import Case, Direction, DType, Options, Output

CELLS = ("rnn", "lstm", "gru")
NAMES = [f"{prefix}{cell}" for prefix in ("layernorm-", "") for cell in CELLS]
NORMS = {"none": None, "layer": Norm(1e-5), "rms": Norm(1e-5, centred=False)}


def drawn(cell, normalized, steps=5, batch=3, inputs=6, hidden=4):
    """Return x, dh and the parameters in float64."""
    rng = np.random.default_rng(0)
    shapes = equations.shapes(cell, hidden, normalized=normalized)
    shapes["wx"] = (shapes["wx"][0], inputs)
    given = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return (
        rng.standard_normal((steps, batch, inputs)),
        rng.standard_normal((steps, batch, hidden)),
        given,
    )


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("cell", CELLS)
class TestEquations:
    def test_their_gradients_are_those_of_autograd(self, cell, norm):
        x, dh, given = drawn(cell, norm != "none")
        h, saved = equations.forward(np, cell, x, given, NORMS[norm])
        dx, rest = equations.backward(np, cell, dh, x, given, saved, NORMS[norm])
        leaves = {n: torch.from_numpy(a).requires_grad_() for n, a in {"x": x, **given}.items()}
        parameters = {name: leaf for name, leaf in leaves.items() if name != "x"}
        out = sequence(cell, leaves["x"], parameters, NORMS[norm])
        np.testing.assert_allclose(h, out.detach().numpy(), rtol=0, atol=1e-13)
        found = torch.autograd.grad(out, [*leaves.values()], torch.from_numpy(dh))
        for name, expected in zip(leaves, found, strict=True):
            mine = dx if name == "x" else rest[name]
            np.testing.assert_allclose(mine, expected.numpy(), rtol=1e-9, atol=1e-11)

    def test_they_pass_the_finite_difference_check(self, cell, norm):
        x, _, given = drawn(cell, norm != "none", steps=3, batch=2, inputs=3, hidden=3)
        leaves = [torch.from_numpy(a).requires_grad_() for a in (x, *given.values())]

        def call(x, *values):
            return sequence(cell, x, dict(zip(given, values, strict=True)), NORMS[norm])

        assert torch.autograd.gradcheck(call, leaves)


def flat(net):
    return {name.removesuffix("_l0"): p.detach() for name, p in net.named_parameters()}


def test_without_normalization_an_rnn_is_torchs():
    x, _, given = drawn("rnn", normalized=False)
    net = torch.nn.RNN(6, 4, dtype=torch.float64)
    own = flat(net)
    given = {"wx": own["weight_ih"], "wh": own["weight_hh"], "b": own["bias_ih"] + own["bias_hh"]}
    x = torch.from_numpy(x)
    torch.testing.assert_close(sequence("rnn", x, given, None), net(x)[0])


def test_without_normalization_an_lstm_is_torchs():
    """torch's gates are i, f, g, o, the paper's f, i, o, g."""
    x, _, _ = drawn("lstm", normalized=False)
    net = torch.nn.LSTM(6, 4, dtype=torch.float64)

    def reordered(value):
        i, f, g, o = value.chunk(4)
        return torch.cat((f, i, o, g))

    own = {name: reordered(value) for name, value in flat(net).items()}
    given = {"wx": own["weight_ih"], "wh": own["weight_hh"], "b": own["bias_ih"] + own["bias_hh"]}
    x = torch.from_numpy(x)
    torch.testing.assert_close(sequence("lstm", x, given, None), net(x)[0])


def test_without_normalization_a_gru_is_torchs():
    """torch's gates are r, z, n, and its z keeps what the paper's takes."""
    x, _, _ = drawn("gru", normalized=False)
    net = torch.nn.GRU(6, 4, dtype=torch.float64)

    def reordered(value):
        r, z, n = value.chunk(3)
        return torch.cat((-z, r, n))

    own = {name: reordered(value) for name, value in flat(net).items()}
    bias, other = own["bias_ih"].clone(), own["bias_hh"]
    bias[:8] += other[:8]
    given = {"wx": own["weight_ih"], "wh": own["weight_hh"], "b": bias, "bh": other[8:]}
    x = torch.from_numpy(x)
    torch.testing.assert_close(sequence("gru", x, given, None), net(x)[0])


def by_hand(cell, x, p, hidden):
    """The paper's cells on torch's own layer normalization: a second witness of the equations."""

    def norm(a, k):
        return torch.nn.functional.layer_norm(a, a.shape[-1:], p[f"gain{k}"], p[f"shift{k}"], 1e-5)

    h = c = x.new_zeros(x.shape[1], hidden)
    states = []
    for step in x:
        given, recurrent = step @ p["wx"].T, h @ p["wh"].T
        if cell == "rnn":
            h = torch.tanh(norm(given + recurrent, 1))
        elif cell == "lstm":
            f, i, o, g = (norm(recurrent, 1) + norm(given, 2) + p["b"]).chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * norm(c, 3).tanh()
        else:
            wide = 2 * hidden
            gates = norm(recurrent[:, :wide], 1) + norm(given[:, :wide], 2)
            z, r = gates.sigmoid().chunk(2, dim=1)
            inner = norm(recurrent[:, wide:], 4)
            n = torch.tanh(norm(given[:, wide:], 3) + r * inner)
            h = (1 - z) * h + z * n
        states.append(h)
    return torch.stack(states)


@pytest.mark.parametrize("cell", CELLS)
def test_with_normalization_a_cell_is_what_one_writes_with_torchs_layer_norm(cell):
    x, dh, given = drawn(cell, normalized=True)
    h, saved = equations.forward(np, cell, x, given, NORMS["layer"])
    dx, rest = equations.backward(np, cell, dh, x, given, saved, NORMS["layer"])
    leaves = {n: torch.from_numpy(a).requires_grad_() for n, a in {"x": x, **given}.items()}
    expected = by_hand(cell, leaves["x"], leaves, hidden=4)
    np.testing.assert_allclose(h, expected.detach().numpy(), rtol=0, atol=1e-13)
    gradients = torch.autograd.grad(expected, [*leaves.values()], torch.from_numpy(dh))
    for name, gradient in zip(leaves, gradients, strict=True):
        mine = dx if name == "x" else rest[name]
        np.testing.assert_allclose(mine, gradient.numpy(), rtol=1e-9, atol=1e-11)


def test_statistics_are_those_of_a_time_step_and_a_case_alone():
    """Eq. 4: neither another case nor a later step changes what was normalized before."""
    x, _, given = drawn("lstm", normalized=True)
    h, _ = equations.forward(np, "lstm", x, given, Norm(1e-5))
    changed = x.copy()
    changed[3:, 0] += 5
    changed[:, 1] *= 7
    other, _ = equations.forward(np, "lstm", changed, given, Norm(1e-5))
    np.testing.assert_array_equal(other[:3, 0], h[:3, 0])
    np.testing.assert_array_equal(other[:, 2], h[:, 2])
    assert np.abs(other[3:, 0] - h[3:, 0]).max() > 1e-3


@pytest.mark.parametrize("cell", CELLS)
def test_the_scale_of_the_weights_does_not_change_what_is_normalized(cell):
    """Section 5.1: a rescaled weight matrix gives the same output, but for eps."""
    x, _, given = drawn(cell, normalized=True)
    scaled = {name: 3 * a if name in ("wx", "wh") else a for name, a in given.items()}
    norm = Norm(1e-14)
    one, other = (equations.forward(np, cell, x, each, norm)[0] for each in (given, scaled))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)


def problems(backend, name, direction, dtype, **options):
    """Return the outputs of a backend that are too far from float64."""
    made, operation = registry.backend(backend), registry.operation(name)
    case = Case(name, direction, (6, 5, 24), dtype, "cpu", Options(**options))
    inputs = operation.inputs(case, seed=1)
    truths = operation.reference(case, inputs)
    routine = made.routine(operation, case, inputs, threads=1)
    outputs = routine.host(routine.run())
    assert tuple(outputs) == operation.outputs(case)
    errors = torch_errors(operation, case, inputs, truths) if made.third_party else {}
    return [
        (name, output.max_relative, output.allowed)
        for name, output in agreement(outputs, truths, errors).outputs.items()
        if not (output.passed or (made.third_party and output.max_relative <= 2 * errors[name]))
    ]


@pytest.mark.parametrize("backend", ["numpy", "torch-eager"])
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("dtype", DType)
@pytest.mark.parametrize("name", NAMES)
def test_every_output_agrees_with_float64(name, dtype, direction, backend):
    assert problems(backend, name, direction, dtype) == []


@pytest.mark.parametrize("backend", ["numpy", "torch-eager"])
@pytest.mark.parametrize("direction", [Direction.FORWARD, Direction.BACKWARD])
def test_ready_outputs_are_filled(direction, backend):
    assert problems(backend, "layernorm-gru", direction, DType.FLOAT32, output=Output.READY) == []


@pytest.mark.slow
@pytest.mark.parametrize("direction", Direction)
def test_what_inductor_compiles_agrees_too(direction):
    from lnbench.backends.torch_compile import compiler_problem

    if (problem := compiler_problem("cpu")) is not None:
        pytest.skip(problem)
    assert problems("torch-compile", "layernorm-lstm", direction, DType.FLOAT32) == []


@pytest.mark.parametrize("name", NAMES)
def test_work_counts_two_products_a_step(name):
    operation = registry.operation(name)
    case = Case(name, Direction.FORWARD, (7, 3, 16), DType.FLOAT32, "cpu")
    gates = equations.GATES[name.removeprefix("layernorm-")]
    assert operation.work(case).flops == 7 * 2 * (2 * 3 * 16 * 16 * gates)
    weights = sum(math.prod(shape) for shape in operation.parameters(case).values())
    assert operation.work(case).bytes_moved == 4 * (2 * 7 * 3 * 16 + weights)


@pytest.mark.parametrize(
    ("shape", "words"), [((8, 16), "time x batch x hidden"), ((0, 8, 4), "one time step")]
)
def test_a_shape_without_time_is_a_sentence(shape, words):
    operation = registry.operation("layernorm-rnn")
    case = Case("layernorm-rnn", Direction.FORWARD, shape, DType.FLOAT32, "cpu")
    with pytest.raises(ConfigError, match=words):
        operation.memory_bytes(case)


@pytest.mark.parametrize("backend", ["numba", "triton", "numpy-naive"])
def test_a_backend_without_kernels_for_it_is_skipped(backend):
    operation = registry.operation("layernorm-rnn")
    case = Case("layernorm-rnn", Direction.FORWARD, (2, 3, 4), DType.FLOAT32, "cpu")
    with pytest.raises(UnsupportedError, match="has no kernels for layernorm-rnn"):
        registry.kernels(registry.backend(backend), operation)
    assert case.rows == 6
