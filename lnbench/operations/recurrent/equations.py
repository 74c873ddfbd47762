"""The equations of the paper, forward and backward, for the arrays of NumPy and of torch alike.

Every summed input is normalized on its own, with statistics anew at each time step. What depends
on x alone is computed for all steps at once. σ is the logistic function; h and c begin at 0.
Source: Ba, Kiros and Hinton 2016 (arXiv 1607.06450), eq. 4 (RNN), 20-22 (LSTM), 26-28 (GRU).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

Parameters: TypeAlias = Mapping[str, Any]
"""Weights, biases and gains by name: see `shapes`."""

Gradients: TypeAlias = dict[str, Any]


class Norm(NamedTuple):
    """How summed inputs are normalized."""

    eps: float
    """Added to the variance."""
    centred: bool = True
    """Whether the mean is taken off; without it this is RMSNorm."""


GATES = {"rnn": 1, "lstm": 4, "gru": 3}
"""Summed inputs of a cell, each as wide as the hidden state."""


def shapes(cell: str, hidden: int, *, normalized: bool) -> dict[str, tuple[int, ...]]:
    """Return the shape of every parameter by its name, in the order of the gradients.

    `wx` and `wh` weigh x and h, `b` is added; of each normalization there are a gain and a shift.
    """
    wide = GATES[cell] * hidden
    sizes: dict[str, tuple[int, ...]] = {"wx": (wide, hidden), "wh": (wide, hidden)}
    if not normalized:
        sizes["b"] = (wide,)
        return sizes | ({"bh": (hidden,)} if cell == "gru" else {})
    widths = {
        "rnn": (hidden,),
        "lstm": (wide, wide, hidden),
        "gru": (2 * hidden, 2 * hidden, hidden, hidden),
    }[cell]
    for number, width in enumerate(widths, 1):
        sizes |= {f"gain{number}": (width,), f"shift{number}": (width,)}
    return sizes | ({"b": (wide,)} if cell == "lstm" else {})


def forward(
    xp: Any, cell: str, x: Any, parameters: Parameters, norm: Norm | None
) -> tuple[Any, list[Any]]:
    """Return h of every time step, and what `backward` needs.

    Args:
        xp: the module of the arrays, numpy or torch.
        cell: rnn, lstm or gru.
        x: (T, B, I).
        parameters: weights, biases and gains, `wx` as wide as x.
        norm: how summed inputs are normalized; None leaves every normalization out.
    """
    steps, batch, width = x.shape
    sums = (x.reshape(steps * batch, width) @ parameters["wx"].T).reshape(steps, batch, -1)
    h = sums[0][..., : parameters["wh"].shape[1]] * 0
    state = (h, h)
    outputs, saved = [], []
    for t in range(steps):
        state, kept = _STEPS[cell](xp, sums[t], state, parameters, norm)
        outputs.append(state[0])
        saved.append(kept)
    return xp.stack(outputs), saved


def backward(
    xp: Any,
    cell: str,
    dh: Any,
    x: Any,
    parameters: Parameters,
    saved: Sequence[Any],
    norm: Norm | None,
) -> tuple[Any, Gradients]:
    """Return dx and the gradient of every parameter, by backpropagation through time.

    Args:
        xp: the module of the arrays, numpy or torch.
        cell: rnn, lstm or gru.
        dh: (T, B, H), the gradient of every h.
        x: (T, B, H), as given to `forward`.
        parameters: weights, biases and gains.
        saved: what `forward` returned.
        norm: as given to `forward`.
    """
    steps, batch, width = x.shape
    total: Gradients = {name: value * 0 for name, value in parameters.items()}
    later = dh[0] * 0
    state = (later, later)
    sums = []
    for t in range(steps - 1, -1, -1):
        d = (state[0] + dh[t], state[1])
        dsum, state, gradients = _BACKS[cell](xp, d, saved[t], parameters, norm)
        sums.append(dsum)
        for name, value in gradients.items():
            total[name] = total[name] + value
    dsums = xp.stack(sums[::-1]).reshape(steps * batch, -1)
    total["wx"] = dsums.T @ x.reshape(steps * batch, width)
    return (dsums @ parameters["wx"]).reshape(steps, batch, width), total


def normalize(a: Any, gain: Any, shift: Any, norm: Norm) -> tuple[Any, Any]:
    """Return the normalization of each row by eq. 3 and 15, and what its gradient needs."""
    centred = a - a.mean(axis=-1, keepdims=True) if norm.centred else a
    rstd = ((centred * centred).mean(axis=-1, keepdims=True) + norm.eps) ** -0.5
    normal = centred * rstd
    return normal * gain + shift, (normal, rstd, norm.centred)


def normalize_back(d: Any, gain: Any, saved: Any) -> tuple[Any, Any, Any]:
    """Return the gradients of a, gain and shift."""
    normal, rstd, centred = saved
    g = d * gain
    da = g - normal * (g * normal).mean(axis=-1, keepdims=True)
    if centred:
        da = da - g.mean(axis=-1, keepdims=True)
    return da * rstd, (d * normal).sum(axis=0), d.sum(axis=0)


def _sigmoid(xp: Any, a: Any) -> Any:
    return 0.5 * (1 + xp.tanh(0.5 * a))


def _parts(a: Any, count: int) -> list[Any]:
    width = a.shape[-1] // count
    return [a[..., k * width : (k + 1) * width] for k in range(count)]


def _norm(a: Any, parameters: Parameters, number: int, norm: Norm) -> tuple[Any, Any]:
    return normalize(a, parameters[f"gain{number}"], parameters[f"shift{number}"], norm)


def _norm_back(
    d: Any, parameters: Parameters, number: int, saved: Any, gradients: Gradients
) -> Any:
    """Return the gradient of what was normalized, and note those of gain and shift."""
    da, gradients[f"gain{number}"], gradients[f"shift{number}"] = normalize_back(
        d, parameters[f"gain{number}"], saved
    )
    return da


def _rnn(xp: Any, sums: Any, state: Any, parameters: Parameters, norm: Norm | None) -> Any:
    """Eq. 4: a = W_hh·h + W_xh·x, h = tanh(LN(a))."""
    before = state[0]
    a = before @ parameters["wh"].T + sums
    a, saved = (a + parameters["b"], None) if norm is None else _norm(a, parameters, 1, norm)
    h = xp.tanh(a)
    return (h, h), (before, saved, h)


def _rnn_back(xp: Any, d: Any, kept: Any, parameters: Parameters, norm: Norm | None) -> Any:
    before, saved, h = kept
    gradients: Gradients = {}
    da = d[0] * (1 - h * h)
    if norm is None:
        gradients["b"] = da.sum(axis=0)
    else:
        da = _norm_back(da, parameters, 1, saved, gradients)
    gradients["wh"] = da.T @ before
    back = da @ parameters["wh"]
    return da, (back, back * 0), gradients


def _lstm(xp: Any, sums: Any, state: Any, parameters: Parameters, norm: Norm | None) -> Any:
    """Eq. 20-22, gates in the paper's order f, i, o, g."""
    before, cell = state
    recurrent = before @ parameters["wh"].T
    saved: tuple[Any, ...] = ()
    if norm is not None:
        recurrent, one = _norm(recurrent, parameters, 1, norm)
        sums, two = _norm(sums, parameters, 2, norm)
        saved = (one, two)
    f, i, o, g = _parts(recurrent + sums + parameters["b"], 4)
    f, i, o, g = _sigmoid(xp, f), _sigmoid(xp, i), _sigmoid(xp, o), xp.tanh(g)
    now = f * cell + i * g
    shown = now
    if norm is not None:
        shown, three = _norm(now, parameters, 3, norm)
        saved = (*saved, three)
    out = xp.tanh(shown)
    return (o * out, now), (before, cell, (f, i, o, g), out, saved)


