"""The laws of the NumPy kernels."""

import itertools
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lnbench.operations.layernorm.numpy as kernels
from lnbench.arrays import numpy_dtype, to_host
from lnbench.measure.verify import agreement, checksum
from lnbench.operations.layernorm.spec import LayerNorm
from lnbench.operations.rowwise import rows as rows_module
from lnbench.operations.rowwise.halves import narrow, widen
from lnbench.plan.case import Case, Direction, DType, Options

OPERATION = LayerNorm()
OPTIONS = (
    Options(),
    Options(weight=False),
    Options(bias=False),
    Options(weight=False, bias=False),
    Options(eps=1e-12),
)
HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))

every_dtype = pytest.mark.parametrize("dtype", DType)
every_direction = pytest.mark.parametrize("direction", Direction)
every_option = pytest.mark.parametrize("options", OPTIONS, ids=lambda each: str(each.differing()))


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 500 elements, so that a small matrix has many."""
    monkeypatch.setattr(rows_module, "_BLOCK", 500)


def case_of(direction, dtype=DType.FLOAT32, shape=(257, 300), options=OPTIONS[0]):
    return Case("layernorm", direction, shape, dtype, "cpu", options)


def problems(case, inputs):
    """Return the outputs that are too far from the truth, with no allowance for torch's error."""
    named = zip(OPERATION.outputs(case), OPERATION.bind(kernels, case, inputs, None)(), strict=True)
    outputs = {name: result for name, result in named if result is not None}
    found = agreement(outputs, OPERATION.reference(case, inputs), {})
    return [name for name, output in found.outputs.items() if not output.passed]


def drawn(rows, columns, dtype=np.float32, seed=0):
    """Return x, dy, weight and bias."""
    rng = np.random.default_rng(seed)
    shapes = (rows, columns), (rows, columns), columns, columns
    return tuple(rng.normal(0.5, 2.0, shape).astype(dtype) for shape in shapes)


def everything(x, dy, weight, bias, pool=None):
    """Return all results of forward and backward, by name."""
    y, mean, rstd = kernels.forward(x, weight, bias, 1e-5, pool=pool)
    dx, dw, db = kernels.backward(dy, x, mean, rstd, weight, bias is not None, pool=pool)
    return {"y": y, "mean": mean, "rstd": rstd, "dx": dx, "dw": dw, "db": db}


def unaligned(array):
    """Return the array's values at an address that its type does not divide."""
    memory = np.zeros(array.nbytes + 1, np.uint8)
    shifted = memory[1:].view(array.dtype).reshape(array.shape)
    shifted[...] = array
    return shifted


class TestAccuracy:
    @every_dtype
    @every_direction
    @every_option
    @pytest.mark.usefixtures("small_blocks")
    def test_every_output_agrees_with_the_reference(self, dtype, direction, options):
        """As close to float64 as the type allows, whatever torch does."""
        case = case_of(direction, dtype, options=options)
        assert problems(case, OPERATION.inputs(case, seed=1)) == []

    @every_dtype
    @every_direction
    @every_option
    def test_inputs_that_broke_published_kernels_do_not_break_these(
        self, dtype, direction, options
    ):
        """Each hostile input is as close as a harmless one, without a warning."""
        case = case_of(direction, dtype, options=options)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            wrong = {
                each.name: found
                for each in OPERATION.hostile(case, seed=1)
                if (found := problems(each.case, each.inputs))
            }
        assert wrong == {}

    @every_direction
    @pytest.mark.parametrize("shape", [(2, 300_001), (30_000, 3)])
    def test_rounding_errors_of_equal_values_do_not_pile_up(self, direction, shape):
        """Where all addends are alike, each addition errs to the same side."""
        case = case_of(direction, shape=shape)
        inputs = dict(OPERATION.inputs(case, seed=1))
        inputs["x"] = np.tile(np.float32([0.1, 0.7]), inputs["x"].size // 2 + 1)[
            : inputs["x"].size
        ].reshape(shape)
        if "dy" in inputs:
            inputs["dy"] = np.full(shape, 0.1, np.float32)
        assert problems(case, inputs) == []

    def test_a_constant_row_gives_the_bias(self):
        """The distance from the mean is nothing but its rounding, and that is taken away."""
        for value in np.float32([0.1, 1 / 3, 1e4 + 0.1, -7e8]):
            x, _, weight, bias = drawn(3, 1000)
            x[:] = value
            y, mean, rstd = kernels.forward(x, weight, bias, 1e-5)
            np.testing.assert_allclose(y, np.broadcast_to(bias, x.shape), rtol=0, atol=2e-6)
            np.testing.assert_array_equal(mean, x[:, 0])
            np.testing.assert_allclose(rstd, 1e-5**-0.5, rtol=1e-6)

    def test_a_saved_mean_costs_backward_no_digits(self):
        """A mean of 1e6 is saved to 1/16; x̂ is computed from the distances all the same."""
        x, dy, weight, bias = drawn(8, 500)
        x = np.float32(1e6) + np.round(x * 8) / 8
        exact = everything(*(each.astype(np.float64) for each in (x, dy, weight, bias)))
        found = everything(x, dy, weight, bias)
        for name in ("y", "dx", "dw", "db"):
            np.testing.assert_allclose(found[name], exact[name], rtol=1e-5, atol=1e-5)

    def test_a_row_that_is_not_finite_stays_alone(self):
        """NaN and inf reach their row's y and dx and all of dw, nothing else."""
        for value in (np.nan, np.inf, -np.inf):
            x, dy, weight, bias = drawn(9, 40)
            clean = everything(x, dy, weight, bias)
            x[4, 7] = value
            found = everything(x, dy, weight, bias)
            others = np.arange(9) != 4
            for name in ("y", "mean", "rstd", "dx"):
                np.testing.assert_array_equal(found[name][others], clean[name][others])
                assert not np.isfinite(found[name][4]).any() or name == "mean"
            assert np.isnan(found["dw"]).all()
            np.testing.assert_array_equal(found["db"], clean["db"])


