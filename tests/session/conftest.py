"""Sessions of cases and of pairs, without a command line."""

import itertools

import pytest

from lnbench.session import session
from lnbench.session.group import SIDES, Planned
from lnbench.session.stopping import PairStopping, RowStopping
from lnbench.workers.launcher import Interpreter, spawns

HERE = {"spawn": spawns(None)}
"""As a session of this system is run; a test may say otherwise."""


@pytest.fixture
def cases(environment):
    """Return a session of benchmarks, those of one case beside each other, that may stop early."""

    def begun(rows, setting, stop=lambda times_s, budget: False, variables=environment, **options):
        groups = [
            tuple(map(Planned, group))
            for _, group in itertools.groupby(rows, key=lambda row: row.case)
        ]
        stopping = RowStopping(stop, setting.budget)
        return session.run(
            groups, {"": Interpreter(variables)}, setting, stopping, **HERE | options
        )

    return begun


@pytest.fixture
def pairs(environment):
    """Return a session of pairs of benchmarks in one interpreter, looked at now and then."""

    def begun(rows, setting, looks, decide=lambda *_: False, **options):
        own = Interpreter(environment)
        groups = [tuple(map(Planned, pair, SIDES)) for pair in rows]
        interpreters = dict.fromkeys(("", *SIDES), own)
        stopping = PairStopping(decide, looks, setting.budget)
        return session.run(groups, interpreters, setting, stopping, **HERE | options)

    return begun
