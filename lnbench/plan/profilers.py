"""Profilers that are started around `lnbench profile`: their command lines, and what opens them."""

import msgspec

MARK = "lnbench"
"""The range that holds the calls, in every profiler that has ranges."""


class Tool(msgspec.Struct, frozen=True):
    """A profiler; in its words {file} and {mark} are filled in."""

    command: str = ""
    """What starts it, up to the program that it watches; empty where the worker starts it."""
    ending: str = ""
    """Of the file that it writes."""
    viewer: str = ""
    """What shows that file."""
    device: str = ""
    """The type of device that it sees; empty for any."""
    control: bool = False
    """Whether it looks only while it is told to, by a pipe."""


TOOLS = {
    # Workers are children of children; outside of the range are the kernels of the warm-up.
    "ncu": Tool(
        "ncu --target-processes all --nvtx --nvtx-include {mark}/ --set full --force-overwrite "
        "--export {file}",
        ".ncu-rep",
        "ncu --import {file}",
        "cuda",
    ),
    # Torch's ranges are plain strings, which nsys does not take for a trigger unless it is told to.
    "nsys": Tool(
        "nsys profile --trace cuda,nvtx,osrt --capture-range nvtx --nvtx-capture {mark} "
        "--capture-range-end stop --env-var NSYS_NVTX_PROFILER_REGISTER_ONLY=0 "
        "--force-overwrite true --output {file}",
        ".nsys-rep",
        "nsys stats {file}",
        "cuda",
    ),
    "perf": Tool(
        "perf record -g --output {file} --delay -1 --control fifo:{file}.control,{file}.ack --",
        ".data",
        "perf report --no-children --input {file}",
        "cpu",
        control=True,
    ),
    "proton": Tool("", ".hatchet", "proton-viewer --metrics time/us {file}", "cuda"),
    "none": Tool(),
}
"""By the name that `--tool` has for it."""


def filled(words: str, file: str) -> list[str]:
    """Return the words of a command with a file and the mark in them."""
    return [word.format(file=file, mark=MARK) for word in words.split()]
