"""The loss of nets against steps and against seconds, as charts."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lnbench.paper.report import Run, TrainingReport
from lnbench.render.sheet import Figure, grouped

_COLOURS: Mapping[str, str] = {
    "none": "#888888",
    "batch": "#d95f02",
    "layer": "#1b9e77",
    "rms": "#8a6fd6",
}
_AXES = {"step": "training steps", "seconds": "seconds on this machine"}
_LEAST_LOSS = 1e-12  # a logarithm needs one above 0
_MOST_LOSS = 1e9  # and a run that diverged none beyond


def curves(training: TrainingReport, model: str) -> Iterator[Figure]:
    """Yield, for each batch and rate of a model, the loss against steps and against seconds."""
    own = [run for run in training.runs if run.model == model and run.points]
    panels = grouped(own, lambda run: f"batch {run.batch_size}, rate {run.learning_rate:g}")
    for title, runs in panels.items():
        for axis, words in _AXES.items():
            chart = _panel(runs, axis, words, training.target_loss)
            yield Figure("loss", f"{model}, {title}: loss against {words}", chart)


def _panel(runs: Sequence[Run], axis: str, words: str, target: float) -> Any:
    """Return a thin line a run, a thick one through the medians, and the target."""
    import altair as alt

    names = list(dict.fromkeys(run.normalization for run in runs))
    scale = alt.Scale(domain=names, range=[_COLOURS[name] for name in names])
    x = alt.X("x:Q", title=words)
    y = alt.Y("y:Q", title="loss, held out", scale=alt.Scale(type="log", nice=False))
    color = alt.Color("normalization:N", scale=scale, title=None)

    def lines(values: Sequence[Mapping[str, Any]], width: float, opacity: float) -> Any:
        base = alt.Chart(alt.Data(values=values), width=380, height=240)
        drawn = base.mark_line(strokeWidth=width, opacity=opacity, aria=False)
        return drawn.encode(x=x, y=y, color=color, detail="seed:N")

    level = alt.Chart(alt.Data(values=[{"y": target}]))
    return alt.layer(
        lines([point for run in runs for point in _points(run, axis)], 0.8, 0.3),
        lines([point for name in names for point in _middle(runs, name, axis)], 2, 1),
        level.mark_rule(strokeDash=[2, 3], color="#888888", aria=False).encode(y="y:Q"),
    )


def _points(run: Run, axis: str) -> list[dict[str, Any]]:
    return [
        {
            "x": getattr(point, axis),
            "y": min(max(point.loss, _LEAST_LOSS), _MOST_LOSS),
            "normalization": run.normalization,
            "seed": run.seed,
        }
        for point in run.points
    ]


def _middle(runs: Sequence[Run], name: str, axis: str) -> list[dict[str, Any]]:
    """Return the median over seeds at each evaluation that all runs have."""
    seeds = [_points(run, axis) for run in runs if run.normalization == name]
    return [
        {key: statistics.median(point[key] for point in points) for key in ("x", "y")}
        | {"normalization": name, "seed": "median"}
        for points in zip(*seeds, strict=False)
    ]
