"""Where a fine-tuning job can go: what each host asks of a call, and whether a file may go there.

`contracts` reads the hosts from data/hosts.json, `preflight` tells without credentials what will
happen to a file, `requests` shows the HTTP request that the host's own client would send. `azure`
deploys what Azure has tuned.
"""

from workbook.hosts.contracts import Contract, End, contract, contracts, ends
from workbook.hosts.preflight import Settings, method_of, preflight
from workbook.hosts.requests import dry_run

__all__ = [
    "Contract",
    "End",
    "Settings",
    "contract",
    "contracts",
    "dry_run",
    "ends",
    "method_of",
    "preflight",
]