class TestBits:
    @every_dtype
    @pytest.mark.parametrize("shape", [(900, 130), (40, 5000), (2000, 1)])
    @pytest.mark.usefixtures("small_blocks")
    def test_the_number_of_threads_changes_no_bit(self, dtype, shape):
        """Blocks and the order of their sums follow from the shape alone."""
        inputs = drawn(*shape, numpy_dtype(dtype))
        alone = checksum(everything(*inputs))
        for threads in (1, 2, 3):
            with ThreadPoolExecutor(threads) as pool:
                assert checksum(everything(*inputs, pool=pool)) == alone

    @pytest.mark.parametrize("columns", [1, 2, 3, 7, 64, 129, 1000, 1021, 4096, 9001])
    def test_a_row_has_the_same_bits_alone_and_in_a_batch(self, columns):
        """Batch invariance: what stands in the other rows, and how many, does not matter."""
        x, dy, weight, bias = drawn(33, columns)
        whole = everything(x, dy, weight, bias)
        for rows in (slice(0, 1), slice(3, 5), slice(7, 14), slice(32, 33)):
            some = everything(x[rows], dy[rows], weight, bias)
            for name in ("y", "mean", "rstd", "dx"):
                np.testing.assert_array_equal(some[name], whole[name][rows], strict=True)

    def test_an_ill_conditioned_row_changes_no_other(self):
        """The mean is corrected in the rows that need it, not in their block."""
        x, dy, weight, bias = drawn(9, 100)
        alone = everything(x[:4], dy[:4], weight, bias)
        x[6] += np.float32(1e5)
        whole = everything(x, dy, weight, bias)
        for name in ("y", "mean", "rstd", "dx"):
            np.testing.assert_array_equal(whole[name][:4], alone[name])

    @every_dtype
    @pytest.mark.parametrize(
        "view",
        [
            lambda x: np.repeat(x, 2, axis=0)[::2],
            lambda x: np.pad(x, ((0, 0), (3, 2)))[:, 3:-2],
            np.asfortranarray,
            lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
            unaligned,
        ],
        ids=["every second row", "wider rows", "transposed", "reversed", "unaligned"],
    )
    def test_strides_change_no_bit(self, dtype, view):
        """Rows are read where they lie."""
        x, dy, weight, bias = drawn(37, 61, numpy_dtype(dtype))
        strided = (view(x), view(dy), np.repeat(weight, 2)[::2], unaligned(bias))
        assert checksum(everything(*strided)) == checksum(everything(x, dy, weight, bias))

    @every_dtype
    def test_a_stride_of_0_is_a_repeated_value(self, dtype):
        """Autograd's dy of a sum is one number, seen everywhere."""
        x, dy, weight, bias = drawn(37, 61, numpy_dtype(dtype))
        for small in (dy[:1, :1], dy[:1], dy[:, :1]):
            shown = np.broadcast_to(small, x.shape)
            expected = everything(x, shown.copy(), weight, bias)
            assert checksum(everything(x, shown, weight, bias)) == checksum(expected)


