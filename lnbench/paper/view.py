"""Curves of training as a table and as JSON."""

import math
from collections.abc import Sequence
from functools import partial

import msgspec

from lnbench.paper.curves import curves
from lnbench.paper.report import TrainingReport
from lnbench.paper.summary import SeedGroup, groups
from lnbench.render.columns import interval_text
from lnbench.render.rows import environment_sheet
from lnbench.render.sheet import ABSENT, Column, Line, Sheet, View
from lnbench.units import format_percent, format_time, significant


def head_line(training: TrainingReport) -> str:
    """Return what was trained on what, in a line."""
    done = sum(run.finished for run in training.runs)
    return (
        f"{training.data} · {done} of {len(training.runs)} runs · "
        f"{training.created:%Y-%m-%d %H:%M} UTC · {training.environment.cpu.model}, "
        f"{training.environment.threads} thread{'s' * (training.environment.threads != 1)}"
    )


def training_sheets(training: TrainingReport) -> tuple[Sheet, ...]:
    """Return one sheet for each model."""
    found: dict[str, list[SeedGroup]] = {}
    for group in groups(training):
        found.setdefault(group.model, []).append(group)
    columns = (
        Column("batch"),
        Column("rate"),
        Column("normalization", right=False),
        Column("steps"),
        Column("±"),
        Column("seconds"),
        Column("±", worth=1),
        Column("a step", worth=2),
        Column("loss"),
        Column("accuracy"),
    )
    last = next(reversed(found), None)  # what was left out is said once, at the end
    return tuple(
        Sheet(
            f"{model} · to a loss of {training.target_loss:g} on what was held out",
            columns,
            tuple(_lines(members)),
            (*_notes(members), *(training.notes if model == last else ())),
            figures=partial(curves, training, model),
        )
        for model, members in found.items()
    )


def training_view(training: TrainingReport) -> View:
    """Return the tables; as data, one object a group of seeds."""
    rows = [
        {
            "model": each.model,
            "normalization": each.normalization,
            "batch_size": each.batch_size,
            "learning_rate": each.learning_rate,
            "seeds": each.seeds,
            "diverged": each.diverged,
            "reached": each.reached,
            "steps_to_target": each.steps,
            "seconds_to_target": each.seconds,
            "step_s": each.step_s,
            "best_loss": _finite(each.best_loss),
            "accuracy": each.accuracy,
        }
        for each in groups(training)
    ]
    data = {"data": training.data, "target_loss": training.target_loss, "rows": rows}
    details = (environment_sheet(training.environment),)
    encode = partial(msgspec.json.encode, training)
    return View((head_line(training),), training_sheets(training), data, details, encode)


def _lines(rows: Sequence[SeedGroup]) -> list[Line]:
    found, last = [], None
    for row in rows:
        place = (row.batch_size, row.learning_rate)
        fastest = min(
            (r.steps.value for r in rows if r.steps and (r.batch_size, r.learning_rate) == place),
            default=math.inf,
        )
        cells = (
            str(row.batch_size) if place != last else "",
            f"{row.learning_rate:g}" if place != last else "",
            row.normalization,
            significant(row.steps.value, 3) if row.steps else ABSENT,
            interval_text(row.steps) if row.steps else ABSENT,
            format_time(row.seconds.value) if row.seconds else ABSENT,
            interval_text(row.seconds) if row.seconds else ABSENT,
            format_time(row.step_s.value) if row.step_s else ABSENT,
            significant(row.best_loss, 3) if row.best_loss < 1e9 else "∞",  # noqa: PLR2004
            format_percent(row.accuracy, 1),
        )
        best = bool(row.steps and row.steps.value == fastest)
        found.append(Line(cells, best=best, first=place != last))
        last = place
    return found


def _notes(rows: Sequence[SeedGroup]) -> list[str]:
    found = []
    for row in rows:
        who = f"batch {row.batch_size}, rate {row.learning_rate:g}, {row.normalization}"
        if row.diverged:
            found.append(f"{who}: {row.diverged} of {row.seeds} runs diverged")
        if row.reached < row.seeds:
            found.append(f"{who}: {row.reached} of {row.seeds} runs came to the target loss")
    return found


def _finite(value: float) -> float | None:
    return value if value < 1e9 else None  # noqa: PLR2004
