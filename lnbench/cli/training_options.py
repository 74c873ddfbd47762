"""The options of `lnbench paper train`, declared once."""

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    str, typer.Option(envvar="LNBENCH_MODEL", help="mlp, rnn, lstm, gru; or several by commas.")
]
Normalization = Annotated[
    str,
    typer.Option(envvar="LNBENCH_NORMALIZATION", help="none, batch, layer, rms; by commas."),
]
BatchSize = Annotated[
    str, typer.Option(envvar="LNBENCH_BATCH_SIZE", help="Cases a step, by commas.")
]
LearningRate = Annotated[
    str, typer.Option(envvar="LNBENCH_LEARNING_RATE", help="Adam's, by commas.")
]
Seeds = Annotated[
    int, typer.Option(min=1, envvar="LNBENCH_SEEDS", help="Runs of each combination.")
]
Steps = Annotated[
    int | None,
    typer.Option(
        min=1,
        envvar="LNBENCH_STEPS",
        help="Training steps of a run; without it 1200, or 3000 for batches up to 4; "
        "half as many for nets through time.",
        show_default=False,
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        min=1,
        envvar="LNBENCH_EPOCHS",
        help="Times that every image is seen, in place of --steps; the paper's are 60.",
        show_default=False,
    ),
]
TargetLoss = Annotated[
    float,
    typer.Option(
        min=1e-6, envvar="LNBENCH_TARGET_LOSS", help="Steps and seconds are counted to it."
    ),
]
Sweep = Annotated[
    str | None,
    typer.Option(
        envvar="LNBENCH_SWEEP",
        help="learning-rate or batch-size: seven of them in place of those given.",
        show_default=False,
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        envvar="LNBENCH_DATA",
        help="A folder of MNIST's IDX files, gzip or not; without it, scikit-learn's digits.",
        show_default=False,
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(
        envvar="LNBENCH_PLOT",
        help="Write the curves as a picture, .png or .svg.",
        show_default=False,
    ),
]
