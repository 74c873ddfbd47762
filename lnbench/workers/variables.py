"""The variables under which nurseries and workers run: equal threads for all, pinned."""

import os
from collections.abc import Sequence
from pathlib import Path

AUTOTUNE = "LNBENCH_AUTOTUNE"
"""Set to 1 where kernels are to be tuned; `rowwise/triton/tuning` of the operations reads it."""


def variables(
    threads: int, cpus: Sequence[int], cache: Path, *, autotune: bool = False
) -> dict[str, str]:
    """Return the environment of a nursery or worker.

    Args:
        threads: how many threads every CPU backend may use.
        cpus: the CPUs that the session may use, one of each physical core first.
        cache: an empty folder for what inductor compiles, so that a first call compiles.
        autotune: whether lnbench's Triton kernels try their launch configurations on the device.
    """
    inherited = {name: value for name, value in os.environ.items() if name != AUTOTUNE}
    return {
        # Unpinned, two OpenMP threads share a core now and then: quartiles of one row were 66 and
        # 1670 µs, pinned 57 and 75. What the user set stays.
        "OMP_PROC_BIND": "close",
        "OMP_PLACES": "cores",
        **inherited,
        **({AUTOTUNE: "1"} if autotune else {}),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "NUMEXPR_NUM_THREADS": str(threads),
        # NumPy's backend spreads rows over threads itself; two pools would fight.
        "OPENBLAS_NUM_THREADS": "1",
        # A nursery must stay single-threaded, and a worker's compilation must not outlive it.
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        "TORCHINDUCTOR_CACHE_DIR": str(cache),
        "LNBENCH_CPUS": ",".join(map(str, cpus)),
    }


def plain_variables() -> dict[str, str]:
    """Return the environment as it is, for a child that only answers questions."""
    return dict(os.environ)
