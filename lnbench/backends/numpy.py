"""NumPy: an operation's NumPy kernels, with rows shared out to threads where there are several."""

from lnbench.host_backend import HostBackend


class NumPy(HostBackend):
    """lnbench's own kernels in plain NumPy."""

    name = "numpy"
    framework = "numpy"
    summary = "lnbench's NumPy kernels, in blocks of rows that fit the cache"
