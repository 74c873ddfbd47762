"""Curves of training as a table, as JSON and as a picture."""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lnbench.errors import ConfigError
from lnbench.paper.report import Point, Run, TrainingReport
from lnbench.paper.summary import SeedGroup, groups
from lnbench.render.columns import interval_text
from lnbench.render.sheet import ABSENT, Column, Line, Sheet, View
from lnbench.units import format_percent, format_time, significant

_COLOURS: Mapping[str, str] = {
    "none": "#777777",
    "batch": "#d95f02",
    "layer": "#1b9e77",
    "rms": "#7570b3",
}


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
        Column("±", wide=True),
        Column("a step", wide=True),
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
    return View((head_line(training),), training_sheets(training), data)


def plot(training: TrainingReport, path: Path) -> None:
    """Write a picture of the loss against steps and against seconds; the ending says the format.

    ConfigError where the file cannot be written, ImportError where matplotlib is missing.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    panels = list(dict.fromkeys((r.model, r.batch_size, r.learning_rate) for r in training.runs))
    figure, axes = plt.subplots(
        len(panels), 2, figsize=(10, 3.2 * len(panels) + 0.6), squeeze=False, sharey="row"
    )
    for row, panel in zip(axes, panels, strict=True):
        runs = [r for r in training.runs if (r.model, r.batch_size, r.learning_rate) == panel]
        _panel(row, runs, panel, training.target_loss)
    # Not every panel has every normalization: batch leaves out nets through time.
    pairs = (zip(*row[0].get_legend_handles_labels(), strict=True) for row in axes)
    names = {name: handle for each in pairs for handle, name in each}
    figure.legend(names.values(), names.keys(), loc="upper right", ncols=len(names), frameon=False)
    figure.suptitle(training.data, x=0.01, ha="left", fontsize=10)
    figure.tight_layout(rect=(0, 0, 1, 0.97))
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        plt.close(figure)


def _panel(row: Any, runs: Sequence[Run], panel: tuple[str, int, float], target: float) -> None:
    model, batch, rate = panel
    for name in dict.fromkeys(run.normalization for run in runs):
        own = [run for run in runs if run.normalization == name and run.points]
        for axis, key in zip(row, ("step", "seconds"), strict=True):
            for run in own:
                xs = [getattr(point, key) for point in run.points]
                ys = [point.loss for point in run.points]
                axis.plot(xs, ys, color=_COLOURS.get(name), alpha=0.25, linewidth=0.8)
            middle = _median_curve(own)
            xs, ys = [getattr(p, key) for p in middle], [p.loss for p in middle]
            axis.plot(xs, ys, color=_COLOURS.get(name), linewidth=1.8, label=name)
    for axis, words in zip(row, ("training steps", "seconds on this machine"), strict=True):
        axis.set_yscale("log")
        axis.axhline(target, color="black", linewidth=0.6, linestyle=":")
        axis.set_xlabel(words)
        axis.grid(alpha=0.2)
    row[0].set_ylabel(f"{model}, batch {batch}, rate {rate:g}\nloss, held out")


def _median_curve(runs: Sequence[Run]) -> list[Point]:
    """Return the median over seeds at each evaluation that all runs have."""
    count = min((len(run.points) for run in runs), default=0)
    return [
        Point(
            runs[0].points[k].step,
            *(
                statistics.median(getattr(run.points[k], name) for run in runs)
                for name in ("seconds", "loss", "accuracy")
            ),
        )
        for k in range(count)
    ]


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
