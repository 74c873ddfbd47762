"""Test classes for plug-in authors, and for us: subclass one, name the plug-in, run pytest.

class TestMine(BackendContract):
    backend = Mine
"""

import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import cached_property
from itertools import pairwise, product
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import msgspec
import numpy as np
import pytest

from lnbench import registry
from lnbench.arrays import dtype_of
from lnbench.backend import Available, Backend, Routine, Unavailable
from lnbench.measure import shared
from lnbench.measure.messages import CompareRows, Fresh, NewRow
from lnbench.measure.referee import Referee
from lnbench.measure.routine import make_routine
from lnbench.measure.sampling import stopwatch
from lnbench.measure.truth import torch_errors
from lnbench.measure.verify import (
    agreement,
    as_good_as_torch,
    asked_for,
    checksum,
    wrong_text,
)
from lnbench.measure.watch import Watch
from lnbench.operation import Arrays, Operation, Truth
from lnbench.plan.case import Benchmark, Cache, Case, Direction, DType, Options, Output

Shape: TypeAlias = tuple[int, ...]

SHAPES = ((64, 128), (3, 5, 96), (1, 4096), (5003, 16), (257, 1000), (65539, 3))
"""Even and odd, several leading dimensions, one row, more rows than a block, than 16 bits count."""

OPTIONS = (
    Options(weight=False, bias=False),
    Options(weight=False),
    Options(bias=False),
    Options(eps=1e-2),
    Options(normalized_dims=2),
)
"""One of each that a kernel may forget."""

COUNTS_WAITS = hasattr(resource, "RUSAGE_THREAD")  # Linux does, for each thread