class TestInterface:
    @pytest.mark.parametrize("dtype", DType)
    @pytest.mark.parametrize("wdtype", [DType.FLOAT64, DType.FLOAT32, DType.BFLOAT16])
    def test_every_result_has_its_own_type(self, dtype, wdtype):
        """Statistics are float32 or float64, gradients have the type of what they belong to."""
        x, dy, _, _ = drawn(5, 8, numpy_dtype(dtype))
        weight = drawn(1, 8, numpy_dtype(wdtype))[2]
        work = np.float64 if dtype is DType.FLOAT64 else np.float32
        found = everything(x, dy, weight, weight)
        assert found["mean"].dtype == found["rstd"].dtype == work
        assert found["y"].dtype == found["dx"].dtype == x.dtype
        assert found["dw"].dtype == found["db"].dtype == weight.dtype
        found = everything(x, dy, None, weight)
        assert found["dw"] is None
        assert found["db"].dtype == x.dtype
        assert everything(x, dy, weight, None)["db"] is None

    @every_dtype
    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.usefixtures("small_blocks")
    def test_ready_buffers_of_any_strides_are_filled_and_returned(self, dtype, order):
        """What lay in them does not shine through."""
        x, dy, weight, bias = drawn(37, 61, numpy_dtype(dtype))
        expected = everything(x, dy, weight, bias)
        ready = {name: np.full_like(each, np.nan, order=order) for name, each in expected.items()}
        first, second = (
            [ready[name] for name in names] for names in (("y", "mean", "rstd"), ("dx", "dw", "db"))
        )
        found = kernels.forward(x, weight, bias, 1e-5, out=tuple(first))
        found += kernels.backward(dy, x, *found[1:], weight, True, out=tuple(second))
        assert all(one is other for one, other in zip(found, first + second, strict=True))
        assert checksum(ready) == checksum(expected)

    @pytest.mark.parametrize("shape", [(0, 5), (4, 0), (0, 0)])
    def test_nothing_gives_nothing_and_gradients_of_0(self, shape):
        """dw and db of no rows are zeros, not what lay in memory."""
        found = everything(*drawn(*shape))
        assert found["y"].shape == found["dx"].shape == shape
        assert found["mean"].shape == found["rstd"].shape == shape[:1]
        assert np.isfinite(found["mean"]).all()
        np.testing.assert_array_equal(found["dw"], np.zeros(shape[1], np.float32), strict=True)
        np.testing.assert_array_equal(found["db"], np.zeros(shape[1], np.float32), strict=True)

    @every_dtype
    def test_inputs_are_only_read(self, dtype):
        """Mapped files and torch's tensors may be read-only."""
        inputs = drawn(9, 30, numpy_dtype(dtype))
        for each in inputs:
            each.setflags(write=False)
        everything(*inputs)

    @pytest.mark.parametrize("threads", [1, 2])
    @pytest.mark.usefixtures("small_blocks")
    def test_the_callers_settings_are_left_alone(self, threads):
        """Neither a NaN nor a caller that wants errors raised gets in the way."""
        x, dy, weight, bias = drawn(40, 700, np.float16)
        x[3], dy[5, 5], weight[0] = np.nan, np.inf, 6e4
        before = np.getbufsize()
        with ThreadPoolExecutor(threads) as pool, np.errstate(all="raise"):
            everything(x, dy, weight, bias, pool)
            assert np.geterr()["over"] == "raise"
        assert np.getbufsize() == before

    @pytest.mark.usefixtures("small_blocks")
    def test_the_pool_computes_all_rows(self):
        """The caller only waits."""
        workers = set()

        class Recorder(ThreadPoolExecutor):
            def submit(self, function, *arguments):
                def recorded():
                    workers.add(threading.get_ident())
                    return function(*arguments)

                return super().submit(recorded)

        with Recorder(2) as pool:
            everything(*drawn(300, 20), pool=pool)
        assert workers
        assert threading.get_ident() not in workers

    @pytest.mark.parametrize("shape", [(0, 9), (1, 9), (64, 1 << 20), (10_001, 64), (1 << 21, 1)])
    def test_every_row_is_in_one_part_and_a_part_has_rows_enough(self, shape):
        """Sums over columns, one row a part in float64, stay small beside the matrix."""
        parts = rows_module.split(shape, summed=True)
        rows = [row for part in parts for block in part for row in (block.start, block.stop)]
        assert rows[::2] == [0, *rows[1:-1:2]][: len(rows) // 2]
        assert rows[-1:] == ([shape[0]] if shape[0] else [])
        assert 1 <= len(parts) <= max(1, shape[0] // 32)
        assert len(parts) <= 4 or len(parts) * shape[1] <= 1 << 17  # a cache holds all sums

    def test_an_error_in_a_thread_reaches_the_caller(self, monkeypatch):
        """No result is silently missing."""
        monkeypatch.setattr(rows_module, "_BLOCK", 10)
        x, _, weight, bias = drawn(40, 10)
        ready = (np.empty((40, 10), np.float32), np.empty(40), np.empty(40))
        ready[0].flags.writeable = False
        with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match="read-only"):
            kernels.forward(x, weight, bias, 1e-5, out=ready, pool=pool)

    def test_an_error_arrives_when_no_thread_writes_any_more(self):
        """The arrays are the caller's again."""
        ended = []

        def compute(number, _):
            if number == 0:
                raise RuntimeError("no row")
            time.sleep(0.05)
            ended.append(number)

        with ThreadPoolExecutor(3) as pool:
            with pytest.raises(RuntimeError, match="no row"):
                rows_module.share(compute, [[]] * 3, 20, pool)
            assert sorted(ended) == [1, 2]

    def test_a_step_is_forward_and_backward(self):
        """step adds nothing of its own."""
        x, dy, weight, bias = drawn(9, 30)
        for w, b in itertools.product((weight, None), (bias, None)):
            expected = everything(x, dy, w, b)
            for name, found in zip(
                ("y", "dx", "dw", "db"), kernels.step(x, w, b, 1e-5, dy), strict=True
            ):
                np.testing.assert_array_equal(found, expected[name])

    @pytest.mark.parametrize(
        ("call", "error", "sentence"),
        [
            (lambda x: kernels.layer_norm(x.astype(int), 8), TypeError,
             "LayerNorm takes float64, float32, float16 and bfloat16, not int64: convert it"),
            (lambda x: kernels.layer_norm(x, 8, x[0].astype(int)), TypeError, "not int64"),
            (lambda x: kernels.layer_norm(x.astype(">f4"), 8), TypeError, "not >f4"),
            (lambda x: kernels.layer_norm(x.astype(complex), 8), TypeError, "not complex128"),
            (lambda x: kernels.layer_norm(x, 4), ValueError,
             "x has shape (4, 8), which does not end in normalized_shape (4,)"),
            (lambda x: kernels.layer_norm(x, ()), ValueError, "normalized_shape ()"),
            (lambda x: kernels.layer_norm(x, (2, 4, 8)), ValueError, "normalized_shape (2, 4, 8)"),
            (lambda x: kernels.layer_norm(x, 8, x), ValueError,
             "weight has shape (4, 8), not normalized_shape (8,)"),
            (lambda x: kernels.layer_norm(x, 8, None, x[:, 0]), ValueError, "bias has shape (4,)"),
            (lambda x: kernels.forward(x[0], None, None, 1e-5), ValueError, "see layer_norm"),
            (lambda x: kernels.forward(x, x[:, 0], None, 1e-5), ValueError,
             "weight has shape (4,), but a row of x has (8,)"),
            (lambda x: kernels.backward(x[:2], x, x[:, 0], x[:, 0], None, False), ValueError,
             "dy has shape (2, 8), but x asks for (4, 8)"),
            (lambda x: kernels.backward(x.astype(int), x, x[:, 0], x[:, 0], None, False),
             TypeError, "not int64"),
            (lambda x: kernels.backward(x, x, x[:2, 0], x[:, 0], None, False), ValueError,
             "mean has shape (2,), but x asks for (4,)"),
            (lambda x: kernels.forward(x, None, None, 1e-5, (x[:, :7], x[:, 0], x[:, 1])),
             ValueError, "y has shape (4, 7), but x asks for (4, 8)"),
        ],
    )  # fmt: skip
    def test_a_wrong_argument_is_named_in_a_sentence(self, call, error, sentence):
        """No broadcast makes a result out of a mistake."""
        with pytest.raises(error) as raised:
            call(np.ones((4, 8), np.float32))
        assert sentence in str(raised.value)


class TestLayerNorm:
    @pytest.mark.parametrize("affine", [*itertools.product((True, False), repeat=2)])
    @pytest.mark.parametrize(
        ("lead", "shape"),
        [((7,), (5,)), ((2, 3), (4, 5)), ((), (6,)), ((), (3, 2, 2)), ((2, 1, 3, 2), (1, 1)),
         ((0, 3), (4,)), ((3,), (0,)), ((2,), (3, 0))],
    )  # fmt: skip
    def test_it_agrees_with_torch_on_any_normalized_shape(self, lead, shape, affine):
        """Any number of leading and of normalized dimensions."""
        rng = np.random.default_rng(2)
        x = rng.normal(size=lead + shape)
        weight, bias = (rng.normal(size=shape) if has else None for has in affine)
        tensors = (each if each is None else torch.from_numpy(each) for each in (weight, bias))
        expected = torch.nn.functional.layer_norm(torch.from_numpy(x), shape, *tensors)
        found = kernels.layer_norm(x, shape, weight, bias)
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-12, atol=1e-12, strict=True)

    @pytest.mark.parametrize("arguments", [{}, {"bias": False}, {"elementwise_affine": False}])
    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
    def test_the_module_takes_torchs_state_and_computes_the_same(self, dtype, arguments):
        """Tensors that want a gradient and bfloat16 tensors are taken too, and given back."""
        theirs = torch.nn.LayerNorm((3, 5), eps=1e-3, dtype=dtype, **arguments)
        for seed, parameter in enumerate(theirs.parameters()):
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(seed))
        ours = kernels.LayerNorm((3, 5), eps=1e-3, **arguments)
        ours.load_state_dict(theirs.state_dict(keep_vars=True))
        x = torch.randn(4, 3, 5, dtype=dtype, generator=torch.Generator().manual_seed(9))
        close = 1e-12 if dtype is torch.float64 else 2e-2
        np.testing.assert_allclose(
            ours(to_host(x)).astype(float), theirs(x).detach().double(), rtol=close, atol=close
        )
        again = kernels.LayerNorm((3, 5), eps=1e-3, **arguments)
        again.load_state_dict(ours.state_dict())
        assert checksum(again.state_dict()) == checksum(ours.state_dict())

    def test_a_new_module_only_normalizes(self):
        """Weight is 1 and bias 0, in the type asked for."""
        module = kernels.LayerNorm(6, dtype=np.float64)
        x = np.random.default_rng(3).normal(size=(4, 6))
        np.testing.assert_array_equal(module(x), kernels.layer_norm(x, (6,)))
        assert {name: each.dtype for name, each in module.state_dict().items()} == {
            "weight": np.float64,
            "bias": np.float64,
        }

    def test_a_loaded_state_is_a_copy(self):
        """What the owner of the state does later does not matter."""
        state = {"weight": np.full(4, 2.0), "bias": np.zeros(4)}
        module = kernels.LayerNorm(4)
        module.load_state_dict(state)
        state["weight"][:] = 0
        np.testing.assert_array_equal(module.state_dict()["weight"], np.full(4, 2.0))

    def test_a_state_of_another_module_is_refused(self):
        """Names and shapes must fit."""
        module = kernels.LayerNorm(4)
        with pytest.raises(ValueError, match=r"the state has \['weight'\], but the module has"):
            module.load_state_dict({"weight": np.ones(4)})
        with pytest.raises(ValueError, match=r"bias has shape \(5,\), not \(4,\)"):
            module.load_state_dict({"weight": np.ones(4), "bias": np.ones(5)})


