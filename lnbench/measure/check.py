"""A benchmark verified once on its own inputs and on hostile ones, not timed."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from lnbench import registry
from lnbench.backend import Backend, UnsupportedError
from lnbench.measure import messages, shared, verify
from lnbench.measure.messages import Finding
from lnbench.measure.referee import Referee
from lnbench.measure.routine import make_routine
from lnbench.measure.shared import INPUTS
from lnbench.measure.truth import torch_errors
from lnbench.measure.verify import as_good_as_torch, wrong_text
from lnbench.measure.watch import Watch
from lnbench.operation import Arrays, Hostile, Operation
from lnbench.plan.case import Case
from lnbench.units import one_line

_BEYOND = 1000  # numbers of what the traits showed


def check(request: messages.Check) -> messages.Checked:
    """Deliver outputs for each set of inputs; an exception on one does not hide the others."""
    benchmark, results = request.benchmark, Path(request.results)
    backend = registry.backend(benchmark.backend)
    operation = registry.operation(benchmark.case.operation)
    findings = {}
    sets = input_sets(operation, benchmark.case, request.seed, Path(request.folder))
    for number, given in enumerate(sets):
        try:
            delivered = _outputs(backend, operation, given, request.threads, calls=1)[0]
            shared.write(results / str(number), delivered)
        # Shapes and options that a backend does not take show nothing about it.
        except UnsupportedError:
            if number == 0:
                raise
        # A plug-in may raise anything; the other inputs still have something to say.
        except Exception as error:  # noqa: BLE001
            findings[number] = _raised(given.name, error)
    if 0 in findings:
        return messages.Checked(findings)
    plain = next(input_sets(operation, benchmark.case, request.seed, Path(request.folder)))
    row: messages.NewRow | None = None
    sums: dict[str, shared.Packed] = {}
    try:
        row, sums = _new_row(backend, operation, plain, request)
    except Exception as error:  # noqa: BLE001
        findings[_BEYOND] = _raised("a new row", error)
    seen, wrong = traits(backend, operation, plain, request.threads)
    findings |= {_BEYOND + 1 + number: finding for number, finding in enumerate(wrong)}
    return messages.Checked(findings, seen, row, sums)


def input_sets(operation: Operation, case: Case, seed: int, folder: Path) -> Iterator[Hostile]:
    """Yield the case's own inputs and then the hostile ones, the same in every process."""
    yield Hostile("random", case, shared.read(folder / INPUTS))
    yield from operation.hostile(case, seed)


def compare_sets(request: messages.CompareSets) -> messages.Checked:
    """Return how close the outputs are that a worker delivered; asked of the referee."""
    benchmark, results = request.benchmark, Path(request.results)
    operation = registry.operation(benchmark.case.operation)
    findings = {}
    sets = input_sets(operation, benchmark.case, request.seed, Path(request.folder))
    for number, given in enumerate(sets):
        if shared.written(results / str(number)):
            outputs = shared.read(results / str(number))
            findings[number] = _finding(benchmark.backend, operation, given, outputs)
    if request.row is not None:
        own = findings[0].agreement
        errors = {name: found.max_relative for name, found in own.outputs.items()} if own else {}
        rows = messages.CompareRows(benchmark, request.folder, (request.row,), request.sums, errors)
        error = Referee().compare_rows(rows).error
        if error:
            findings[_BEYOND] = Finding("a new row", None, error, tolerable=False)
    return messages.Checked(findings)


def _raised(name: str, error: Exception) -> Finding:
    return Finding(name, None, one_line(f"{type(error).__name__}: {error}"), tolerable=False)


def _new_row(
    backend: Backend, operation: Operation, plain: Hostile, request: messages.Check
) -> tuple[messages.NewRow | None, dict[str, shared.Packed]]:
    """Return what a second call makes of a new row; nothing where none can be written."""
    folder, limit = Path(request.folder), registry.is_limit(backend.name)
    watch = Watch(operation, plain.case, plain.inputs, folder, limit=limit)
    with contextlib.closing(
        make_routine(backend, operation, plain.case, plain.inputs, request.threads)
    ) as routine:
        results = routine.run()
        sums = watch.first(results, routine.host(results))
        if not (watch.able(routine) and operation.rows_stand_alone):
            return None, {}
        new = messages.Fresh(request.seed % plain.case.rows, request.seed)
        watch.renew(routine, new, last=True)
        kept = watch.keep(routine, routine.run(), new, last=True)
    return messages.NewRow(new, shared.packed(kept)), sums