_OWN = "lnbench.backends."


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
    """How many calls must give the same bits, each in memory of its own."""
    waits: ClassVar[bool] = False
    """Whether a routine's first call may wait, as for a compiler; later ones never may."""

    @cached_property
    def subject(self) -> Backend:
        """The backend; a test that asks for it is skipped where it is not available."""
        made = self.backend()
        if isinstance(answer := made.availability(self.device), Unavailable):
            pytest.skip(answer.reason)
        return made

    @cached_property
    def mathematics(self) -> Operation:
        """The operation."""
        return registry.operation(self.operation)

    def test_it_has_a_name_a_framework_and_a_summary(self) -> None:
        """Users call it by its name, and kernels are looked up by its framework."""
        assert self.backend.name == self.backend.name.lower().replace(" ", "-") != ""
        assert self.backend.framework and self.backend.summary

    @pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:7", "mps", "xpu"])
    def test_availability_is_an_answer_for_every_device(self, device: str) -> None:
        """A device that is not there is a reason, not an exception."""
        answer = self.backend().availability(device)
        assert isinstance(answer, Available) or answer.reason

    @pytest.mark.parametrize("cache", Cache)
    def test_its_clock_times_all_calls_together(self, cache: Cache) -> None:
        """It says no less than the calls sleep, but for a late start, and no more than passes."""
        timer = self.subject.timer(self._case(Direction.FORWARD, options=Options(cache=cache)))
        naps = [2e-3] * 5
        timer.synchronize()
        found_s, passed_s = stopwatch(lambda: timer.time(lambda: time.sleep(naps.pop()), 5))
        assert (naps, timer.resolution_s > 0) == ([], True)
        assert 4 * 2e-3 <= found_s <= passed_s + timer.resolution_s

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("direction", Direction)
    def test_results_agree_with_the_reference(self, direction: Direction, shape: Shape) -> None:
        """Check before time: every output is as close to float64 as its type allows."""
        for dtype in self.dtypes:
            self._verify(self._case(direction, shape, dtype=dtype))

    @pytest.mark.parametrize("options", OPTIONS)
    @pytest.mark.parametrize("direction", Direction)
    def test_options_are_honoured(self, direction: Direction, options: Options) -> None:
        """Weight, bias, eps and several normalized dimensions change the result."""
        self._verify(self._case(direction, (6, 10, 24), dtype=DType.FLOAT32, options=options))

    @pytest.mark.parametrize("direction", Direction)
    def test_hostile_inputs_agree_with_the_reference(self, direction: Direction) -> None:
        """Inputs that broke published kernels do not break this one."""
        for dtype in self.dtypes:
            case = self._case(direction, (64, 300), dtype=dtype)
            for hostile in self.mathematics.hostile(case, seed=1):
                self._verify(hostile.case, hostile.inputs, hostile.name)

    @pytest.mark.parametrize("direction", Direction)
    def test_results_have_the_types_of_their_truths(self, direction: Direction) -> None:
        """No result is wider or narrower than the case asks; where any type will do, any does."""
        for dtype in self.dtypes:
            outputs, truths = self._verify(self._case(direction, (8, 16), dtype=dtype))
            wanted = {name: truth.dtype for name, truth in truths.items() if truth.dtype}
            assert {name: dtype_of(outputs[name]) for name in wanted} == wanted

    @pytest.mark.parametrize("direction", Direction)
    def test_every_call_gives_the_bits_of_the_first(self, direction: Direction) -> None:
        """Nothing accumulates, drifts or depends on chance."""
        routine = self._routine(self._case(direction))
        assert len({checksum(routine.host(routine.run())) for _ in range(self.calls)}) == 1

    @pytest.mark.parametrize("direction", Direction)
    def test_results_follow_from_the_inputs_of_their_call(
        self, direction: Direction, tmp_path: Path
    ) -> None:
        """Nothing is computed before a call, after it, or from a copy of what it was given."""
        case = self._case(direction)
        inputs, name = self.mathematics.inputs(case, seed=1), self.backend.name
        shared.write(tmp_path / shared.INPUTS, inputs)
        watch = Watch(self.mathematics, case, inputs, tmp_path, limit=name == registry.SPEED_LIMIT)
        with closing(self._routine(case, inputs)) as routine:
            results = routine.run()
            sums, rows = watch.first(results, routine.host(results)), []
            if not (watch.able(routine) and self.mathematics.rows_stand_alone):
                pytest.skip("its routine lets nobody write into its inputs, or rows need others")
            fresh = [Fresh(3, 1, whole=False), Fresh(0, 2), Fresh(case.rows - 1, 3)]
            for new in fresh:
                watch.renew(routine, new, last=new is fresh[-1])
                kept = watch.keep(routine, routine.run(), new, last=new is fresh[-1])
                rows.append(NewRow(new, shared.packed(kept)))
        asked = CompareRows(Benchmark(case, name), str(tmp_path), tuple(rows), sums, {})
        assert Referee().compare_rows(asked).error == ""

    @pytest.mark.parametrize("direction", Direction)
    def test_no_call_touches_the_results_of_an_earlier_one(self, direction: Direction) -> None:
        """Allocated outputs are the user's to keep; no ring of buffers comes round again."""
        case = self._case(direction)
        if self.subject.bulk(self.mathematics, case) is not None:
            pytest.skip("the speed limit moves bytes into ready buffers")
        routine = self._routine(case)
        held = [_Held(routine) for _ in range(self.calls)]
        for spans in zip(*(result.spans for result in held), strict=True):
            assert all(end <= start for (_, end), (start, _) in pairwise(sorted(spans)))

    @pytest.mark.parametrize("direction", [Direction.FORWARD, Direction.BACKWARD])
    def test_ready_outputs_are_right_and_rewritten_in_place(self, direction: Direction) -> None:
        """Output 'ready' computes the same, in every call anew and in the same memory."""
        case = self._case(direction, options=Options(output=Output.READY))
        self._verify(case)
        routine = self._routine(case)
        first = _Held(routine)
        for array in first.arrays.values():
            if array.flags.writeable:
                array.fill(0)
        second = _Held(routine)
        assert (second.bits, second.spans) == (first.bits, first.spans)

    @pytest.mark.parametrize("direction", Direction)
    def test_no_call_waits(self, direction: Direction, monkeypatch: pytest.MonkeyPatch) -> None:
        """No call gives up its CPU, the first neither: what is slow in it is work.

        On the CPU Linux counts any sleep, lock and poll; elsewhere only `time.sleep` is seen.
        Never seen: a loop that spins, and what a process does once only, as it loads libraries.
        """
        monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it sleeps"))
        undisturbed = any(self._switches(self._case(direction)) == 0 for _ in range(5))
        assert undisturbed or self.device != "cpu" or not COUNTS_WAITS

    @pytest.mark.parametrize("direction", Direction)
    def test_inputs_are_left_as_they_were(self, direction: Direction) -> None:
        """No kernel works in place on what it was given."""
        case = self._case(direction)
        inputs = self.mathematics.inputs(case, seed=1)
        before = checksum(inputs)
        self._routine(case, inputs).run()
        assert checksum(inputs) == before

    def _case(self, direction: Direction, shape: Shape = (64, 128), **rest: Any) -> Case:
        fields = {"dtype": self.dtypes[0], "device": self.device} | rest
        return Case(self.operation, direction, shape, **fields)

    def _routine(self, case: Case, inputs: Arrays | None = None, threads: int = 0) -> Routine:
        inputs = self.mathematics.inputs(case, seed=1) if inputs is None else inputs
        return make_routine(self.subject, self.mathematics, case, inputs, threads or self.threads)

    def _switches(self, case: Case) -> int:
        """Return how often three calls of a new routine gave up the CPU."""
        who = resource.RUSAGE_THREAD if COUNTS_WAITS else resource.RUSAGE_SELF
        with closing(self._routine(case, threads=1)) as routine:
            if self.waits:
                routine.run()
            before = resource.getrusage(who).ru_nvcsw
            for _ in range(3):
                routine.run()
            return resource.getrusage(who).ru_nvcsw - before

    def _verify(
        self, case: Case, inputs: Arrays | None = None, where: str = "random"
    ) -> tuple[Arrays, Mapping[str, Truth]]:
        inputs = self.mathematics.inputs(case, seed=1) if inputs is None else inputs
        truths = self.subject.truth(self.mathematics, case, inputs)
        truths = truths or self.mathematics.reference(case, inputs)
        others = self.subject.third_party or not type(self.subject).__module__.startswith(_OWN)
        errors = torch_errors(self.mathematics, case, inputs, truths) if others else {}
        with closing(self._routine(case, inputs)) as routine:
            outputs = routine.host(routine.run())
        truths = asked_for(truths, outputs, self.mathematics) if others else truths
        compared = agreement(outputs, truths, errors)
        assert compared.outputs, f"{case.id}: nothing was compared"
        # Others may exceed the ceiling that lnbench sets its own kernels, as torch does.
        forgiven = others and as_good_as_torch(compared, errors)
        assert compared.passed or forgiven, f"{case.id}, {where}: {wrong_text(compared)}"
        return outputs, truths