class TestHalves:
    @pytest.mark.parametrize("dtype", HALVES, ids=str)
    def test_all_65536_patterns_widen_exactly_and_come_back(self, dtype):
        """Subnormals and infinities bit by bit; NaN stays NaN."""
        patterns = np.arange(1 << 16, dtype=np.uint16).view(dtype)
        finite = patterns[np.isfinite(patterns.astype(np.float32))]
        signs = patterns[: 1 << 15], patterns[1 << 15 :]
        for halves in (patterns, *signs, finite, finite.reshape(2, -1).T, finite[::-3]):
            wide = np.empty(halves.shape, np.float32)
            widen(halves, wide)
            assert_same(wide, halves.astype(np.float32))
            assert_same(narrowed(wide, dtype), halves)

    @pytest.mark.parametrize("dtype", HALVES, ids=str)
    def test_what_lies_between_two_halves_rounds_to_nearest_and_ties_to_even(self, dtype):
        """Midpoints and their float32 neighbours, over all exponents, with both signs."""
        patterns = np.arange(1 << 15, dtype=np.uint16).view(dtype)
        halves = patterns[np.isfinite(patterns.astype(np.float32))].astype(np.float32)
        between = halves[:-1] / 2 + halves[1:] / 2
        for wide in (between, np.nextafter(between, 0), np.nextafter(between, np.inf)):
            for signed in (wide, -wide):
                # Blocks with a huge value take another way: look at small ones by themselves.
                for chosen in (signed, signed[np.abs(signed) < 100]):
                    found = narrowed(np.ascontiguousarray(chosen), dtype)
                    assert_same(found, rounded(chosen, dtype))

    @pytest.mark.parametrize("dtype", HALVES, ids=str)
    @pytest.mark.parametrize("largest", [1e-40, 1e-7, 1.0, 3e4, 7e4, np.inf])
    def test_random_float32_rounds_as_a_cast_does(self, dtype, largest):
        """Any 32 bits, up to some size."""
        wide = np.random.default_rng(4).integers(0, 1 << 32, 1 << 17, np.uint32).view(np.float32)
        wide = wide[~(np.abs(wide) > largest)] if largest < np.inf else wide
        wide = wide[np.isfinite(wide)] if largest < np.inf else wide
        assert wide.size
        assert_same(narrowed(wide, dtype), rounded(wide, dtype))


