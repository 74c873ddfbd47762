"""Tensors of the devices without silicon: each holds one of the CPU, and computes there."""

import importlib
import os

import cuda_device as cuda
import torch
from cuda_device import state

_ATEN = torch.ops.aten
_NO_KERNEL = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}
_COPIES = {"copy_", "_to_copy"}


class CudaTensor(torch.Tensor):
    """A tensor that says it is on a device, and whose values are in `held`, on the CPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held, block):
        self = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device("cuda", block.device.index),
        )
        self.held, self.block = held, block
        return self

    def data_ptr(self):
        return self.held.data_ptr()

    def untyped_storage(self):
        return self.held.untyped_storage()

    def numpy(self, *, force=False):
        raise TypeError(
            f"can't convert {self.device} device type tensor to numpy. "
            "Use Tensor.cpu() to copy the tensor to host memory first."
        )

    def __repr__(self):
        return f"CudaTensor({self.held}, {self.device})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return dispatch(func, args, kwargs or {})


_kept = []


def install():
    """Let factories make tensors of the devices: all others of torch are built on these two."""
    import cuda_compile

    cuda_compile.install()
    # The first tensor of a subclass imports this: once, and not in each worker.
    os.register_at_fork(before=lambda: importlib.import_module("torch.distributed.tensor"))
    library = torch.library.Library("aten", "IMPL")
    library.impl("empty.memory_format", _factory(_ATEN.empty.memory_format), "CUDA")
    library.impl("empty_strided", _factory(_ATEN.empty_strided.default), "CUDA")
    _kept.append(library)


def _factory(func):
    def made(*args, **options):
        return dispatch(func, args, options)

    return made


def dispatch(func, args, options):
    """Run one operator on a device, or between it and the host."""
    given = tensors_of((*args, *options.values()))
    ours = [each for each in given if isinstance(each, CudaTensor)]
    name = func._schema.name.removeprefix("aten::")
    _check_devices(name, given, ours)
    target = _target(ours, args, options, name)
    plain_args = mapped(held, args)
    plain_options = {key: mapped(held, value) for key, value in options.items()}
    if "device" in plain_options:
        plain_options["device"] = torch.device("cpu")

    def call():
        return func(*plain_args, **plain_options)

    if target is None or any(not isinstance(each, CudaTensor) and each.ndim for each in given):
        return _copied(call, target, ours, args)
    if name in _NO_KERNEL:
        return _wrapped(_garbage(call()), target, [])
    if func.is_view:
        return _wrapped(call(), target, ours)
    return _wrapped(_launched(func, call, plain_args, plain_options, target, ours), target, ours)


def _garbage(fresh):
    """Return new memory with what nobody may read: NaN, where it is of a type that has one."""
    if fresh.numel():
        fresh.untyped_storage().fill_(255)
    return fresh


def mapped(change, value):
    """Return a value, or what a list or tuple holds, changed."""
    if isinstance(value, list | tuple):
        return type(value)([mapped(change, each) for each in value])
    return change(value)


def tensors_of(value):
    """Return the tensors that a value is, or that a list or tuple holds."""
    if isinstance(value, list | tuple):
        return [tensor for each in value for tensor in tensors_of(each)]
    return [value] if isinstance(value, torch.Tensor) else []


def held(each):
    """Return what a tensor of a device holds; anything else as it is."""
    return each.held if isinstance(each, CudaTensor) else each


def _check_devices(name, given, ours):
    """Raise as torch does where an operator gets tensors of several devices."""
    found = {str(each.device) for each in given if each.ndim or isinstance(each, CudaTensor)}
    if len(found) > 1 and name not in _COPIES:
        cuda.log(f"error {name} on {sorted(found)}")
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{' and '.join(sorted(found))}! (in {name})"
        )


def _target(ours, args, options, name):
    """Return the device of the results; None for the CPU."""
    device = options.get("device")
    if device is not None:
        if device.type != "cuda":
            return None
        return cuda.device_of(state.index if device.index is None else device.index)
    if name == "copy_" and not isinstance(args[0], CudaTensor):
        return None
    return ours[0].block.device


def _copied(call, target, ours, args):
    """Copy between the host and a device, which waits for the stream of the device."""
    cuda.refuse_in_capture("a copy from or to the host")
    for device in {each.block.device for each in ours}:
        cuda.leap(device.current.tail)
    if state.fault is not None:
        raise cuda.error(state.fault)
    result = call()
    return result if target is None and result is not args[0] else _wrapped(result, target, ours)


def _launched(func, call, args, options, target, ours):
    """Return the results of a kernel; those of a captured one are garbage until its replay."""
    written = _written(func, args, options)
    before = [each.clone() for each in written] if state.capture is not None else []
    results = call()
    tensors = tensors_of(results)
    fresh = [each for each in tensors if not any(each is other for other in written)]
    if not tensors:
        cuda.refuse_in_capture(f"{func} reads a value")

    def work():
        for old, new in zip(tensors, tensors_of(call()), strict=True):
            if old is not new:
                old.copy_(new)

    moved = sum(each.nbytes for each in [*map(held, ours), *fresh])
    cuda.launch(target, work, moved, [each.block for each in ours])
    if state.capture is not None:
        for each, old in zip(written, before, strict=True):
            each.copy_(old)
        for each in fresh:
            if each.is_floating_point():
                each.fill_(torch.nan)
    if not tensors:
        cuda.leap(target.current.tail)
    return results


def _written(func, args, options):
    """Return the tensors that an operator writes into."""
    found = []
    for number, each in enumerate(func._schema.arguments):
        if each.alias_info is not None and each.alias_info.is_write:
            value = options.get(each.name, args[number] if number < len(args) else None)
            found += tensors_of(value)
    return found


def _wrapped(results, target, ours):
    """Return results as tensors of a device; what was given comes back as it was given."""

    def wrap(each):
        if not isinstance(each, torch.Tensor):
            return each
        for other in ours:
            if other.held is each:
                return other
        place = each.untyped_storage().data_ptr()
        for other in ours:
            if place and other.held.untyped_storage().data_ptr() == place:
                return CudaTensor(each, other.block)
        return CudaTensor(each, cuda.Block(target, each.untyped_storage().nbytes()))

    return mapped(wrap, results)
