"""Laws of benchmarks.yaml and of the suites that lnbench ships."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnbench import registry
from lnbench.errors import ConfigError, LnbenchError, UnknownNameError
from lnbench.plan import suite as suite_module
from lnbench.plan.budget import Budget
from lnbench.plan.case import Benchmark, Direction, DType
from lnbench.plan.grid import Grid
from lnbench.plan.overrides import Overrides
from lnbench.plan.suite import GridEntry, Suite, load

SHIPPED = Path(__file__).parents[2] / "benchmarks.yaml"
KNOWN = {"operation": ("layernorm",), "backend": ("copy", "numpy", "torch-eager", "triton")}
GRID = "{operation: layernorm, shape: 2x3, direction: forward}"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def load_text(folder):
    def _load(text, name="benchmarks.yaml"):
        (folder / name).write_text(text)
        return load(Path(name))

    return _load


@pytest.fixture
def load_grids(load_text):
    def _load(*grids):
        rows = "".join(f"    - {grid}\n" for grid in grids)
        return load_text(f"suites:\n  quick:\n{rows}").suite("quick", KNOWN)

    return _load


def ids(suite, device="cpu", backends=("numpy",)):
    return [row.id for row in suite.benchmarks(device, backends)]


# Where the file is found


def test_the_file_named_comes_first_then_the_folder_then_the_one_that_lnbench_brings(folder):
    assert load().suite("transformer").name == "transformer"
    (folder / "benchmarks.yaml").write_text(f"suites: {{mine: [{GRID}]}}")
    assert load().names() == ("mine",)
    (folder / "other.yaml").write_text(f"suites: {{theirs: [{GRID}]}}")
    assert load(Path("other.yaml")).names() == ("theirs",)


def test_the_file_lies_in_the_wheel_or_beside_an_editable_package(folder, monkeypatch):
    monkeypatch.setattr(suite_module, "__file__", str(folder / "site/lnbench/plan/suite.py"))
    (folder / "site/lnbench").mkdir(parents=True)
    with pytest.raises(ConfigError, match="none in lnbench itself"):
        load()
    (folder / "site/benchmarks.yaml").write_text(f"suites: {{beside: [{GRID}]}}")
    assert load().names() == ("beside",)
    (folder / "site/lnbench/benchmarks.yaml").write_text(f"suites: {{inside: [{GRID}]}}")
    assert load().names() == ("inside",)


def test_a_file_that_was_named_is_never_replaced_by_another(folder):
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read"):
        load(Path("none.yaml"))


# What a grid says


def test_a_scalar_stands_for_a_list_of_one(load_grids):
    lists = load_grids(
        "{operation: [layernorm], shape: [[2, 3]], dtype: [float16], backend: [numpy], eps: [1]}"
    )
    scalars = load_grids(
        "{operation: layernorm, shape: 2x3, dtype: float16, backend: numpy, eps: 1}"
    )
    assert lists == scalars
    assert lists.grids[0].grid == Grid(
        ("layernorm",), ((2, 3),), dtype=(DType.FLOAT16,), backend=("numpy",), eps=(1.0,)
    )


def test_keys_left_out_mean_forward_and_backward_in_float32(load_grids):
    assert ids(load_grids("{operation: layernorm, shape: [2x3]}")) == [
        "layernorm/forward/2x3/float32/cpu/numpy",
        "layernorm/forward/2x3/float32/cpu/copy",
        "layernorm/backward/2x3/float32/cpu/numpy",
        "layernorm/backward/2x3/float32/cpu/copy",
    ]


def test_the_budget_has_the_names_that_users_know(load_text):
    text = "{precision: 2%, time: 3, passes: 4, rounds: 5, max_time: 60, timeout: 7}"
    suite = load_text(f"budget: {text}\nsuites: {{q: [{GRID}]}}").suite("q")
    assert suite.budget == Budget(0.02, 3.0, 4, 5, 60.0, 7.0)


@pytest.mark.parametrize(
    ("grid", "message", "hint"),
    [
        ("{dtpye: float32}", ".dtpye: unknown key", "did you mean 'dtype'?"),
        ("{shape: 2x3}", ": the key 'operation' is missing", ""),
        ("{operation: layernorm}", ": the key 'shape' is missing", ""),
        ("{operation: layernrom, shape: 2x3}", ".operation: unknown operation", "'layernorm'"),
        ("{operation: layernorm, shape: 2x3, backend: trtion}", ".backend: unknown", "'triton'"),
        ("{dtype: [float32, float31]}", ".dtype[1]: unknown dtype 'float31'", "'float32'"),
        ("{direction: forwrad}", ".direction: unknown direction", "'forward'"),
        ("{weight_dtype: [null, f4]}", ".weight_dtype[1]: unknown weight_dtype 'f4'", "float32"),
        ("{device: gpu}", ".device: unknown device 'gpu'", ""),
        ("{when: gpu}", ".when: unknown device", ""),
        ("{when: auto}", ".when: unknown device type 'auto'", "cpu, cuda"),
        ("{dtype: []}", ".dtype: the axis is empty", ""),
        ("{backend: []}", ".backend: the axis is empty", "every installed backend"),
        ("{shape: [[]]}", ".shape[0]: shape [] needs sizes", ""),
        ("{shape: [[4, -2]]}", ".shape[0]: shape [4, -2] needs sizes, and none below 0", ""),
        ("{shape: [4, 2]}", ".shape[0]: expected a shape such as [128, 768]", ""),
        ("{shape: [[4, 2.5]]}", ".shape[0]: expected a shape", ""),
        ("{shape: [4y2]}", ".shape[0]: shape '4y2' is not a shape", "4096x1024"),
        ("{shape: [[99999999999, 99999999999]]}", ".shape[0]: shape", ""),
        ("{eps: [1e-5, -1]}", ".eps[1]: eps must be", ""),
        ("{eps: small}", ".eps: expected a number, got 'small'", ""),
        ("{bias: no}", ".bias: expected true or false, got 'no'", ""),
        ("{bias: 1}", ".bias: expected true or false, got 1", ""),
        ("{normalized_dims: 0}", ".normalized_dims: normalized_dims must be at least 1", ""),
        ("{cache: {a: 1}}", ".cache: expected a name, got a mapping", ""),
        ("[a]", ": expected a mapping", ""),
        ("3", ": expected a mapping", ""),
    ],
)
def test_what_is_wrong_is_named_with_file_and_path(load_grids, grid, message, hint):
    with pytest.raises(LnbenchError) as caught:
        load_grids(GRID, grid)
    assert caught.value.message.startswith(f"benchmarks.yaml: suites.quick[1]{message}")
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "benchmarks.yaml: expected a mapping with keys such as 'budget'"),
        ("suites: {}", "benchmarks.yaml holds no suite"),
        ("budget: {}", "benchmarks.yaml holds no suite"),
        ("suites: []", "benchmarks.yaml: suites: expected a mapping"),
        ("suites: {q: {}}", "benchmarks.yaml: suites.q: expected a list"),
        ("suites: {q: []}", "benchmarks.yaml: suites.q: expected a list"),
        ("siutes: {}", "benchmarks.yaml: siutes: unknown key"),
        ("budget: {time_s: 3}", "benchmarks.yaml: budget.time_s: unknown key"),
        ("budget: {passes: 2.5}", "benchmarks.yaml: budget.passes: expected a whole number"),
        ("budget: {passes: 0}", "benchmarks.yaml: budget: passes must be above 0"),
        ("budget: {time: .nan}", "benchmarks.yaml: budget: time must be above 0"),
        ("budget: {precision: much}", "benchmarks.yaml: budget.precision: 'much'"),
        ("budget: 3", "benchmarks.yaml: budget: expected a mapping"),
    ],
)
def test_what_is_wrong_outside_of_grids_is_named_too(load_text, text, message):
    with pytest.raises(ConfigError) as caught:
        load_text(text)
    assert caught.value.message.startswith(message)


def test_dimensions_that_are_not_there_cannot_be_normalized(load_grids):
    suite = load_grids("{operation: layernorm, shape: 2x3, normalized_dims: 3}")
    with pytest.raises(ConfigError, match=r"quick\[0\]: normalized_dims 3 exceeds"):
        ids(suite)


def test_an_unknown_suite_is_named_with_the_nearest(load_text):
    file = load_text(f"suites: {{quick: [{GRID}]}}")
    with pytest.raises(UnknownNameError, match=r"benchmarks\.yaml: unknown suite 'quik'") as caught:
        file.suite("quik")
    assert "'quick'" in caught.value.hint


def test_a_suite_beyond_all_reason_is_refused_before_it_is_spanned(load_grids):
    axes = ", ".join(f"{axis}: [{','.join(['true'] * 400)}]" for axis in ("weight", "bias"))
    suite = load_grids(f"{{operation: layernorm, shape: 2x3, direction: forward, {axes}}}")
    with pytest.raises(ConfigError, match="spans 160000 cases"):
        ids(suite)


# What a suite spans


def test_the_speed_limit_comes_along_once_and_last_in_every_case(load_grids):
    suite = load_grids("{operation: layernorm, shape: [2x3, 4x5], backend: [copy, numpy, triton]}")
    for place in range(0, 12, 3):
        backends = [row.backend for row in suite.benchmarks("cpu")][place : place + 3]
        assert backends == ["numpy", "triton", "copy"]


def test_grids_that_overlap_yield_each_benchmark_once(load_grids):
    suite = load_grids(
        "{operation: layernorm, shape: [2x3, 4x5], direction: forward, backend: numpy}",
        "{operation: layernorm, shape: [4x5, 2x3], direction: forward, backend: [triton, numpy]}",
    )
    assert ids(suite) == [
        f"layernorm/forward/{shape}/float32/cpu/{backend}"
        for shape in ("2x3", "4x5")
        for backend in ("numpy", "triton", "copy")
    ]


def test_auto_is_the_device_of_the_machine(load_grids):
    suite = load_grids("{operation: layernorm, shape: 2x3, device: [auto, cpu]}")
    assert {row.case.device for row in suite.benchmarks("cuda", ("numpy",))} == {"cuda:0", "cpu"}
    assert {row.case.device for row in suite.benchmarks("cpu", ("numpy",))} == {"cpu"}


def test_two_devices_of_one_type_are_one_identity_and_refused(load_grids):
    suite = load_grids("{operation: layernorm, shape: 2x3, device: ['cuda:0', 'cuda:1']}")
    with pytest.raises(ConfigError, match="both 'cuda:0' and 'cuda:1'"):
        ids(suite)


@pytest.mark.parametrize(
    ("auto", "said", "shapes"),
    [
        ("cpu", None, {(2, 3)}),
        ("cuda", None, {(4, 5)}),
        ("mps", None, set()),
        ("cpu", ("cuda:1",), {(4, 5)}),
        ("cuda", ("cpu",), {(2, 3)}),
        ("cpu", ("cpu", "cuda"), {(2, 3), (4, 5)}),
    ],
)
def test_a_grid_for_a_type_of_device_is_used_only_there(load_grids, auto, said, shapes):
    suite = load_grids(
        "{operation: layernorm, shape: 2x3, when: cpu}",
        "{operation: layernorm, shape: 4x5, when: [cuda, xpu]}",
    ).override(Overrides(device=said))
    assert {row.case.shape for row in suite.benchmarks(auto, ("numpy",))} == shapes


# What flags change


def test_an_override_replaces_its_axis_in_every_grid(load_grids):
    suite = load_grids(GRID, "{operation: layernorm, shape: 4x5, backend: triton}")
    changed = suite.override(Overrides(shape=((8, 8),), direction=(Direction.STEP,)))
    assert ids(changed) == [
        f"layernorm/step/8x8/float32/cpu/{backend}" for backend in ("numpy", "triton", "copy")
    ]
    assert ids(suite.override(Overrides())) == ids(suite)


@pytest.mark.parametrize(
    ("globs", "kept"),
    [
        (("*/numpy",), ["forward/numpy", "forward/copy", "backward/numpy", "backward/copy"]),
        (("*/forward/*",), ["forward/numpy", "forward/triton", "forward/copy"]),
        (("*/forward/*/triton", "*/backward/*/numpy"),
         ["forward/triton", "forward/copy", "backward/numpy", "backward/copy"]),
        (("*/copy",), ["forward/copy", "backward/copy"]),
        (("*/FORWARD/*",), []),
    ],
)  # fmt: skip
def test_a_filter_narrows_and_the_speed_limit_stays_beside_what_is_kept(load_grids, globs, kept):
    suite = load_grids("{operation: layernorm, shape: 2x3, backend: [numpy, triton]}")
    rows = suite.override(Overrides(filters=globs)).benchmarks("cpu")
    assert [f"{row.case.direction}/{row.backend}" for row in rows] == kept


# The suites that lnbench ships


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", load(SHIPPED).names())
def test_a_shipped_suite_spans_layernorm_both_ways_on_every_device(name, device):
    known = {"operation": registry.operation_names(), "backend": registry.backend_names()}
    rows = list(load(SHIPPED).suite(name, known).benchmarks(device, known["backend"]))
    assert {row.case.direction for row in rows} == {Direction.FORWARD, Direction.BACKWARD}
    assert {row.case.device_type for row in rows} == {device}
    assert len({row.id for row in rows}) == len(rows)
    assert all(Benchmark.parse(row.id) == row for row in rows)


def columns(name, device):
    rows = load(SHIPPED).suite(name).benchmarks(device, ("numpy",))
    return {row.case.columns: row.case for row in rows}


def test_the_shipped_suites_are_those_of_the_contract():
    contract = {"quick", "ci", "transformer", "isovolume", "decode", "odd", "stress", "paper"}
    assert set(load(SHIPPED).names()) == contract | {"brief", "fused", "models"}


def test_ci_is_four_rows_beside_the_speed_limit():
    rows = [row for row in load(SHIPPED).suite("ci").benchmarks("cpu") if row.backend != "copy"]
    assert len(rows) == 4


@pytest.mark.parametrize(("device", "rows"), [("cpu", 1024), ("cuda", 8192)])
def test_transformer_has_their_widths_in_both_types(device, rows):
    found = columns("transformer", device)
    assert sorted(found) == [768, 1024, 2048, 4096, 5120, 8192, 12288]
    assert {case.rows for case in found.values()} == {rows}
    suite = load(SHIPPED).suite("transformer")
    assert {row.case.dtype for row in suite.benchmarks(device)} == {DType.FLOAT32, DType.BFLOAT16}


@pytest.mark.parametrize(("device", "elements"), [("cpu", 8 * 2**20), ("cuda", 64 * 2**20)])
def test_isovolume_has_the_same_volume_in_every_case(device, elements):
    found = columns("isovolume", device)
    assert sorted(found) == [64, 256, 1024, 4096, 16384, 65536]
    assert {case.rows * case.columns for case in found.values()} == {elements}


def test_stress_goes_beyond_32_bits():
    cases = columns("stress", "cpu").values()
    assert max(case.rows * case.columns for case in cases) > 2**31
    assert {(16, 4194304), (10_000_000, 64)} < {case.shape for case in cases}


# Files that were damaged


SMALL = b"""\
budget: {precision: 5%, time: 5, passes: 12}   # a comment
suites:
  quick:
    - operation: layernorm
      direction: [forward, backward]
      shape: [[128, 768], 2048x1024]
      eps: [1e-5, 1e-6]
      backend: [numpy, torch-eager]
  transformer:
    - {when: [cuda, mps], operation: layernorm, shape: &s [2x3], weight_dtype: [null, float32]}
    - {when: cpu, operation: layernorm, shape: *s, bias: [true, false], normalized_dims: 2}
