"""What kernels of other projects promise: the contract, less what is known of them."""

import contextlib

import pytest

from lnbench.backend import UnsupportedError
from lnbench.plan.case import Direction
from lnbench.testing import BackendContract


class ThirdPartyContract(BackendContract):
    """Skipped with the backend's own words where it does not take a case."""

    @pytest.mark.parametrize("direction", Direction)
    def test_hostile_inputs_agree_with_the_reference(self, direction):
        known = self.backend.known_failings
        for dtype in self.dtypes:
            case = self._case(direction, (64, 300), dtype=dtype)
            self._routine(case).close()
            for hostile in self.mathematics.hostile(case, seed=1):
                if hostile.name not in known:
                    with contextlib.suppress(pytest.skip.Exception):
                        self._verify(hostile.case, hostile.inputs, hostile.name)

    def _routine(self, *arguments, **rest):
        try:
            return super()._routine(*arguments, **rest)
        except UnsupportedError as error:
            pytest.skip(str(error))
