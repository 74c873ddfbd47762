"""The process that no plug-in is in: it makes inputs, knows their truth, and compares outputs.

Workers never see the truth: it stays in this process's memory, and results reach it as files.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lnbench import registry
from lnbench.arrays import dtype_of
from lnbench.measure import fresh, messages, shared, verify
from lnbench.measure.shared import INPUTS, OTHER
from lnbench.measure.truth import torch_errors
from lnbench.operation import Arrays, Operation, Truth
from lnbench.plan.case import Benchmark, Case

_OTHER_SEED = 7_777_777
_SLACK = 8
"""What a row may be off by, in tolerances: it asks whether work was done, not how well."""


class Referee:
    """Answers what the session asks between passes."""

    def __init__(self) -> None:
        self._folder = Path()
        self._truths: dict[str, Mapping[str, Truth]] = {}
        self._errors: dict[str, float] = {}

    def make(self, request: messages.MakeInputs) -> messages.InputsMade:
        """Write the inputs of a case, if they are not there, and find their truth, if wanted."""
        case, operation = request.case, registry.operation(request.case.operation)
        self._folder, self._truths, self._errors = Path(request.folder), {}, {}
        seeds = {INPUTS: request.seed}
        if not operation.rows_stand_alone:
            seeds[OTHER] = request.seed + _OTHER_SEED
        for name, seed in seeds.items():
            if not shared.written(self._folder / name):
                shared.write(self._folder / name, operation.inputs(case, seed))
        if request.truth:
            for name in seeds:
                self._truths[name] = operation.reference(case, self._inputs(operation, case, name))
            inputs = shared.read(self._folder / INPUTS)
            self._errors = torch_errors(operation, case, inputs, self._truths[INPUTS])
        return messages.InputsMade(self._errors)

    def compare(self, request: messages.Compare) -> messages.Compared:
        """Return how close the outputs in a folder are, and why they may not be timed."""
        name, outputs = OTHER if request.other else INPUTS, shared.read(Path(request.results))
        operation, case = _of(request.benchmark)
        if name not in self._truths:
            raise RuntimeError("the process that knew the truth has died")
        truths = self._truths[name]
        if registry.is_limit(request.benchmark.backend):
            inputs = self._inputs(operation, case, name)
            backend = registry.backend(request.benchmark.backend)
            truths = backend.truth(operation, case, inputs) or truths
        own = registry.is_own_kernel(request.benchmark.backend)
        if not own:
            truths = verify.asked_for(truths, outputs, operation)
        try:
            verify.refuse_types(outputs, truths, case)
            agreement = verify.require_agreement(
                own, verify.agreement(outputs, truths, self._errors), self._errors
            )
        except verify.WrongResultError as error:
            return messages.Compared(None, str(error))
        finally:
            shared.clear(Path(request.results))
        return messages.Compared(agreement)

    def compare_rows(self, request: messages.CompareRows) -> messages.Compared:
        """Return what is wrong with the rows that timed calls returned; empty where nothing is."""
        return messages.Compared(None, _Rows(request).problem())

    def _inputs(self, operation: Operation, case: Case, name: str) -> Arrays:
        """Return inputs as a kernel has them: of the others only those that may change."""
        inputs = shared.read(self._folder / INPUTS)
        if name == OTHER:
            other = shared.read(self._folder / OTHER)
            inputs |= {key: other[key] for key in fresh.renewed(operation, case, inputs)}
        return inputs


class _Rows:
    """The rows of one process's samples, against what they were to be."""

    def __init__(self, request: messages.CompareRows) -> None:
        self._benchmark, self._fresh = request.benchmark, [row.fresh for row in request.rows]
        self._operation, self._case = _of(request.benchmark)
        self._inputs = shared.read(Path(request.folder) / INPUTS)
        self._samples = [shared.unpacked(row.outputs) for row in request.rows]
        self._before = shared.unpacked(request.sums)
        self._kept: dict[str, Any] = {}
        self._errors = request.torch_errors
        self._names = fresh.renewed(self._operation, self._case, self._inputs)

    def problem(self) -> str:
        """Return what is wrong; empty where nothing is."""
        names = self._samples[0].keys() - self._before if self._samples else ()
        counts = (len(rows.get(name, ())) for rows in self._samples for name in names)
        if not names or {*counts} != {1}:
            return "what its timed calls returned was not kept: the harness was changed"
        self._kept = {n: np.concatenate([rows[n] for rows in self._samples]) for n in names}
        values = [fresh.new_rows(self._inputs, self._names, each) for each in self._fresh]
        new = {name: np.concatenate([each[name] for each in values]) for name in self._names}
        truths = self._truth(new, [each.row for each in self._fresh])
        rows = {name: truth for name, truth in truths.items() if name in self._kept}
        found = verify.agreement(self._kept, rows, self._errors)
        for name, output in found.outputs.items():
            allowed = max(output.allowed, 2 * self._errors.get(name, 0.0))
            if not output.max_relative <= _SLACK * allowed:
                return self._words(name, self._off(name, rows[name], allowed))
        return self._sums_problem()

    def _truth(self, new: Mapping[str, Any], rows: list[int]) -> Mapping[str, Truth]:
        """Return the truth of rows with new values, of which those of `rows` are the others."""
        case = fresh.rows_case(self._case, len(rows))
        inputs = {**fresh.with_rows(self._case, self._inputs, np.array(rows)), **new}
        if registry.is_limit(self._benchmark.backend):
            backend = registry.backend(self._benchmark.backend)
            return backend.truth(self._operation, case, inputs) or {}
        return self._operation.reference(case, inputs)

    def _off(self, name: str, truth: Truth, allowed: float) -> int:
        """Return in how many samples a row is off."""
        single = [
            verify.agreement(
                {name: self._kept[name][k : k + 1]}, {name: _only(truth, k)}, self._errors
            ).outputs[name]
            for k in range(len(self._fresh))
        ]
        return sum(not output.max_relative <= _SLACK * allowed for output in single)

    def _words(self, name: str, off: int) -> str:
        return (
            f"{name} of a timed call does not follow from its inputs in {off} of "
            f"{len(self._fresh)} samples: one row of them was new, and was gone right after the "
            "call; it was computed before, later, or from a copy"
        )

    def _sums_problem(self) -> str:
        """Return what is wrong with sums over the rows, by what the new row of the last changes."""
        if not self._before:
            return ""
        # The last sample's only: looks at the clock, which come after it, ask for rows alone.
        summed = [k for k, rows in enumerate(self._samples) if self._before.keys() <= rows.keys()]
        if not summed:
            return "the sums of its last timed call were not kept: the harness was changed"
        rows, last = self._samples[summed[-1]], self._fresh[summed[-1]]
        new = self._truth(fresh.new_rows(self._inputs, self._names, last), [last.row])
        old = self._truth({}, [last.row])
        for name, before in self._before.items():
            change = rows[name].astype(np.float64) - before
            wanted = new[name].values - old[name].values
            # Errors of a sum grow with the root of the rows; the scale of one row stands for all.
            scale = sum(float(np.sqrt(np.mean(np.square(t[name].scales[0])))) for t in (new, old))
            tolerance = verify.tolerance_of(dtype_of(before), new[name])
            allowed = max(tolerance.ceiling, 2 * self._errors.get(name, 0.0))
            limit = 2 * _SLACK * allowed * scale * self._case.rows**0.5
            if not float(np.abs(change - wanted).max(initial=0.0)) <= limit:
                return self._words(name, 1)
        return ""


def _of(benchmark: Benchmark) -> tuple[Operation, Case]:
    return registry.operation(benchmark.case.operation), benchmark.case


def _only(truth: Truth, row: int) -> Truth:
    """Return the truth of one row."""
    scales = tuple(
        scale[row : row + 1] if scale.ndim == truth.values.ndim and len(scale) > 1 else scale
        for scale in truth.scales
    )
    return msgspec.structs.replace(truth, values=truth.values[row : row + 1], scales=scales)
