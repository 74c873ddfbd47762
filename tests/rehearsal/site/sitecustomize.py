"""Puts the stand-in for CUDA under torch in every process that finds this folder on its path."""

import ctypes
import importlib
import os
import sys
from importlib.machinery import PathFinder

GUARD = "LNBENCH_REHEARSAL_GUARD"
"""Names the library that guard.cpp was compiled into; torch asks for it once, and early."""

_BEFORE = {"torch.cuda": "cuda_stand_in"}
_AFTER = {"torch": "cuda_tensors", "triton": "cuda_triton"}


class _Hooks:
    """Installs each part of the stand-in beside the import of what it stands under."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "torch._C":
            ctypes.CDLL(os.environ[GUARD])
        if name not in _BEFORE and name not in _AFTER:
            return None
        spec = PathFinder.find_spec(name, path, target)
        load = spec.loader.exec_module

        def exec_module(module):
            if name in _BEFORE:
                importlib.import_module(_BEFORE[name]).install()
            load(module)
            if name in _AFTER:
                importlib.import_module(_AFTER[name]).install()

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, _Hooks)
