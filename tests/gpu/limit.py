"""Whether any row of a report is shown faster than the copy on a cold set larger than the cache.

    python tests/gpu/limit.py REPORT…

Such a row is an error of measuring, and no record. A device's copy is no hard ceiling (memcpy gets
3.0 of an H100's 3.35 TB/s), so only an interval that lies wholly above 103 % counts. Exits with 1
where there is one, and with 2 where no row could be looked at: then nothing is shown.
"""

import sys
from pathlib import Path

from lnbench.judge.regime import cache_bytes
from lnbench.judge.summary import rows
from lnbench.plan.case import Cache
from lnbench.record import report

ABOVE = 1.03


def main() -> int:
    """Print each row that is above the limit, and how many were looked at."""
    looked_at = above = 0
    for path in map(Path, sys.argv[1:]):
        found = report.read(path)
        for row in rows(found):
            cold = row.benchmark.case.options.cache is Cache.COLD
            share = row.share_of_copy
            if not cold or share is None or not share.low:  # too few passes for an interval
                continue
            if row.outcome.work.bytes_moved <= cache_bytes(row.outcome, found.environment):
                continue
            looked_at += 1
            if share.low > ABOVE:
                above += 1
                print(f"{path.name}: {row.benchmark.id}: {share.low:.1%} of copy at least")
    print(f"{looked_at} cold rows larger than the cache, {above} above the copy")
    return int(above > 0) if looked_at else 2


if __name__ == "__main__":
    sys.exit(main())