def narrowed(wide, dtype):
    """Return what `narrow` makes of a copy, into a buffer of odd strides."""
    out = np.zeros((*wide.shape, 2), dtype)[..., 0]
    with np.errstate(all="ignore"):
        narrow(
            wide.copy(), out, (np.empty(wide.shape, np.float32), np.empty(wide.shape, np.float32))
        )
    return np.ascontiguousarray(out)


def rounded(wide, dtype):
    """Return the cast, of NumPy for float16 and of torch for bfloat16."""
    with np.errstate(all="ignore"):
        if dtype == np.float16:
            return wide.astype(dtype)
    return to_host(torch.from_numpy(wide.copy()).bfloat16())


def assert_same(found, expected):
    """Compare bits, the sign of 0 included; a NaN is as good as another."""
    nan = np.isnan(expected.astype(np.float32))
    np.testing.assert_array_equal(np.isnan(found.astype(np.float32)), nan)
    bits = (np.ascontiguousarray(each).view(f"u{each.itemsize}") for each in (found, expected))
    np.testing.assert_array_equal(*(np.where(nan, 0, each) for each in bits))


STRIDES = {
    "plain": lambda x: x,
    "transposed": np.asfortranarray,
    "reversed": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "every second": lambda x: np.repeat(np.repeat(x, 2, 0), 2, 1)[::2, ::2],
    "one row": lambda x: np.broadcast_to(x[:1], x.shape) if len(x) else x,
    "one column": lambda x: np.broadcast_to(x[:, :1], x.shape) if x.shape[1] else x,
}


