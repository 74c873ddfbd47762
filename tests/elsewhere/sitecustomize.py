"""On PYTHONPATH, takes from lnbench what only Linux has, as macOS would; libraries keep it.

They were built for this system. A file is hidden where lnbench asks for it, also through the
standard library; a function is gone for all who look.
"""

import builtins
import ctypes
import io
import os
import platform
import resource
import select
import signal
import socket
import sys
import time
import types

import psutil

_FOLDERS = ("/proc", "/sys", "/dev/shm", "/etc/machine-id")
_BETWEEN = ("pathlib", "os", "shutil", "tempfile", "glob", "posixpath", "genericpath", "contextlib")


def _of_lnbench(depth=2):
    """Return whether lnbench asks, by itself or through the standard library."""
    frame = sys._getframe(depth)
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] in (*_BETWEEN, __name__):
        frame = frame.f_back
    return frame is not None and (frame.f_globals.get("__package__") or "").startswith("lnbench")


def _hidden(path):
    linux = not isinstance(path, int) and os.fsdecode(path).startswith(_FOLDERS)
    return linux and _of_lnbench(3)


class _Platform(str):
    __slots__ = ()

    def startswith(self, *prefix):
        return ("darwin" if _of_lnbench() else str(self)).startswith(*prefix)

    def __eq__(self, other):
        return ("darwin" if _of_lnbench() else str(self)) == other

    __hash__ = str.__hash__


def _hiding(function):
    def call(path=".", *more, **named):
        if _hidden(path):
            raise FileNotFoundError(2, "No such file or directory", path)
        return function(path, *more, **named)

    return call


for _name in ("open", "stat", "lstat", "listdir", "scandir", "readlink", "statvfs", "mkdir"):
    setattr(os, _name, _hiding(getattr(os, _name)))
builtins.open = io.open = _hiding(open)

for _module, _names in {
    os: ("sched_setaffinity", "sched_getaffinity", "waitid", "memfd_create", "pidfd_open"),
    resource: ("RUSAGE_THREAD", "prlimit"),
    select: ("epoll",),
    signal: ("SIGRTMIN", "SIGPWR"),
}.items():
    for _name in _names:
        if hasattr(_module, _name):
            delattr(_module, _name)


class _CDLL(ctypes.CDLL):
    def __getattr__(self, name):
        if name in ("prctl", "malloc_trim"):
            raise AttributeError(name)
        return super().__getattr__(name)


def _clock(clock, _gettime=time.clock_gettime):
    if clock < 0:  # of another process
        raise OSError(22, "Invalid argument")
    return _gettime(clock)


def _cpu_times(process, _gettime=time.clock_gettime):
    """Return times as fine as those of macOS."""
    return types.SimpleNamespace(user=_gettime((~process.pid << 3) | 2), system=0.0)


_cpu_times.cache_activate = _cpu_times.cache_deactivate = lambda process: None


def _pair(family=None, kind=socket.SOCK_STREAM, *more, _socketpair=socket.socketpair):
    if kind == socket.SOCK_SEQPACKET:
        raise OSError(43, "Protocol not supported")
    return _socketpair(family, kind, *more)


ctypes.CDLL, time.clock_gettime, socket.socketpair = _CDLL, _clock, _pair
psutil.Process.cpu_times = _cpu_times
sys.platform = _Platform(sys.platform)
platform.system = lambda: "Darwin" if _of_lnbench() else "Linux"