"""


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_file_is_a_sentence_and_never_a_crash(tmp_path_factory, data):
    text = SMALL
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        stop = data.draw(st.integers(start, min(len(text), start + 20)))
        junk = st.binary(max_size=4) | st.sampled_from(
            [
                b"\n",
                b"[",
                b"{",
                b"- ",
                b": ",
                b"&a ",
                b"*a",
                b"null",
                b"1e999",
                b"-1",
                b"!!x ",
                b"\t",
            ]
        )
        text = text[:start] + data.draw(junk) + text[stop:]
    path = tmp_path_factory.mktemp("damaged") / "b.yaml"
    path.write_bytes(text)
    with contextlib.suppress(LnbenchError):
        for suite in load(path).suites:
            list(suite.benchmarks("cpu", ("numpy",)))


def test_the_file_that_gets_damaged_is_whole(load_text):
    suites = load_text(SMALL.decode()).suites
    assert [len(ids(suite)) for suite in suites] == [24, 8]


def test_a_suite_made_in_code_needs_no_file():
    grid = Grid(("o",), ((2,),), (Direction.FORWARD,), backend=("a",))
    assert [row.backend for row in Suite("s", (GridEntry(grid),)).benchmarks("cpu")] == [
        "a",
        "copy",
    ]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("3", "b.yaml: expected a mapping with keys such as 'budget'", ""),
        ("suites: 3", "b.yaml: suites: expected a mapping", ""),
        ("suites: {}", "b.yaml holds no suite", "write suites: and a name with a list of grids"),
        ("suites: {a: 3}", "b.yaml: suites.a: expected a list of grids",
         "begin each grid with a dash"),
        ("suites: {a: []}", "b.yaml: suites.a: expected a list of grids",
         "begin each grid with a dash"),
        ("suiets: {}", "b.yaml: suiets: unknown key", "did you mean 'suites'?"),
        ("budget: {tmie: 1}", "b.yaml: budget.tmie: unknown key", "did you mean 'time'?"),
        ("suites: {a: [{operation: layernorm}]}",
         "b.yaml: suites.a[0]: the key 'shape' is missing", ""),
        ("suites: {a: [{operation: o, shape: 2x3, when: [cpu, 'cuda:1']}]}",
         "b.yaml: suites.a[0].when: unknown device type 'cuda:1'", "did you mean 'cuda'?"),
    ],
)  # fmt: skip
def test_a_wrong_suite_file_says_where_and_what_to_write(
    tmp_path, monkeypatch, text, message, hint
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.yaml").write_text(text)
    with pytest.raises(LnbenchError) as caught:
        load(tmp_path / "b.yaml")
    assert caught.value.message == message
    if hint:
        assert caught.value.hint == hint


@pytest.mark.parametrize("more", [0, 1])
def test_a_suite_spans_the_most_cases_and_not_one_more(monkeypatch, more):
    monkeypatch.setattr(suite_module, "MOST_CASES", 4)
    shapes = tuple((size,) for size in range(1, 5 + more))
    entry = GridEntry(Grid(("layernorm",), shapes, (Direction.FORWARD,), (DType.FLOAT32,)))
    suite = Suite("wide", (entry,), Budget())
    if more:
        with pytest.raises(ConfigError) as caught:
            list(suite.benchmarks("cpu", ("numpy",)))
        assert caught.value.message == "suite 'wide' spans 5 cases; at most 4 make sense"
        assert caught.value.hint == "shorten an axis, or split the suite"
    else:
        assert len({row.case for row in suite.benchmarks("cpu", ("numpy",))}) == 4


def test_two_devices_of_a_type_are_told_to_take_turns():
    grid = Grid(("layernorm",), ((2, 3),), device=("cuda:0", "cuda:1"))
    suite = Suite("two", (GridEntry(grid),), Budget())
    with pytest.raises(ConfigError) as caught:
        list(suite.benchmarks("cpu", ("numpy",)))
    assert caught.value.hint == "measure one device of a type at a time"
    assert "both 'cuda:0' and 'cuda:1' in one run" in caught.value.message


@pytest.mark.parametrize(
    ("in_file", "flags", "timed"),
    [
        (False, Overrides(), False),
        (True, Overrides(), True),
        (True, Overrides(preset="rigorous"), False),
        (False, Overrides(preset="fast"), True),
        (False, Overrides(budget=(("time", 1.0),)), True),
        (False, Overrides(budget=(("max_time", 1.0),)), True),
        (False, Overrides(budget=(("passes", 3),)), False),
    ],
)
def test_rows_stop_early_where_the_file_or_a_flag_says_how_long(in_file, flags, timed):
    entry = GridEntry(Grid(("layernorm",), ((2, 3),)))
    suite = Suite("one", (entry,), timed=in_file)
    assert suite.override(flags).timed is timed