def _lstm_back(xp: Any, d: Any, kept: Any, parameters: Parameters, norm: Norm | None) -> Any:
    before, cell, (f, i, o, g), out, saved = kept
    dh, dc = d
    gradients: Gradients = {}
    dshown = dh * o * (1 - out * out)
    dc = dc + (dshown if norm is None else _norm_back(dshown, parameters, 3, saved[2], gradients))
    gates = (
        dc * cell * f * (1 - f),
        dc * g * i * (1 - i),
        dh * out * o * (1 - o),
        dc * i * (1 - g * g),
    )
    da = xp.concatenate(gates, -1)
    gradients["b"] = da.sum(axis=0)
    dsums = drecurrent = da
    if norm is not None:
        drecurrent = _norm_back(da, parameters, 1, saved[0], gradients)
        dsums = _norm_back(da, parameters, 2, saved[1], gradients)
    gradients["wh"] = drecurrent.T @ before
    return dsums, (drecurrent @ parameters["wh"], dc * f), gradients


def _gru(xp: Any, sums: Any, state: Any, parameters: Parameters, norm: Norm | None) -> Any:
    """Eq. 26-28: update z, reset r, candidate n."""
    before = state[0]
    width = 2 * before.shape[-1]
    recurrent = before @ parameters["wh"].T
    gates, inner = recurrent[..., :width], recurrent[..., width:]
    if norm is None:
        sums = sums + parameters["b"]
        saved: Any = ()
        zr, outer, inner = gates + sums[..., :width], sums[..., width:], inner + parameters["bh"]
    else:
        gates, one = _norm(gates, parameters, 1, norm)
        inputs, two = _norm(sums[..., :width], parameters, 2, norm)
        outer, three = _norm(sums[..., width:], parameters, 3, norm)
        inner, four = _norm(inner, parameters, 4, norm)
        zr, saved = gates + inputs, (one, two, three, four)
    z, r = (_sigmoid(xp, gate) for gate in _parts(zr, 2))
    n = xp.tanh(outer + r * inner)
    h = (1 - z) * before + z * n
    return (h, h), (before, z, r, n, inner, saved)


def _gru_back(xp: Any, d: Any, kept: Any, parameters: Parameters, norm: Norm | None) -> Any:
    before, z, r, n, inner, saved = kept
    dh = d[0]
    gradients: Gradients = {}
    dn = dh * z * (1 - n * n)
    dz, dr = dh * (n - before) * z * (1 - z), dn * inner * r * (1 - r)
    dzr, dinner = xp.concatenate((dz, dr), -1), dn * r
    dgates, dsums, douter = dzr, dzr, dn
    if norm is None:
        gradients["b"] = xp.concatenate((dzr, dn), -1).sum(axis=0)
        gradients["bh"] = dinner.sum(axis=0)
    else:
        dgates = _norm_back(dzr, parameters, 1, saved[0], gradients)
        dsums = _norm_back(dzr, parameters, 2, saved[1], gradients)
        douter = _norm_back(dn, parameters, 3, saved[2], gradients)
        dinner = _norm_back(dinner, parameters, 4, saved[3], gradients)
    drecurrent = xp.concatenate((dgates, dinner), -1)
    gradients["wh"] = drecurrent.T @ before
    back = dh * (1 - z) + drecurrent @ parameters["wh"]
    return xp.concatenate((dsums, douter), -1), (back, back * 0), gradients


_STEPS = {"rnn": _rnn, "lstm": _lstm, "gru": _gru}
_BACKS = {"rnn": _rnn_back, "lstm": _lstm_back, "gru": _gru_back}