def _finding(name: str, operation: Operation, given: Hostile, outputs: Arrays) -> Finding:
    """Return what the outputs of one set of inputs show."""
    truths = operation.reference(given.case, given.inputs)
    if registry.is_limit(name):
        truths = registry.backend(name).truth(operation, given.case, given.inputs) or truths
    own = registry.is_own_kernel(name)
    if not own:
        truths = verify.asked_for(truths, outputs, operation)
    try:
        errors = torch_errors(operation, given.case, given.inputs, truths)
    # What torch cannot do with these inputs is said of them, and hides nothing of the others.
    except Exception as error:  # noqa: BLE001
        words = f"torch's own kernels: {type(error).__name__}: {error}"
        return Finding(given.name, None, words, tolerable=False)
    agreement = verify.agreement(outputs, truths, errors)
    try:
        verify.refuse_types(outputs, truths, given.case)
    except verify.WrongResultError as error:
        return Finding(given.name, agreement, str(error), tolerable=False)
    if agreement.passed:
        return Finding(given.name, agreement, "", tolerable=False)
    known = (
        registry.backend(name).known_failings.get(given.name, "") if registry.is_own(name) else ""
    )
    words = f"{wrong_text(agreement)}{f': {known}' if known and not own else ''}"
    as_torch = not own and as_good_as_torch(agreement, errors)
    return Finding(given.name, agreement, words, tolerable=as_torch or bool(known and not own))


def traits(
    backend: Backend, operation: Operation, hostile: Hostile, threads: int
) -> tuple[messages.Traits, list[Finding]]:
    """Return what the bits of outputs depend on, beside the inputs, and what raised on the way."""
    wrong: list[Finding] = []

    def seen(name: str, look: Callable[[], bool | None]) -> bool | None:
        try:
            return look()
        # A plug-in may raise anything; what the other inputs showed is not lost.
        except Exception as error:  # noqa: BLE001
            wrong.append(Finding(name, None, f"{type(error).__name__}: {error}", tolerable=False))
            return None

    def repeated() -> bool:
        return _same(*_outputs(backend, operation, hostile, threads, calls=2))

    def with_other_threads() -> bool | None:
        if hostile.case.device_type != "cpu":
            return None
        counts = (threads, 1 if threads > 1 else 2)
        return _same(*(_outputs(backend, operation, hostile, n, calls=1)[0] for n in counts))

    bits = messages.Traits(
        repeatable=seen("a second call", repeated),
        any_threads=seen("another number of threads", with_other_threads),
        any_batch=seen("a row alone", lambda: _any_batch(backend, operation, hostile, threads)),
    )
    return bits, wrong


def _outputs(
    backend: Backend, operation: Operation, hostile: Hostile, threads: int, *, calls: int
) -> list[Arrays]:
    """Return copies of the outputs of some calls of one routine."""
    with contextlib.closing(
        make_routine(backend, operation, hostile.case, hostile.inputs, threads)
    ) as routine:
        results = (routine.host(routine.run()) for _ in range(calls))
        return [{name: array.copy() for name, array in outputs.items()} for outputs in results]


def _same(one: Arrays, other: Arrays) -> bool:
    return verify.checksum(one) == verify.checksum(other)


def _any_batch(
    backend: Backend, operation: Operation, hostile: Hostile, threads: int
) -> bool | None:
    """Return whether a row in the middle has the same bits alone; None where there is but one."""
    rows, columns = hostile.case.rows, hostile.case.columns
    place = slice(rows // 2, rows // 2 + 1)
    if (
        rows <= 1
        or not operation.rows_are_cases
        or backend.bulk(operation, hostile.case) is not None
    ):
        return None
    options = msgspec.structs.replace(hostile.case.options, normalized_dims=1)
    alone = msgspec.structs.replace(hostile.case, shape=(1, columns), options=options)
    inputs = {
        name: array[place] if array.shape[:1] == (rows,) and array.ndim > 1 else array
        for name, array in hostile.inputs.items()
    }
    (together,) = _outputs(backend, operation, hostile, threads, calls=1)
    try:
        (outputs,) = _outputs(backend, operation, Hostile("alone", alone, inputs), threads, calls=1)
    except Exception:
        if operation.rows_stand_alone:
            raise
        return None  # a batch of one row has no statistics to compute
    by_row = {n: a for n, a in together.items() if a.ndim > 1 and len(a) == rows}
    if not by_row:
        return None
    return _same({n: a[place] for n, a in by_row.items()}, {n: outputs[n] for n in by_row})
