"""The laws of the Triton kernels as compiled ahead of time for GPUs, on a machine without one.

`test_layernorm_triton.py` runs this file by pytest in a process of its own. The host functions
are called as usual, with a driver that has no device and launches that only compile: what
compiles here, and into what, is what a GPU would run.
"""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from lnbench.operations.add_layernorm import triton as fused
from lnbench.operations.layernorm import triton as kernels
from lnbench.operations.rowwise.triton import backward as triton_backward
from lnbench.operations.rowwise.triton import choice as triton_choice
from lnbench.operations.rowwise.triton import forward as triton_forward
from lnbench.operations.rowwise.triton import two_pass as triton_two_pass
from lnbench.operations.rowwise.triton.tiers import (
    Configuration,
    Rows,
    bucket,
    candidates,
    heuristic,
)
from lnbench.plan.case import Direction

CUOBJDUMP = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"

DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)

KERNELS = {
    "forward_rows": triton_forward,
    "forward_looped": triton_forward,
    "split_moments": triton_forward,
    "split_normalize": triton_forward,
    "backward_sums": triton_backward,
    "backward_tiles": triton_backward,
    "backward_two_pass": triton_two_pass,
    "backward_slope": triton_two_pass,
    "sum_parts": triton_backward,
}
"""Where each kernel is."""


class NoDevice:
    """A driver for whose target kernels are compiled, and which cannot launch."""

    target = GPUTarget("cuda", 90, 32)

    def get_current_target(self):
        return self.target

    def get_current_device(self):
        return self.target.arch  # Triton keeps what it compiled by device, not by target

    def get_current_stream(self, device=None):
        return 0


class Compiled(NamedTuple):
    name: str
    ptx: str
    warps: int
    shared_bytes: int
    registers: int
    """Of one thread."""
    stack_bytes: int
    """Registers that did not fit, of one thread."""

    @property
    def programs(self):
        """How many are resident on a multiprocessor of compute capability 9.0.

        By CUDA's occupancy calculator: registers go to warps in units of 256, and each block takes
        1 KiB of shared memory for itself.
        """
        a_warp = -(-self.registers * 32 // 256) * 256
        return min(
            65536 // (a_warp * self.warps),
            64 // self.warps,
            228 * 1024 // (self.shared_bytes + 1024),
        )


@pytest.fixture
def compiled(monkeypatch):
    """Return the list to which every launch adds what it compiled."""
    found = []
    run = JITFunction.run

    def compile_only(self, *args, warmup, **options):
        kernel = run(self, *args, warmup=True, **options)
        of = kernel.metadata
        used = resources(kernel.asm["cubin"])
        found.append(Compiled(self.__name__, kernel.asm["ptx"], of.num_warps, of.shared, *used))
        return kernel

    driver.set_active(NoDevice())
    monkeypatch.setattr(JITFunction, "run", compile_only)
    return found


def resources(cubin, seen={}):  # noqa: B006  (a kernel is compiled once and launched often)
    """Return registers and stack of a thread."""
    if cubin not in seen:
        path = Path("kernel.cubin")
        path.write_bytes(cubin)
        command = [CUOBJDUMP, "--dump-resource-usage", path]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        seen[cubin] = [int(re.search(rf"{name}:(\d+)", text)[1]) for name in ("REG", "STACK")]
    return seen[cubin]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def launch(rows, columns, dtype, *, weight=True, bias=True, forward=None, backward=None):
    x = torch.empty(rows, columns, dtype=dtype)
    vector = x.new_empty(columns)
    weight, shift = (vector if weight else None), (vector if bias else None)
    y, mean, rstd = kernels.forward(x, weight, shift, 1e-5, configuration=forward)
    kernels.backward(y, x, mean, rstd, weight, bias, configuration=backward)


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_kernel_compiles_without_atomics(compiled, monkeypatch, dtype, capability):
    monkeypatch.setattr(NoDevice, "target", GPUTarget("cuda", capability, 32))
    for columns in (1, 7, 1000, 1024, 6000, 12288, 65536, 200000):
        launch(100, columns, dtype)
    launch(3, 200000, dtype)
    assert {each.name for each in compiled} == set(KERNELS)
    for each in compiled:
        assert f".target sm_{capability}" in each.ptx
        assert not re.search(r"^\s*(@%\w+ )?(atom|red|multimem)\.", each.ptx, re.MULTILINE), (
            each.name
        )


@pytest.mark.parametrize("hopper", [False, True])
def test_the_last_launch_starts_early_where_the_device_can(compiled, monkeypatch, hopper):
    monkeypatch.setattr(triton_choice, "EARLY_ON_CPU", hopper)
    for columns in (1000, 12288, 70000):
        launch(200, columns, torch.bfloat16)
    waits = {each.name for each in compiled if "griddepcontrol.wait" in each.ptx}
    lets = {each.name for each in compiled if "griddepcontrol.launch_dependents" in each.ptx}
    assert waits == ({"sum_parts"} if hopper else set())
    assert lets == ({"backward_tiles", "backward_two_pass"} if hopper else set())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [1024, 2048, 4096, 8192, 16384, 65536])
