"""Test classes for plug-in authors, and for us: subclass one, name the plug-in, run pytest.

from lnbench.testing import BackendContract


class TestMine(BackendContract):
    backend = Mine
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest

from lnbench import registry
from lnbench.backend import Available, Backend, Unavailable
from lnbench.measure.bench import as_good_as_torch, make_routine, wrong_text
from lnbench.measure.truth import torch_errors
from lnbench.measure.verify import agreement, checksum
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Case, Direction, DType, Options, Output

DIRECTIONS = (Direction.FORWARD, Direction.BACKWARD, Direction.STEP)

SHAPES = ((64, 128), (3, 5, 96), (1, 4096), (5003, 16), (257, 1000))
"""Even and odd, several leading dimensions, one row, more rows than any block."""

OPTIONS = (
    Options(weight=False, bias=False),
    Options(weight=False),
    Options(bias=False),
    Options(eps=1e-2),
    Options(normalized_dims=2),
)
"""One of each that a kernel may forget."""


class BackendContract:
    """What every backend promises, on every operation that it has kernels for."""

    backend: ClassVar[type[Backend]]
    """The class under test."""
    device: ClassVar[str] = "cpu"
    """Where it is tested."""
    operation: ClassVar[str] = "layernorm"
    """The operation that it is tested on."""
    dtypes: ClassVar[tuple[DType, ...]] = tuple(DType)
    """The element types that it speaks."""
    threads: ClassVar[int] = 1
    """How many threads it may use."""
    calls: ClassVar[int] = 150
    """How many calls must give the same result."""

    @pytest.fixture
    def subject(self) -> Backend:
        """The backend, where it is available."""
        made = self.backend()
        found = made.availability(self.device)
        if isinstance(found, Unavailable):
            pytest.skip(found.reason)
        return made

    @pytest.fixture
    def mathematics(self) -> Operation:
        """The operation."""
        return registry.operation(self.operation)

    def test_it_has_a_name_a_framework_and_a_summary(self) -> None:
        """Users call it by its name, and kernels are looked up by its framework."""
        assert self.backend.name == self.backend.name.lower().replace(" ", "-") != ""
        assert self.backend.framework
        assert self.backend.summary

    @pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:7", "mps", "xpu"])
    def test_availability_is_an_answer_for_every_device(self, device: str) -> None:
        """A device that is not there is a reason, not an exception."""
        found = self.backend().availability(device)
        assert isinstance(found, Available) or found.reason

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("direction", DIRECTIONS)
    def test_results_agree_with_the_reference(
        self, subject: Backend, mathematics: Operation, direction: Direction, shape: tuple[int, ...]
    ) -> None:
        """Check before time: every output is as close to float64 as its type allows."""
        for dtype in self.dtypes:
            case = self._case(direction, shape, dtype)
            self._verify(subject, mathematics, case)

    @pytest.mark.parametrize("options", OPTIONS)
    @pytest.mark.parametrize("direction", DIRECTIONS)
    def test_options_are_honoured(
        self, subject: Backend, mathematics: Operation, direction: Direction, options: Options
    ) -> None:
        """Weight, bias, eps and several normalized dimensions change the result."""
        case = self._case(direction, (6, 10, 24), DType.FLOAT32, options)
        self._verify(subject, mathematics, case)

    @pytest.mark.parametrize("direction", DIRECTIONS)
    def test_hostile_inputs_agree_with_the_reference(
        self, subject: Backend, mathematics: Operation, direction: Direction
    ) -> None:
        """Inputs that broke published kernels do not break this one."""
        for dtype in self.dtypes:
            case = self._case(direction, (64, 300), dtype)
            for hostile in mathematics.hostile(case, seed=1):
                self._verify(subject, mathematics, hostile.case, hostile.inputs, hostile.name)

    @pytest.mark.parametrize("direction", DIRECTIONS)
    def test_the_last_call_gives_the_bits_of_the_first(
        self, subject: Backend, mathematics: Operation, direction: Direction
    ) -> None:
        """Nothing accumulates, drifts or depends on chance."""
        routine = self._routine(subject, mathematics, self._case(direction, (64, 128)))
        first = checksum(routine.host(routine.run()))
        for _ in range(self.calls):
            results = routine.run()
        assert checksum(routine.host(results)) == first

    @pytest.mark.parametrize("direction", DIRECTIONS)
    def test_a_call_does_not_touch_the_results_of_the_call_before(
        self, subject: Backend, mathematics: Operation, direction: Direction
    ) -> None:
        """Allocated outputs are the user's to keep; a stale or cached buffer is neither."""
        if subject.bulk(mathematics, self._case(direction, (64, 128))) is not None:
            pytest.skip("the speed limit moves bytes into ready buffers")
        routine = self._routine(subject, mathematics, self._case(direction, (64, 128)))
        kept = routine.host(routine.run())
        following = routine.host(routine.run())
        assert not any(np.may_share_memory(kept[name], following[name]) for name in kept)

    @pytest.mark.parametrize("direction", [Direction.FORWARD, Direction.BACKWARD])
    def test_ready_outputs_are_written_and_right(
        self, subject: Backend, mathematics: Operation, direction: Direction
    ) -> None:
        """Output 'ready' computes the same."""
        case = self._case(direction, (64, 128), options=Options(output=Output.READY))
        self._verify(subject, mathematics, case)

    @pytest.mark.parametrize("direction", DIRECTIONS)
    def test_a_call_computes_and_never_waits(
        self,
        subject: Backend,
        mathematics: Operation,
        direction: Direction,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """No call sleeps, the first neither: what is slow in it is work."""
        naps: list[float] = []
        monkeypatch.setattr(time, "sleep", naps.append)
        routine = self._routine(subject, mathematics, self._case(direction, (8, 16)))
        for _ in range(3):
            routine.run()
        assert naps == []

    @pytest.mark.parametrize("direction", DIRECTIONS)
    def test_inputs_are_left_as_they_were(
        self, subject: Backend, mathematics: Operation, direction: Direction
    ) -> None:
        """No kernel works in place on what it was given."""
        case = self._case(direction, (64, 128))
        inputs = mathematics.inputs(case, seed=1)
        before = checksum(inputs)
        make_routine(subject, mathematics, case, inputs, self.threads).run()
        assert checksum(inputs) == before

    def _case(
        self,
        direction: Direction,
        shape: tuple[int, ...],
        dtype: DType | None = None,
        options: Options | None = None,
    ) -> Case:
        kind = dtype or self.dtypes[0]
        return Case(self.operation, direction, shape, kind, self.device, options or Options())

    def _routine(self, subject: Backend, mathematics: Operation, case: Case) -> Any:
        return make_routine(
            subject, mathematics, case, mathematics.inputs(case, seed=1), self.threads
        )

    def _verify(
        self,
        subject: Backend,
        mathematics: Operation,
        case: Case,
        inputs: Arrays | None = None,
        where: str = "random",
    ) -> None:
        given = mathematics.inputs(case, seed=1) if inputs is None else inputs
        truths = subject.truth(mathematics, case, given)
        if truths is None:
            truths = mathematics.reference(case, given)
        peer = torch_errors(mathematics, case, given, truths) if subject.peer else {}
        routine = make_routine(subject, mathematics, case, given, self.threads)
        try:
            found = agreement(routine.host(routine.run()), truths, peer)
        finally:
            routine.close()
        assert found.outputs, f"{case.id}: nothing was compared"
        # A peer may exceed the ceiling that lnbench sets its own kernels, as torch does.
        forgiven = subject.peer and as_good_as_torch(found, peer)
        assert found.passed or forgiven, f"{case.id}, {where}: {wrong_text(found)}"


class OperationContract:
    """What every operation promises."""

    operation: ClassVar[type[Operation]]
    """The class under test."""
    shapes: ClassVar[tuple[tuple[int, ...], ...]] = ((16, 32), (1, 7))
    """Shapes that it takes."""

    def _cases(self) -> Iterator[Case]:
        for direction in DIRECTIONS:
            for shape in self.shapes:
                for dtype in DType:
                    yield Case(self.operation.name, direction, shape, dtype, "cpu")

    def test_inputs_follow_from_the_seed(self) -> None:
        """Equal seeds give equal inputs, others do not."""
        for case in self._cases():
            first, again, other = (self.operation().inputs(case, seed) for seed in (1, 1, 2))
            assert checksum(first) == checksum(again) != checksum(other)

    def test_the_reference_is_float64_and_finite_and_named_like_the_outputs(self) -> None:
        """Truth is float64; every output has one, of positive scale."""
        for case in self._cases():
            mathematics = self.operation()
            truths = mathematics.reference(case, mathematics.inputs(case, 1))
            assert set(truths) <= set(mathematics.outputs(case))
            for truth in truths.values():
                assert truth.values.dtype == np.float64
                assert np.isfinite(truth.values).all()
                assert all((scale >= 0).all() for scale in truth.scales)

    def test_work_grows_with_the_shape_and_the_type(self) -> None:
        """Twice the rows is more work; a wider type moves more bytes."""
        for case in self._cases():
            mathematics = self.operation()
            work = mathematics.work(case)
            taller = msgspec.structs.replace(case, shape=(2 * case.shape[0], *case.shape[1:]))
            assert 0 < work.bytes_moved < mathematics.work(taller).bytes_moved
            if case.dtype is not DType.FLOAT64:
                wider = msgspec.structs.replace(case, dtype=DType.FLOAT64)
                assert work.bytes_moved < mathematics.work(wider).bytes_moved


class FakeTimer:
    """A clock that says what it is told, one number a sample, and runs the calls all the same."""

    def __init__(self, times_s: Iterator[float], resolution_s: float = 1e-9) -> None:
        self._times_s = times_s
        self.resolution_s = resolution_s

    def time(self, run: Callable[[], object], iterations: int) -> float:
        """Return the next number, as the seconds of all iterations together."""
        for _ in range(iterations):
            run()
        return next(self._times_s) * iterations

    def synchronize(self) -> None:
        """Wait for nothing."""
