"""Laws of what a user is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnbench import errors
from lnbench.errors import LnbenchError, NothingMeasuredError, UnknownNameError, suggestion

KINDS = [LnbenchError, *LnbenchError.__subclasses__()]


@pytest.mark.parametrize("kind", KINDS)
def test_exit_code_2_is_the_users_and_5_means_that_nothing_was_measured(kind):
    assert kind.exit_code == (5 if kind is NothingMeasuredError else 2)


def test_every_error_of_the_module_is_an_lnbench_error():
    found = [value for value in vars(errors).values() if isinstance(value, type)]
    assert {kind for kind in found if issubclass(kind, Exception)} == set(KINDS)


def test_an_error_is_a_sentence_and_a_hint():
    error = LnbenchError("the file is empty", "measure again")
    assert (str(error), error.message, error.hint) == (
        "the file is empty",
        "the file is empty",
        "measure again",
    )
    assert LnbenchError("the file is empty").hint == ""


def test_an_unknown_name_says_where_and_which_is_near():
    error = UnknownNameError("backend", "trtion", ["numpy", "triton"], "suites.quick[0].backend")
    assert error.message == "suites.quick[0].backend: unknown backend 'trtion'"
    assert error.hint == "did you mean 'triton'?"


def test_where_nothing_is_near_all_are_listed_in_order():
    error = UnknownNameError("backend", "cudnn", ["triton", "numpy"])
    assert error.message == "unknown backend 'cudnn'"
    assert error.hint == "known: numpy, triton"
    assert suggestion("x", []) == ""


@given(st.sampled_from(["numpy", "torch-eager", "triton"]), st.integers(0, 4))
def test_one_letter_left_out_is_forgiven(name, place):
    known = ["numpy", "torch-eager", "triton"]
    assert suggestion(name[:place] + name[place + 1 :], known) == f"did you mean '{name}'?"
