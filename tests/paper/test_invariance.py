"""Table 1 of the paper, and that a wrong normalization is seen."""

import numpy as np
import pytest

from lnbench.paper.invariance import EXACT, NORMALIZATIONS, TRANSFORMATIONS, table


@pytest.mark.parametrize("seed", range(5))
def test_all_eighteen_cells_agree_with_the_paper(seed):
    cells = table(seed=seed)
    assert len(cells) == 18
    assert [cell for cell in cells if not cell.agrees] == []


def test_what_changes_changes_by_far_more_than_rounding():
    for cell in table():
        assert cell.max_change < EXACT / 100 or cell.max_change > 1e3 * EXACT, cell


def test_rms_in_place_of_layer_normalization_disagrees_where_the_mean_matters():
    def rms(x, w, eps):
        a = x @ w.T
        return a / np.sqrt((a * a).mean(axis=1, keepdims=True) + eps)

    cells = table(normalizations={**NORMALIZATIONS, "layer": rms})
    wrong = {(cell.normalization, cell.transformation) for cell in cells if not cell.agrees}
    assert wrong == {("layer", "weight-matrix-recentre")}


def test_batch_statistics_in_place_of_layer_normalization_disagree():
    cells = table(normalizations={"layer": NORMALIZATIONS["batch"]})
    wrong = {cell.transformation for cell in cells if not cell.agrees}
    assert wrong == {
        "weight-matrix-recentre", "weight-vector-rescale", "dataset-recentre", "single-case-rescale"
    }  # fmt: skip


@pytest.mark.parametrize("seed", [0, 33, 125])
@pytest.mark.parametrize("eps", [1e-8, 1e-5, 1e-3])
def test_eps_breaks_the_exact_invariance_under_scaling_and_no_more(eps, seed):
    for cell in table(eps, seed):
        assert cell.agrees, cell
        if cell.paper and "rescale" in cell.transformation:
            assert EXACT < cell.max_change <= 100 * eps + EXACT, cell
        elif cell.paper:
            assert cell.max_change <= EXACT, cell


def test_the_table_has_the_names_of_the_contract():
    assert list(NORMALIZATIONS) == ["batch", "weight", "layer"]
    assert list(TRANSFORMATIONS) == [
        "weight-matrix-rescale",
        "weight-matrix-recentre",
        "weight-vector-rescale",
        "dataset-rescale",
        "dataset-recentre",
        "single-case-rescale",
    ]