def test_no_program_takes_more_shared_memory_than_the_device_has(
    compiled, monkeypatch, dtype, columns
):
    monkeypatch.setattr(triton_choice, "SHARED_OF_CPU", 99 << 10)
    launch(4096, columns, dtype)
    x, weight = torch.empty(4096, columns, dtype=dtype), torch.empty(columns, dtype=torch.float64)
    _, z, mean, rstd = fused.forward(x, x, weight, weight, 1e-5)
    fused.backward(x, x, z, mean, rstd, weight, True)
    assert [(e.name, e.shared_bytes) for e in compiled if e.shared_bytes > 99 << 10] == []


@pytest.mark.parametrize("weight", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_absent_weight_and_bias_compile(compiled, weight, bias):
    launch(100, 300, torch.float32, weight=weight, bias=bias)
    launch(4, 65536, torch.bfloat16, weight=weight, bias=bias)
    assert ("sum_parts" in {each.name for each in compiled}) == (weight or bias)
    launched = len(compiled)
    launch(4, 8192, torch.bfloat16, weight=weight, bias=bias)
    assert [each.name for each in compiled[launched:]] == ["forward_rows", "backward_tiles"]


def test_what_needs_no_gradient_compiles_away(compiled):
    x, weight, mean = torch.empty(9, 300), torch.empty(300), torch.empty(9)
    for wanted in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1)):
        shapes = (x, weight, weight)
        out = tuple(each if want else None for each, want in zip(shapes, wanted, strict=True))
        kernels.backward(x, x, mean, mean, weight, bool(wanted[2]), out)
    sizes = [len(each.ptx) for each in compiled if each.name == "backward_tiles"]
    assert len(set(sizes)) == 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("columns", [300, 65536])
def test_nothing_but_float64_computes_in_float64(compiled, dtype, columns):
    launch(100, columns, dtype)
    assert [each.name for each in compiled if ".f64" in each.ptx] == []


@pytest.mark.parametrize("columns", [300, 65536])
def test_subnormal_numbers_are_not_taken_for_zero(compiled, columns):
    launch(100, columns, torch.float32)
    assert [each.name for each in compiled if ".ftz" in each.ptx] == []


USUAL = (64, 256, 512, 768, 1024, 2048, 3072, 4096, 5120, 8192, 12288, 16384, 32768, 65536, 262144)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", USUAL)
def test_usual_widths_fit_in_registers_and_move_16_bytes_a_thread(compiled, dtype, columns):
    launch(4096, columns, dtype)
    # Eight registers stay in the first cache, and let a second program in.
    most = 48 if (dtype, columns) == (torch.float64, 12288) else 32
    assert [(e.name, e.stack_bytes) for e in compiled if e.stack_bytes > most] == []
    wide = r"{}\.global(\.\w+::\w+)*\.(v4\.b32|v2\.b64)"
    bulk = [each for each in compiled if each.name.startswith(("forward", "backward"))]
    ahead = r"cp\.async\.cg\.shared\.global [^;]*0x10\b"  # into shared memory, 16 bytes each
    assert all(re.search(f"{wide.format('ld')}|{ahead}", each.ptx) for each in bulk)
    # dx has its own launch where that of the tiles stores none.
    few = {"backward_sums"}
    if any(each.name == "backward_slope" for each in bulk):
        few.add("backward_tiles")
    assert all(re.search(wide.format("st"), e.ptx) for e in bulk if e.name not in few)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", USUAL)
def test_enough_bytes_are_under_way_to_hide_the_latency_of_memory(compiled, dtype, columns):
    """4.3 TB/s for 0.75 µs are 24 KiB on each of 132 multiprocessors, by Little's law."""
    launch(4096, columns, dtype)
    for each in compiled:
        if each.name == "sum_parts":
            continue
        direction = Direction(each.name.partition("_")[0])
        cut = heuristic(direction, columns, dtype, Rows.MANY)
        tile, ahead = cut.block_m * min(columns, cut.block_n), max(1, cut.stages - 1)
        if each.name == "backward_slope":
            tile, ahead = min(columns, cut.chunk), 1
        # x, or x and dy
        loaded = (1 if direction is Direction.FORWARD else 2) * tile * dtype.itemsize
        assert each.programs * loaded * ahead >= 31 * 1024, each._replace(ptx="")