@settings(max_examples=150, derandomize=True)
@given(data=st.data())
def test_any_shape_strides_types_and_options_agree_with_the_reference(data):
    """The product of all that a caller may vary, at sizes around the blocks' edges."""
    shape = data.draw(st.tuples(st.integers(0, 40), st.integers(0, 130)), "shape")
    options = Options(
        weight=data.draw(st.booleans(), "weight"),
        bias=data.draw(st.booleans(), "bias"),
        eps=data.draw(st.sampled_from([1e-5, 1e-2, 1e-12]), "eps"),
        weight_dtype=data.draw(st.sampled_from([None, *DType]), "weight_dtype"),
    )
    case = case_of(
        data.draw(st.sampled_from(Direction), "direction"),
        data.draw(st.sampled_from(DType), "dtype"),
        shape,
        options,
    )
    inputs = dict(OPERATION.inputs(case, seed=data.draw(st.integers(0, 99), "seed")))
    for name in {"x", "dy"} & inputs.keys():
        inputs[name] = STRIDES[data.draw(st.sampled_from(sorted(STRIDES)), name)](inputs[name])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_module, "_BLOCK", data.draw(st.integers(1, 3000), "block"))
        patch.setattr(rows_module, "_RUN", data.draw(st.integers(1, 60), "run"))
        patch.setattr(rows_module, "_STACK", data.draw(st.integers(2, 20), "stack"))
        assert problems(case, inputs) == []