class _Held:
    """The results of one call, kept alive: their bits, and where each begins and ends."""

    def __init__(self, routine: Routine) -> None:
        self.results = routine.run()
        self.arrays = routine.host(self.results)
        self.bits = checksum(self.arrays)
        results = self.results if isinstance(self.results, tuple) else ()
        tensors = [(out.data_ptr(), out.nbytes) for out in results if hasattr(out, "data_ptr")]
        arrays = [(array.ctypes.data, array.nbytes) for array in self.arrays.values()]
        self.spans = [(start, start + size) for start, size in tensors or arrays]


class OperationContract:
    """What every operation promises."""

    operation: ClassVar[type[Operation]]
    """The class under test."""
    shapes: ClassVar[tuple[Shape, ...]] = ((16, 32), (1, 7))
    """Shapes that it takes."""

    def _cases(self) -> Iterator[tuple[Operation, Case]]:
        for direction, shape, dtype in product(Direction, self.shapes, DType):
            yield self.operation(), Case(self.operation.name, direction, shape, dtype, "cpu")

    def test_inputs_follow_from_the_seed(self) -> None:
        """Equal seeds give equal inputs, others do not."""
        for mathematics, case in self._cases():
            first, again, other = (mathematics.inputs(case, seed) for seed in (1, 1, 2))
            assert checksum(first) == checksum(again) != checksum(other)

    def test_the_reference_is_float64_and_finite_and_named_like_the_outputs(self) -> None:
        """Truth is float64; every output has one, of positive scale."""
        for mathematics, case in self._cases():
            truths = mathematics.reference(case, mathematics.inputs(case, 1))
            assert set(truths) <= set(mathematics.outputs(case))
            for truth in truths.values():
                assert truth.values.dtype == np.float64 and np.isfinite(truth.values).all()
                assert all((scale >= 0).all() for scale in truth.scales)

    def test_work_grows_with_the_shape_and_the_type(self) -> None:
        """Twice the rows is more work; a wider type moves more bytes."""
        for mathematics, case in self._cases():
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
