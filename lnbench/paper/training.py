"""One net trained once: loss and accuracy on what was held out, against steps and seconds."""

import math
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from lnbench import activity
from lnbench.paper.data import Data
from lnbench.paper.report import Point, Run

_EVALUATIONS = 60
"""Points of a curve, closer together at its beginning."""


class Progress(msgspec.Struct, frozen=True):
    """Where a run stands after an evaluation."""

    run: Run
    """The run so far."""
    done: float
    """Share of its steps that are done."""


def train(run: Run, data: Data, threads: int) -> Iterator[Progress]:
    """Yield a run as it grows, one point a time; a loss that is not finite ends it.

    The seconds are those of the training steps alone. Deterministic for a seed on one machine.
    """
    import torch

    from lnbench.paper.models import build

    torch.set_num_threads(threads)
    torch.manual_seed(run.seed)
    net = build(run.model, run.normalization, data.images.shape[1:], data.classes)
    optimizer = torch.optim.Adam(net.parameters(), lr=run.learning_rate)
    loss_of = torch.nn.CrossEntropyLoss()
    images, labels, *held = map(
        torch.from_numpy, (data.images, data.labels, data.test_images, data.test_labels)
    )
    batches = _batches(len(images), run.batch_size, run.seed)
    points = [_evaluated(net, loss_of, held, 0, 0.0)]
    spent, done = 0.0, 0
    for goal in _goals(run.steps):
        with activity.timing():
            start = time.perf_counter()
            while done < goal:
                chosen = next(batches)
                optimizer.zero_grad(set_to_none=True)
                loss_of(net(images[chosen]), labels[chosen]).backward()
                optimizer.step()
                done += 1
            spent += time.perf_counter() - start
        points.append(_evaluated(net, loss_of, held, done, spent))
        grown = msgspec.structs.replace(run, points=tuple(points))
        if not math.isfinite(points[-1].loss):
            yield Progress(msgspec.structs.replace(grown, diverged=True), 1.0)
            return
        yield Progress(grown, done / run.steps)


def _batches(cases: int, size: int, seed: int) -> Iterator[Any]:
    """Yield the cases of batch after batch, each epoch in a new order; batches are full."""
    import torch

    generator = torch.Generator().manual_seed(seed + 1_000_003)
    while True:
        order = torch.randperm(cases, generator=generator)
        for start in range(0, cases - size + 1, size):
            yield order[start : start + size]


def _goals(steps: int) -> list[int]:
    """Return the steps after which a net is evaluated: close together at first."""
    evaluated = {math.ceil(steps * (k / _EVALUATIONS) ** 2) for k in range(1, _EVALUATIONS + 1)}
    return sorted(evaluated)


def _evaluated(net: Any, loss_of: Any, held: list[Any], step: int, seconds: float) -> Point:
    """Return loss and accuracy on what was held out, with the computation of test time."""
    import torch

    images, labels = held
    net.eval()
    with torch.no_grad():
        logits = net(images)
        loss = float(loss_of(logits, labels))
        accuracy = float((logits.argmax(1) == labels).float().mean())
    net.train()
    return Point(step, seconds, loss, accuracy)
