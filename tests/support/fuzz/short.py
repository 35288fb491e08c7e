"""One small round over all targets, in a process of its own: ``python -m support.fuzz.short DIR``.

Libraries with threads (hotcoco, OpenVINO) wait for ever in a process that is forked of one which
has used them, as a process of tests has.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from support.attack import Clock
from support.fuzz.campaign import Campaign
from support.fuzz.targets import all_targets

SHARE = 20  # of a target's batch


def main(findings: Path) -> int:
    """The same inputs each time; says what was found, and which target was given nothing."""
    small = [replace(one, batch=max(one.batch // SHARE, 3)) for one in all_targets()]
    campaign = Campaign(small, seed=0, findings=findings)
    campaign.round(Clock(600))
    idle = [one.target.name for one in campaign.subjects if not one.executions]
    for line in [*campaign.faults.values(), *(f"{name}: nothing was tried" for name in idle)]:
        print(line)
    return bool(campaign.faults or idle)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
