"""A benchmark verified once on its own inputs and on hostile ones, not timed."""

import itertools

from lnbench import registry
from lnbench.backend import Backend
from lnbench.measure import messages, verify
from lnbench.measure.bench import as_good_as_torch, make_routine, wrong_text
from lnbench.measure.messages import Finding
from lnbench.measure.truth import torch_errors
from lnbench.operation import Hostile, Operation


def check(request: messages.Check) -> messages.Checked:
    """Return what each set of inputs showed; an exception on one does not hide the others."""
    benchmark = request.benchmark
    backend = registry.backend(benchmark.backend)
    operation = registry.operation(benchmark.case.operation)
    inputs = operation.inputs(benchmark.case, request.seed)
    plain = Hostile("random", benchmark.case, inputs)
    given = itertools.chain([plain], operation.hostile(benchmark.case, request.seed))
    return messages.Checked(
        tuple(_finding(backend, operation, each, request.threads) for each in given)
    )


def _finding(backend: Backend, operation: Operation, given: Hostile, threads: int) -> Finding:
    try:
        routine = make_routine(backend, operation, given.case, given.inputs, threads)
        try:
            outputs = routine.host(routine.run())
        finally:
            routine.close()
    # A plug-in may raise anything; the other inputs still have something to say.
    except Exception as error:  # noqa: BLE001
        return Finding(given.name, None, f"{type(error).__name__}: {error}", tolerable=False)
    truths = backend.truth(operation, given.case, given.inputs)
    if truths is None:
        truths = operation.reference(given.case, given.inputs)
    peer = torch_errors(operation, given.case, given.inputs, truths)
    found = verify.agreement(outputs, truths, peer)
    if found.passed:
        return Finding(given.name, found, "", tolerable=False)
    known = backend.known_failings.get(given.name, "") if backend.peer else ""
    words = f"{wrong_text(found)}{f': {known}' if known else ''}"
    as_torch = backend.peer and as_good_as_torch(found, peer)
    return Finding(given.name, found, words, tolerable=as_torch or bool(known))
