"""What `check` learns of a backend's bits, and what of it an exception takes away."""

import pytest

from lnbench import registry
from lnbench.backends.numpy import NumPy
from lnbench.measure.check import traits
from lnbench.operation import Hostile
from lnbench.plan.case import Case, Direction, DType


class RaisesOnTheSecondCall(NumPy):
    """Is right once a routine."""

    def routine(self, operation, case, inputs, threads):
        made = super().routine(operation, case, inputs, threads)
        run, calls = made.run, []

        def once():
            calls.append(1)
            if len(calls) > 1:
                raise RuntimeError("worn out")
            return run()

        made.run = once
        return made


class RaisesWithThreads(NumPy):
    """Is right with one thread."""

    def routine(self, operation, case, inputs, threads):
        if threads > 1:
            raise OSError("no more threads")
        return super().routine(operation, case, inputs, threads)


@pytest.mark.parametrize(
    ("backend", "where", "words", "bits"),
    [
        (NumPy, None, "", (True, True, True)),
        (RaisesOnTheSecondCall, "a second call", "RuntimeError: worn out", (None, True, True)),
        (
            RaisesWithThreads,
            "another number of threads",
            "OSError: no more threads",
            (True, None, True),
        ),
    ],
)
def test_what_raises_is_a_finding_and_hides_no_other(backend, where, words, bits):
    operation = registry.operation("layernorm")
    case = Case("layernorm", Direction.FORWARD, (9, 33), DType.FLOAT32, "cpu")
    given = Hostile("random", case, operation.inputs(case, seed=1))
    found, wrong = traits(backend(), operation, given, threads=1)
    assert (found.repeatable, found.any_threads, found.any_batch) == bits
    assert [(each.inputs, each.error) for each in wrong] == ([(where, words)] if where else [])
    assert not any(each.tolerable for each in wrong)