def variants():
    """Return how many kernels were compiled, of all sources."""
    device = NoDevice.target.arch
    found = [getattr(module, name).device_caches[device] for name, module in KERNELS.items()]
    return sum(len(kernels) for kernels, *_ in found)


@pytest.mark.parametrize("columns", [7, 1000, 1001, 12288, 65536, 70000])
def test_another_number_of_rows_of_one_bucket_compiles_nothing(compiled, columns):
    for rows in (1, 5, 1000):  # one of each bucket
        launch(rows, columns, torch.bfloat16)
    before = variants()
    for rows in (2, 3, 4, 6, 7, 8, 15, 16, 17, 132, 1001, 1024, 4096):
        launch(rows, columns, torch.bfloat16)
    assert variants() == before


@pytest.mark.parametrize("columns", [1, 7, 200, 1001, 12289, 70001])
def test_rows_in_one_group_or_many_and_one_tile_or_many_are_one_variant(
    compiled, monkeypatch, columns
):
    monkeypatch.setattr(triton_choice, "PROCESSORS_OF_CPU", 132)
    monkeypatch.setattr(triton_choice, "CACHE_OF_CPU", 50 << 20)
    for rows in (5, 132):
        launch(rows, columns, torch.bfloat16)
    before = variants()
    for rows in (6, 31, 32, 33, 131, 133, 1001, 1024, 9999):
        launch(rows, columns, torch.bfloat16)
    assert variants() == before


@pytest.mark.parametrize("height", [1, 4, 64])
def test_forced_tiles_compile(compiled, height):
    rows = Configuration("rows", height, 64, 4)
    launch(100, 50, torch.bfloat16, forward=rows, backward=rows)
    columns = Configuration("columns", height, 64, 4)
    launch(100, 500, torch.float32, forward=Configuration("looped", 1, 64, 4), backward=columns)
    launch(100, 50, torch.bfloat16, backward=Configuration("twice", 1, 64, 4))
    launch(100, 50, torch.bfloat16, backward=Configuration("separate", height, 64, 4, chunk=64))
    split = Configuration("split", 1, 64, 4, chunk=128)
    launch(100, 500, torch.float32, forward=split, backward=columns._replace(chunk=128))
    assert {each.name for each in compiled} == set(KERNELS)


def test_a_width_of_one_compiles_in_every_tier(compiled):
    launch(
        100,
        1,
        torch.float32,
        forward=Configuration("looped", 1, 64, 4),
        backward=Configuration("columns", 2, 64, 4),
    )
    launch(
        100,
        1,
        torch.float32,
        forward=Configuration("split", 1, 64, 4, chunk=64),
        backward=Configuration("twice", 1, 1, 4),
    )
    launch(100, 1, torch.float32, backward=Configuration("separate", 1, 64, 4, chunk=64))
    assert {each.name for each in compiled} == set(KERNELS)


def test_strided_tensors_compile(compiled):
    x, dy = torch.empty(64, 100, dtype=torch.bfloat16).T, torch.ones(()).expand(100, 64)
    _, mean, rstd = kernels.forward(x, None, None, 1e-5)
    kernels.backward(dy, x, mean, rstd, None, True)
    assert compiled


@pytest.mark.parametrize("columns", [2048, 4096, 8192])
def test_the_next_tile_is_loaded_while_this_one_is_computed(compiled, columns):
    launch(4096, columns, torch.bfloat16)
    loops = [each for each in compiled if each.name in ("backward_tiles", "sum_parts")]
    assert len(loops) == 2
    assert all("cp.async" in each.ptx for each in loops)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_cut_of_the_table_is_one_that_the_tuner_starts_with(dtype):
    for direction in (Direction.FORWARD, Direction.BACKWARD):
        for columns in (1, 64, 1000, 4096, 12288, 65536, 4194304):
            for rows in Rows:
                tried = list(candidates(direction, columns, dtype, rows))
                assert tried[0] == heuristic(direction, columns, dtype, rows)
                assert len(set(tried)) == len(tried)


@pytest.mark.parametrize("rows", [3, 100])
def test_what_the_tuner_tries_compiles(compiled, rows):
    for columns in (200, 9000):
        for direction in (Direction.FORWARD, Direction.BACKWARD):
            for cut in candidates(direction, columns, torch.float32, bucket(rows, 8)):
                launch(rows, columns, torch.float32, **{str(direction): cut})
    assert compiled
