"""A benchmark verified once on its own inputs and on hostile ones, not timed."""

import contextlib
from collections.abc import Callable

import msgspec

from lnbench import registry
from lnbench.backend import Backend, UnsupportedError
from lnbench.measure import messages, verify
from lnbench.measure.messages import Finding
from lnbench.measure.subject import as_good_as_torch, make_routine, wrong_text
from lnbench.measure.truth import torch_errors
from lnbench.operation import Arrays, Hostile, Operation


def check(request: messages.Check) -> messages.Checked:
    """Return what each set of inputs showed; an exception on one does not hide the others."""
    benchmark = request.benchmark
    backend = registry.backend(benchmark.backend)
    operation = registry.operation(benchmark.case.operation)
    inputs = operation.inputs(benchmark.case, request.seed)
    plain = Hostile("random", benchmark.case, inputs)
    findings = [_finding(backend, operation, plain, request.threads)]
    for hostile in operation.hostile(benchmark.case, request.seed):
        # Shapes and options that a backend does not take show nothing about it.
        with contextlib.suppress(UnsupportedError):
            findings.append(_finding(backend, operation, hostile, request.threads))
    seen = messages.Traits()
    if findings[0].agreement:
        seen, wrong = traits(backend, operation, plain, request.threads)
        findings += wrong
    return messages.Checked(tuple(findings), seen)


def _finding(backend: Backend, operation: Operation, hostile: Hostile, threads: int) -> Finding:
    try:
        routine = make_routine(backend, operation, hostile.case, hostile.inputs, threads)
        try:
            outputs = routine.host(routine.run())
        finally:
            routine.close()
    except UnsupportedError:
        raise
    # A plug-in may raise anything; the other inputs still have something to say.
    except Exception as error:  # noqa: BLE001
        return Finding(hostile.name, None, f"{type(error).__name__}: {error}", tolerable=False)
    truths = backend.truth(operation, hostile.case, hostile.inputs)
    if truths is None:
        truths = operation.reference(hostile.case, hostile.inputs)
    try:
        errors = torch_errors(operation, hostile.case, hostile.inputs, truths)
    # What torch cannot do with these inputs is said of them, and hides nothing of the others.
    except Exception as error:  # noqa: BLE001
        words = f"torch's own kernels: {type(error).__name__}: {error}"
        return Finding(hostile.name, None, words, tolerable=False)
    agreement = verify.agreement(outputs, truths, errors)
    if agreement.passed:
        return Finding(hostile.name, agreement, "", tolerable=False)
    known = backend.known_failings.get(hostile.name, "") if backend.third_party else ""
    words = f"{wrong_text(agreement)}{f': {known}' if known else ''}"
    as_torch = backend.third_party and as_good_as_torch(agreement, errors)
    return Finding(hostile.name, agreement, words, tolerable=as_torch or bool(known))


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
        or not operation.rows_stand_alone
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
    (outputs,) = _outputs(backend, operation, Hostile("alone", alone, inputs), threads, calls=1)
    by_row = {n: a for n, a in together.items() if a.ndim > 1 and len(a) == rows}
    if not by_row:
        return None
    return _same({n: a[place] for n, a in by_row.items()}, {n: outputs[n] for n in by_row})
