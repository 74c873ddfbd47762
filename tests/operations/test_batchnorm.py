"""Batch normalization: its truth against torch, and that it is what LayerNorm is not."""

import numpy as np
import pytest
import torch

from lnbench import registry
from lnbench.measure.check import traits
from lnbench.measure.truth import torch_errors
from lnbench.measure.verify import agreement
from lnbench.operation import Hostile
from lnbench.operations.batchnorm.spec import BatchNorm, BatchNormInference
from lnbench.plan.case import Case, Direction, DType, Options
from lnbench.testing import OperationContract

NAMES = ("batchnorm", "batchnorm-inference")


class TestBatchNormContract(OperationContract):
    operation = BatchNorm


class TestBatchNormInferenceContract(OperationContract):
    operation = BatchNormInference


def case_of(name, direction, dtype=DType.FLOAT64, shape=(64, 40), **options):
    return Case(name, direction, shape, dtype, "cpu", Options(**options))


@pytest.mark.parametrize("affine", [(True, True), (True, False), (False, False)])
@pytest.mark.parametrize("name", NAMES)
def test_the_truth_is_what_torch_computes_in_float64(name, affine):
    operation = registry.operation(name)
    case = case_of(name, Direction.STEP, weight=affine[0], bias=affine[1])
    inputs = operation.inputs(case, seed=1)
    leaves = {
        key: torch.from_numpy(inputs[key].copy()).requires_grad_()
        for key in ("x", "weight", "bias")
        if key in inputs
    }
    known = [
        torch.from_numpy(inputs[key]) if key in inputs else None for key in ("mean", "variance")
    ]
    y = torch.nn.functional.batch_norm(
        leaves["x"], *known, leaves.get("weight"), leaves.get("bias"), training=known[0] is None
    )
    found = torch.autograd.grad(y, [*leaves.values()], torch.from_numpy(inputs["dy"]))
    truth = operation.reference(case, inputs)
    wanted = {"y": y, **{f"d{key[0]}": each for key, each in zip(leaves, found, strict=True)}}
    assert set(truth) == set(wanted)
    for key, expected in wanted.items():
        values = expected.detach().numpy()
        np.testing.assert_allclose(truth[key].values, values, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("backend", ["numpy", "torch-eager"])
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("dtype", DType)
@pytest.mark.parametrize("name", NAMES)
def test_every_output_agrees_with_float64(name, dtype, direction, backend):
    made, operation = registry.backend(backend), registry.operation(name)
    for shape in ((64, 40), (3, 5, 7), (1000, 3)):
        for options in ({}, {"weight": False, "bias": False}, {"bias": False}):
            case = case_of(name, direction, dtype, shape, **options)
            inputs = operation.inputs(case, seed=1)
            truths = operation.reference(case, inputs)
            routine = made.routine(operation, case, inputs, threads=1)
            errors = torch_errors(operation, case, inputs, truths) if made.third_party else {}
            found = agreement(routine.host(routine.run()), truths, errors)
            wrong = [
                (name, output)
                for name, output in found.outputs.items()
                if not (
                    output.passed or (made.third_party and output.max_relative <= 2 * errors[name])
                )
            ]
            assert wrong == [], (shape, options)


def test_a_row_depends_on_its_batch_in_training_and_not_in_inference():
    """Section 1 of the paper: what Layer Normalization does away with."""
    found = {}
    for name in (*NAMES, "layernorm"):
        operation, case = registry.operation(name), case_of(name, Direction.FORWARD, DType.FLOAT32)
        given = Hostile("random", case, operation.inputs(case, seed=1))
        found[name] = traits(registry.backend("numpy"), operation, given, threads=1)[0].any_batch
    assert found == {"batchnorm": False, "batchnorm-inference": True, "layernorm": True}


def test_where_torch_refuses_to_train_on_one_row_the_others_are_still_judged():
    operation, case = (
        registry.operation("batchnorm"),
        case_of("batchnorm", Direction.STEP, shape=(1, 64)),
    )
    inputs = operation.inputs(case, seed=1)
    truths = operation.reference(case, inputs)
    assert torch_errors(operation, case, inputs, truths) == {}
    routine = registry.backend("numpy").routine(operation, case, inputs, threads=1)
    assert agreement(routine.host(routine.run()), truths, {}).passed


def test_a_row_alone_is_not_asked_of_what_needs_a_batch():
    operation, case = registry.operation("batchnorm"), case_of("batchnorm", Direction.STEP)
    given = Hostile("random", case, operation.inputs(case, seed=1))
    found, wrong = traits(registry.backend("torch-eager"), operation, given, threads=1)
    assert (found.any_batch, wrong) == (None, [])
