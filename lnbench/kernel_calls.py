"""How the functions of a user's kernel are called: what they are given, and what that gives.

An operation says by `bind` what its kernels are called with; a stand-in notes that down, and the
user's function is called with the same, less what it does not take.
"""

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from lnbench.arrays import numpy_dtype
from lnbench.backend import UnsupportedError
from lnbench.kernel_signatures import parameter_names, parameters, takes
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Case, Direction, Options, Output

_SUMS = {"dw": "weight", "db": "bias"}
"""Gradients that are not called d and their input's name."""


class KernelError(Exception):
    """A user's kernel is not what an operation asks for; its words are for its author."""


class Kernels(NamedTuple):
    """What was found in a user's file."""

    forward: Callable[..., Any] | None = None
    """A function, or what a module's class is made into."""
    backward: Callable[..., Any] | None = None
    """Its gradient, if the user wrote one."""
    step: Callable[..., Any] | None = None
    """Both together, if the user wrote that."""
    module: type | None = None
    """A class of torch.nn.Module in place of `forward`."""


class Framework(NamedTuple):
    """How arrays come to a kernel and back."""

    name: str
    """numpy, torch or jax."""
    take: Callable[[Any], Any]
    """From a host array to one of the framework's."""
    empty_like: Callable[[Any], Any]
    """A buffer of a result's shape and type."""


class Call(NamedTuple):
    """One iteration of a user's kernel."""

    run: Callable[[], Any]
    """Makes it."""
    names: tuple[str, ...]
    """Of what it returns, in order; statistics at the end may be left out."""
    details: Mapping[str, str] = MappingProxyType({})
    """What a reader of its times must know."""


class _Noted(NamedTuple):
    """What an operation calls a kernel with."""

    function: str
    arguments: tuple[Any, ...]


class _StandIn:
    """Stands where an operation's kernels do; what is needed to get as far is really called."""

    def __init__(self, forward: Callable[..., Any] | None) -> None:
        if forward is not None:
            self.forward = forward
        self.noted: _Noted | None = None

    def __getattr__(self, function: str) -> Callable[..., Any]:
        """Return what notes down a call of `backward`, `step` or anything else."""

        def note(*arguments: Any, **_: Any) -> tuple[()]:
            self.noted = _Noted(function, arguments)
            return ()

        return note


def bind(
    kernels: Kernels,
    operation: Operation,
    case: Case,
    arrays: Mapping[str, Any],
    inputs: Arrays,
    framework: Framework,
    name: str,
) -> Call:
    """Return one iteration; UnsupportedError for a direction that the kernel does not have.

    Args:
        kernels: the user's functions.
        operation: what they compute.
        case: the case.
        arrays: the inputs as the framework's arrays, which every call reads.
        inputs: the same on the host.
        framework: whose arrays.
        name: what the user calls it.
    """
    binder = _Binder(kernels, operation, case, arrays, inputs, framework, name)
    by_direction = {
        Direction.FORWARD: binder.forward,
        Direction.BACKWARD: binder.backward,
        Direction.STEP: binder.step,
    }
    return by_direction[case.direction]()


