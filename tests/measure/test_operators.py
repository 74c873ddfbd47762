"""Operators: what torch's profiler says of them, and the bytes that follow from their tensors."""

import json

import pytest

from lnbench.measure.operators import seen
from lnbench.plan.profilers import MARK

torch = pytest.importorskip("torch")
functional = torch.nn.functional

M, N = 64, 512
WHOLE, ROW, STATISTICS = M * N, N, M


@pytest.fixture
def x():
    return torch.randn(M, N)


def moved(call, calls=2):
    call()
    return seen(call, lambda: None, calls, 4).bytes_moved


def test_a_kernel_moves_what_it_is_given_and_what_it_returns(x):
    weight = torch.ones(N)
    forward = moved(lambda: torch.native_layer_norm(x, [N], weight, weight, 1e-5))
    assert forward == 4 * (2 * WHOLE + 2 * ROW + 2 * STATISTICS)
    y, mean, rstd = torch.native_layer_norm(x, [N], weight, weight, 1e-5)
    backward = torch.ops.aten.native_layer_norm_backward
    masks = [True, True, True]
    call = lambda: backward(y, x, [N], mean, rstd, weight, weight, masks)  # noqa: E731
    assert moved(call) == 4 * (3 * WHOLE + 2 * STATISTICS + 4 * ROW)


def test_an_operator_made_of_others_moves_what_they_do_once(x):
    weight = torch.ones(N)
    kernel = moved(lambda: torch.native_layer_norm(x, [N], weight, weight, 1e-5))
    assert moved(lambda: functional.layer_norm(x, [N], weight, weight)) == kernel
    mean = moved(lambda: x.mean(-1, keepdim=True))
    assert 4 * (WHOLE + STATISTICS) <= mean <= 4 * (WHOLE + 4 * STATISTICS)


def test_each_temporary_is_written_and_read(x):
    assert moved(lambda: (x * 2) + 1) == 4 * 4 * WHOLE


def test_views_and_empty_tensors_move_nothing(x):
    assert moved(lambda: x.view(N, M)[1:2].expand(N, M).t().unsqueeze(0)) == 0
    assert moved(lambda: torch.empty_like(x)) == 0
    assert moved(lambda: x.to(torch.float32).contiguous().type_as(x)) == 0


def test_an_element_has_the_bytes_of_its_type(x):
    half = x.to(torch.bfloat16)
    assert moved(lambda: half.to(torch.float64)) == (2 + 8) * WHOLE


def test_what_is_written_in_place_is_counted(x):
    y = torch.empty_like(x)
    assert moved(lambda: y.copy_(x)) == 4 * 2 * WHOLE


def test_shares_are_of_the_marked_calls_and_launches_are_a_call(x):
    found = seen(lambda: torch.neg(x * x), lambda: None, 5, 4).spots
    assert sum(spot.share for spot in found) == pytest.approx(1)
    assert {spot.name: spot.launches for spot in found if spot.launches} == {
        "aten.mul": 1,
        "aten.neg": 1,
    }
    assert all(spot.time_s >= 0 for spot in found)
    assert [spot.share for spot in found] == sorted((s.share for s in found), reverse=True)


def test_a_trace_has_the_marked_range_with_the_operators_in_it(x, tmp_path):
    seen(lambda: x * 2, lambda: None, 3, 4, tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    spans = [event for event in events if event.get("ph") == "X"]
    (mark,) = [event for event in spans if event["name"] == MARK]
    inside = [
        event
        for event in spans
        if event["name"] == "aten::mul"
        and mark["ts"] <= event["ts"] <= event["ts"] + event["dur"] <= mark["ts"] + mark["dur"]
    ]
    assert len(inside) == 3
