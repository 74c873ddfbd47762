"""The options that `lnbench paper train` alone has."""

from typing import Any

import typer

from lnbench.cli import completion

OPTIONS: dict[str, Any] = {
    "model": typer.Option(
        envvar="LNBENCH_MODEL",
        help="mlp, rnn, lstm, gru; or several by commas.",
        autocompletion=completion.among("mlp", "rnn", "lstm", "gru"),
    ),
    "normalization": typer.Option(
        envvar="LNBENCH_NORMALIZATION",
        help="none, batch, layer, rms; by commas.",
        autocompletion=completion.among("none", "batch", "layer", "rms"),
    ),
    "batch_size": typer.Option(envvar="LNBENCH_BATCH_SIZE", help="Batch sizes, by commas."),
    "learning_rate": typer.Option(envvar="LNBENCH_LEARNING_RATE", help="Adam's, by commas."),
    "seeds": typer.Option(
        min=1, max=10_000, envvar="LNBENCH_SEEDS", help="Runs of each combination."
    ),
    "steps": typer.Option(
        min=1,
        max=10**9,
        envvar="LNBENCH_STEPS",
        help="Training steps of a run; without it 1200, or 3000 for batches up to 4; "
        "half as many for nets through time.",
        show_default=False,
    ),
    "epochs": typer.Option(
        min=1,
        max=10**6,
        envvar="LNBENCH_EPOCHS",
        help="Passes over all images, in place of --steps; the paper takes 60.",
        show_default=False,
    ),
    "target_loss": typer.Option(
        min=1e-6,
        envvar="LNBENCH_TARGET_LOSS",
        help="The loss up to which steps and seconds are counted.",
    ),
    "sweep": typer.Option(
        envvar="LNBENCH_SWEEP",
        help="Sweep seven values of learning-rate or batch-size.",
        show_default=False,
        autocompletion=completion.among("learning-rate", "batch-size"),
    ),
    "data": typer.Option(
        envvar="LNBENCH_DATA",
        help="A folder of MNIST's IDX files, gzip or not; without it, scikit-learn's digits.",
        show_default=False,
    ),
    "plot": typer.Option(
        envvar="LNBENCH_PLOT",
        help="Write the curves as a picture, .svg, .png or .pdf.",
        show_default=False,
    ),
}
"""By field of its flags, as those of all commands."""
