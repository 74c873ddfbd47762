"""Backends that are each wrong in one way; `plain` is right, and what the others start from."""

import ctypes
import os
import sys
import threading
import time

import numpy as np

from lnbench.arrays import own_copy
from lnbench.backend import Available, Backend, BoundRoutine, UnsupportedError
from lnbench.measure.timing import HostTimer


class Kernels:
    """LayerNorm in plain NumPy, float64 inside."""

    @staticmethod
    def forward(x, weight, bias, eps, out=None):
        wide = x.astype(np.float64)
        statistics = np.float64 if x.dtype == np.float64 else np.float32
        if x.shape[1] == 0:
            return np.empty(x.shape, x.dtype), *np.zeros((2, len(x)), statistics)
        with np.errstate(all="ignore"):
            mean = wide.mean(axis=1, keepdims=True)
            centred = wide - mean
            centred -= centred.mean(axis=1, keepdims=True)  # what rounding the mean left
            rstd = 1 / np.sqrt((centred**2).mean(axis=1, keepdims=True) + eps)
            y = centred * rstd
            y = y if weight is None else y * weight.astype(np.float64)
            y = y if bias is None else y + bias.astype(np.float64)
            results = (
                y.astype(x.dtype),
                mean[:, 0].astype(statistics),
                rstd[:, 0].astype(statistics),
            )
        return Kernels.into(out, results)

    @staticmethod
    def backward(dy, x, mean, rstd, weight, has_bias, out=None):
        wide, grad = x.astype(np.float64), dy.astype(np.float64)
        if x.shape[1] == 0:
            dx, dw, db = np.empty(x.shape), np.zeros(0), np.zeros(0)
        else:
            with np.errstate(all="ignore"):
                centred = wide - mean[:, None]
                centred -= centred.mean(axis=1, keepdims=True)
                normal = centred * rstd[:, None]
                g = grad if weight is None else grad * weight.astype(np.float64)
                c1 = (g * normal).mean(axis=1, keepdims=True)
                c2 = g.mean(axis=1, keepdims=True)
                dx = (g - c2 - normal * c1) * rstd[:, None]
                dw, db = (grad * normal).sum(axis=0), grad.sum(axis=0)
        kind = x.dtype if weight is None else weight.dtype
        with np.errstate(all="ignore"):
            results = (
                dx.astype(x.dtype),
                None if weight is None else dw.astype(kind),
                db.astype(kind) if has_bias else None,
            )
        return Kernels.into(out, results)

    @staticmethod
    def step(x, weight, bias, eps, dy):
        y, mean, rstd = Kernels.forward(x, weight, bias, eps)
        return y, *Kernels.backward(dy, x, mean, rstd, weight, bias is not None)

    @staticmethod
    def into(out, results):
        if out is None:
            return results
        for ready, result in zip(out, results, strict=True):
            if ready is not None:
                ready[...] = result
        return out


class Plain(Backend):
    """Right, and slow."""

    name = "plain"
    framework = "numpy"
    summary = "plain NumPy"
    module = Kernels

    def availability(self, device):
        return Available()

    def routine(self, operation, case, inputs, threads):
        arrays = {name: own_copy(array) for name, array in inputs.items()}
        call = operation.bind(self.module, case, arrays, None)
        if case.options.output == "ready":
            out = tuple(None if each is None else np.empty_like(each) for each in call())
            call = operation.bind(self.module, case, arrays, out)
        return BoundRoutine(
            self.spoil(call), operation.outputs(case), lambda array: array, arrays=arrays
        )

    def timer(self, case):
        return HostTimer(case.options.cache)

    def spoil(self, call):
        return call


class Wrong(Plain):
    """Is off by a hundredth."""

    name = "wrong"

    def spoil(self, call):
        return lambda: tuple(
            None if each is None else each + each.dtype.type(0.01) for each in call()
        )


class Raises(Plain):
    """Raises in its first call."""

    name = "raises"

    def spoil(self, call):
        def run():
            raise RuntimeError("no such kernel\non this machine")

        return run


class Exits(Plain):
    """Leaves the interpreter."""

    name = "exits"

    def spoil(self, call):
        return lambda: os._exit(7)


class Segfaults(Plain):
    """Reads address 0, after a word to the screen."""

    name = "segfaults"

    def spoil(self, call):
        def run():
            print("about to read address 0", file=sys.stderr, flush=True)
            ctypes.string_at(0)

        return run


class Hangs(Plain):
    """Never comes back."""

    name = "hangs"

    def spoil(self, call):
        return lambda: time.sleep(1e6)


class Hungry(Plain):
    """Asks for memory until it gets none."""

    name = "hungry"

    def spoil(self, call):
        kept = []

        def run():
            while True:
                kept.append(np.empty(1 << 28, np.uint8))

        return run


class Chatty(Plain):
    """Prints what might be taken for an answer."""

    name = "chatty"

    def spoil(self, call):
        def run():
            os.write(1, b'{"type":"Sampled","time_s":1e-9,"page_faults":0}\n\x00\xff')
            print("{}", flush=True)
            return call()

        return run


class Drifts(Plain):
    """Is right for its first twelve calls."""

    name = "drifts"

    def spoil(self, call):
        calls = 0

        def run():
            nonlocal calls
            calls += 1
            off = 0.0 if calls <= 12 else 0.1
            return tuple(None if each is None else each + each.dtype.type(off) for each in call())

        return run


class Stale(Plain):
    """Hands out the buffer of its first call again."""

    name = "stale"

    def spoil(self, call):
        kept = call()
        return lambda: Kernels.into(kept, call())


class DiesLater(Plain):
    """Dies in the middle of its samples, in the one process that finds a file to remove."""

    name = "dies-later"

    def spoil(self, call):
        calls = 0

        def run():
            nonlocal calls
            calls += 1
            token = os.environ.get("LNBENCH_TEST_TOKEN")
            if calls > 12 and token and os.path.exists(token):
                os.remove(token)
                os._exit(9)
            return call()

        return run


class Threaded(Plain):
    """Starts a thread when it is loaded into the nursery."""

    name = "threaded"

    def preload(self):
        threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()


class Picky(Plain):
    """Takes rows of sixteen columns, and says so of others."""

    name = "picky"

    def routine(self, operation, case, inputs, threads):
        if case.columns != 16:
            raise UnsupportedError("picky takes 16 columns")
        return super().routine(operation, case, inputs, threads)
