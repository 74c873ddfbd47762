"""The shapes that have names: a line a model, and as data an object a phase."""

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from lnbench.plan.case import shape_text
from lnbench.plan.shapes import Catalogue
from lnbench.render.sheet import Column, View, sheet

_NOTES = (
    "hidden size, and tokens by phase; a name without a phase means the leftmost",
    "where a hidden size is from: on a wider screen, and in --format json",
)


def shapes_view(catalogue: Catalogue) -> View:
    """Return the models with the tokens of each phase, and why there are so many."""
    phases = (Column(phase, _tokens(phase)) for phase in catalogue.phases)
    reasons = (f"{phase}: {reason}" for phase, reason in catalogue.phases.items())
    rows = tuple(catalogue.models.items())
    models = sheet("", (*_MODEL, *phases, _SOURCE), rows, (*_NOTES, *reasons))
    return View((), (models,), list(_objects(catalogue)))


def _tokens(phase: str) -> Any:
    return lambda row: row[1].tokens.get(phase)


def _objects(catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    for name, model in catalogue.models.items():
        for phase, tokens in model.tokens.items():
            yield {
                "name": f"{name}:{phase}",
                "model": name,
                "hidden_size": model.hidden_size,
                "phase": phase,
                "default": phase == model.default,
                "tokens": tokens,
                "shape": shape_text(model.shape(phase)),
                "norm": model.norm,
                "source": model.source,
                "tokens_reason": catalogue.phases[phase],
            }


_MODEL = (
    Column("model", itemgetter(0), right=False),
    Column("norm", lambda row: row[1].norm, right=False, worth=1),
    Column("hidden", lambda row: row[1].hidden_size),
)
_SOURCE = Column("source", lambda row: row[1].source.removeprefix("https://"), right=False, worth=2)
