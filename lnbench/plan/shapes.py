"""Shapes by the names of models that have them: `llama-3-8b:prefill` is 2048x4096."""

import functools
from collections.abc import Mapping
from pathlib import Path

import msgspec

from lnbench.errors import ConfigError, UnknownNameError, near_name
from lnbench.plan.case import parse_shape
from lnbench.plan.yaml_file import load_yaml


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model, and the shapes that its norm meets."""

    norm: str
    """The operation that it normalizes with."""
    hidden_size: int
    """Elements of a row."""
    tokens: Mapping[str, int]
    """Rows by phase; the first phase is what its bare name means."""
    source: str
    """Where these are found."""

    @property
    def default(self) -> str:
        """The phase that its bare name means."""
        return next(iter(self.tokens))

    def shape(self, phase: str) -> tuple[int, int]:
        """Return tokens and hidden size."""
        return self.tokens[phase], self.hidden_size


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What shapes.yaml holds."""

    phases: Mapping[str, str]
    """Why a phase has that many tokens."""
    models: Mapping[str, Model]
    """Models by name."""


@functools.cache
def catalogue() -> Catalogue:
    """Return the shapes that lnbench knows by name."""
    return msgspec.convert(load_yaml(Path(__file__).with_suffix(".yaml")), Catalogue)


def names() -> tuple[str, ...]:
    """Return every name of a shape: of each model its own, and that of each phase."""
    return tuple(
        name
        for model, entry in catalogue().models.items()
        for name in (model, *(f"{model}:{phase}" for phase in entry.tokens))
    )


def shape_of(text: str) -> tuple[int, ...]:
    """Return the shape that '4096x1024', 'llama-3-8b:prefill' or 'llama-3-8b' says.

    Raises:
        ConfigError: it says none; a near name is in the hint.
    """
    name, _, phase = text.strip().lower().partition(":")
    if not name[:1].isalpha():
        return parse_shape(text)
    models = catalogue().models
    if name not in models:
        near = near_name(name, models)
        if near is None:
            hint = "write it like 4096x1024, or as 'lnbench list shapes' calls it"
            raise ConfigError(f"shape '{text}' is not a shape", hint)
        raise UnknownNameError("shape", text, [near])
    model = models[name]
    if phase and phase not in model.tokens:
        raise UnknownNameError("phase", phase, model.tokens, name)
    return model.shape(phase or model.default)