class _Binder(NamedTuple):
    kernels: Kernels
    operation: Operation
    case: Case
    arrays: Mapping[str, Any]
    inputs: Arrays
    framework: Framework
    name: str

    def forward(self) -> Call:
        """Return a call of `forward`."""
        if self.kernels.module is not None:
            module = self._module(trained=False)
            return Call(functools.partial(module, self.arrays["x"]), self._names())
        function = self._function("forward")
        return Call(self._ready(self._fit(function, self._noted(Direction.FORWARD))), self._names())

    def backward(self) -> Call:
        """Return a call of `backward`, or of torch's autograd on the graph of `forward`."""
        if self.kernels.backward is None:
            return self._by_autograd()
        noted = self._noted(Direction.BACKWARD)
        return Call(self._ready(self._fit(self.kernels.backward, noted)), self._names())

    def step(self) -> Call:
        """Return a call of `step`, of forward and backward, or of forward and autograd."""
        if self.kernels.step is not None:
            noted = self._noted(Direction.STEP)
            return Call(self._fit(self.kernels.step, noted), self._names())
        if self.kernels.backward is None:
            return self._step_by_autograd()
        forward = self._fit(self._function("forward"), self._noted(Direction.FORWARD))
        places = {statistic: object() for statistic in self._forward_names()}
        noted = self._noted(Direction.BACKWARD, places)
        names, wanted = self._forward_names(), {id(place): n for n, place in places.items()}
        heads = len(self._names()) - len(self._gradients())
        backward, split = self.kernels.backward, len(forward.args)
        count = takes(backward, noted.arguments)
        slots = [wanted.get(id(each), "") for each in noted.arguments[:count]]

        def call(*arguments: Any, **keywords: Any) -> tuple[Any, ...]:
            results = forward.func(*arguments[:split], **keywords)
            known = dict(zip(names, results, strict=True))
            rest = zip(slots, arguments[split:], strict=True)
            return (*results[:heads], *backward(*(known[s] if s else each for s, each in rest)))

        if not isinstance(results := forward(), tuple) or len(results) != len(names):
            raise UnsupportedError(
                f"a step of {self.name} needs {', '.join(names)} of its forward for its backward"
            )
        # All arrays are arguments: whose arrays never change are given others there.
        whole = functools.partial(call, *forward.args, *noted.arguments[:count], **forward.keywords)
        return Call(whole, self._names())

    def _function(self, which: str) -> Callable[..., Any]:
        function: Callable[..., Any] | None = getattr(self.kernels, which)
        if function is None:
            raise UnsupportedError(f"{self.name} has no {which}")
        return function

    def _names(self) -> tuple[str, ...]:
        return self.operation.outputs(self.case)

    def _forward_names(self) -> tuple[str, ...]:
        return self.operation.outputs(_turned(self.case, Direction.FORWARD))

    def _gradients(self) -> dict[str, str]:
        """Return the outputs that are gradients, and of which inputs, of those that are there."""
        named = {name: _SUMS.get(name, name[1:]) for name in self._names()}
        return {
            name: of for name, of in named.items() if name.startswith("d") and of in self.arrays
        }

    def _noted(self, direction: Direction, statistics: Mapping[str, Any] | None = None) -> _Noted:
        """Return what the operation calls its kernels with in a direction."""
        case = _turned(self.case, direction)
        forward = None if direction is Direction.FORWARD else self._statistics(statistics)
        stand_in = _StandIn(forward)
        try:
            self.operation.bind(stand_in, case, self.arrays, None)()
        # What an operation does with the results of a stand-in, such as to take them apart.
        except (TypeError, ValueError, IndexError):
            if stand_in.noted is None:
                raise
        assert stand_in.noted is not None  # noqa: S101  (a call of `bind` calls a kernel)
        return stand_in.noted

    def _statistics(self, places: Mapping[str, Any] | None) -> Callable[..., tuple[Any, ...]]:
        """Return a forward for `bind` of backward: the user's results, and true ones for the rest.

        Where `places` are given, they stand for the results.
        """
        import numpy as np

        def forward(*_: Any, **__: Any) -> tuple[Any, ...]:
            names = self._forward_names()
            if places is not None:
                return tuple(places[name] for name in names)
            results: tuple[Any, ...] = ()
            if self.kernels.forward is not None:
                returned = self._fit(self.kernels.forward, self._noted(Direction.FORWARD))()
                results = returned if isinstance(returned, tuple) else (returned,)
            rest = names[len(results) :]
            if not rest:
                return results[: len(names)]
            case = _turned(self.case, Direction.FORWARD)
            truths = self.operation.reference(case, self.inputs)
            exact = numpy_dtype(case.dtype.accumulator)
            none = np.zeros(case.rows)  # of no columns there is no mean
            true = [
                (truths[name].values if name in truths else none).astype(exact) for name in rest
            ]
            return (*results, *map(self.framework.take, true))

        return forward

    def _fit(self, function: Callable[..., Any], noted: _Noted) -> functools.partial[Any]:
        """Return a user's function with what it takes of the arguments of an operation."""
        arguments = noted.arguments
        names = parameter_names(self.operation, noted.function, len(arguments))
        own = parameters(function)
        if own is None:
            return functools.partial(function, *arguments[: len(names)])
        if "normalized_shape" in own:
            known = dict(zip(names, arguments, strict=False))
            shape = (self.case.columns,)
            values = [known["x"], shape, *(known.get(n) for n in ("weight", "bias"))]
            return functools.partial(function, *values, self.case.options.eps)
        count = takes(function, arguments)
        if count in (len(names), len(arguments)):
            return functools.partial(function, *arguments[:count])
        known = dict(zip(names, arguments, strict=False))
        if set(own) <= set(known):
            return functools.partial(function, **{name: known[name] for name in own})
        plural = "s" * (len(own) != 1)
        raise KernelError(
            f"{function.__name__} takes {len(own)} argument{plural} ({', '.join(own)}); "
            f"{self.operation.name}'s {noted.function} is {noted.function}({', '.join(names)})"
        )

    def _ready(self, call: Callable[..., Any]) -> Callable[[], Any]:
        """Return the call on ready outputs where the case says so."""
        if self.case.options.output is Output.ALLOCATED:
            return call
        function = call.func if isinstance(call, functools.partial) else call
        if "out" not in (parameters(function, every=True) or ()):
            raise UnsupportedError(f"{self.name} allocates its outputs: it has no parameter out")
        results = call()
        results = results if isinstance(results, tuple) else (results,)
        out = tuple(None if r is None else self.framework.empty_like(r) for r in results)
        return functools.partial(call, out=out)

    def _module(self, *, trained: bool) -> Any:
        """Return the user's module with the case's weight and bias in it."""
        import torch

        kind, x = self.kernels.module, self.arrays["x"]
        assert kind is not None  # noqa: S101  (asked by the caller)
        options = {"eps": self.case.options.eps}
        if not (self.case.options.weight and self.case.options.bias):
            raise UnsupportedError(f"{self.name} is a module, timed with weight and bias")
        try:
            module = kind((self.case.columns,), **options)
        except TypeError as error:
            raise KernelError(
                f"{kind.__name__}((N,), eps=…) cannot be made: {error}; "
                "a module takes normalized_shape and eps"
            ) from None
        module = module.to(x.device)
        parameters = dict(module.named_parameters())
        for name in ("weight", "bias"):
            if name not in self.arrays:
                continue
            if name not in parameters:
                raise KernelError(f"{kind.__name__} has no parameter {name}")
            parameters[name].data = self.arrays[name]
        module.requires_grad_(trained)
        assert isinstance(module, torch.nn.Module)  # noqa: S101  (a subclass of it)
        return module

    def _graph(self) -> tuple[Callable[[], tuple[tuple[Any, ...], list[Any]]], tuple[str, ...]]:
        """Return what computes forward with a graph: results and leaves; and whose gradients."""
        if self.framework.name != "torch":
            raise UnsupportedError(f"{self.name} has no backward")
        gradients = self._gradients()
        heads = [f"d{name}" for name in self._heads()]
        if not heads or any(head not in self.arrays for head in heads):
            raise UnsupportedError(f"{self.name} has no backward")
        if self.kernels.module is not None:
            module = self._module(trained=True)
            parameters = dict(module.named_parameters())

            def through_module() -> tuple[tuple[Any, ...], list[Any]]:
                x = self.arrays["x"].detach().requires_grad_()
                leaves = [x if of == "x" else parameters[of] for of in gradients.values()]
                return (module(x),), leaves

            return through_module, tuple(gradients)
        noted = self._noted(Direction.FORWARD)
        call = self._fit(self._function("forward"), noted)
        inputs = {id(self.arrays[of]): of for of in gradients.values()}

        def through_function() -> tuple[tuple[Any, ...], list[Any]]:
            leaves = {of: self.arrays[of].detach().requires_grad_() for of in inputs.values()}

            def leaf(value: Any) -> Any:
                return leaves[inputs[id(value)]] if id(value) in inputs else value

            keywords = {name: leaf(value) for name, value in call.keywords.items()}
            results = call.func(*map(leaf, call.args), **keywords)
            return results if isinstance(results, tuple) else (results,), list(leaves.values())

        return through_function, tuple(gradients)

    def _heads(self) -> tuple[str, ...]:
        """Return the outputs of forward that have a gradient among the inputs."""
        names = self.operation.outputs(_turned(self.case, Direction.FORWARD))
        return tuple(name for name in names if f"d{name}" in self.arrays)

    def _by_autograd(self) -> Call:
        """Return the gradients of a graph that is made once."""
        compute, names = self._graph()
        import torch
        from torch._functorch import config

        config.donated_buffer = False  # what is compiled may not give away what the next call needs
        results, leaves = compute()
        count = len(self._heads())
        heads, grads = results[:count], [self.arrays[f"d{name}"] for name in self._heads()]
        if any(getattr(head, "grad_fn", None) is None for head in heads):
            raise UnsupportedError(
                f"{self.name} has no backward, and what its forward returns has no graph"
            )
        run = functools.partial(torch.autograd.grad, heads, leaves, grads, retain_graph=True)
        return Call(run, names, {"backward": "autograd"})

    def _step_by_autograd(self) -> Call:
        """Return forward and the gradients of its graph, as a training step computes them."""
        compute, names = self._graph()
        import torch

        heads = self._heads()
        count, grads = len(heads), [self.arrays[f"d{name}"] for name in heads]
        if any(getattr(head, "grad_fn", None) is None for head in compute()[0][:count]):
            raise UnsupportedError(
                f"{self.name} has no backward, and what its forward returns has no graph"
            )

        def call() -> tuple[Any, ...]:
            results, leaves = compute()
            gradients = torch.autograd.grad(results[:count], leaves, grads)
            return (*(result.detach() for result in results[:count]), *gradients)

        return Call(call, (*heads, *names), {"backward": "autograd"})


def _turned(case: Case, direction: Direction) -> Case:
    """Return a case in another direction, allocating its outputs."""
    options: Options = msgspec.structs.replace(case.options, output=Output.ALLOCATED)
    return msgspec.structs.replace(case, direction=direction, options=options)
