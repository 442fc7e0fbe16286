"""Start the balancer: `python -m ampherd_balancer`."""

from __future__ import annotations

import os

from ampherd_core.service import start

from ampherd_balancer.service import BalancerService

if __name__ == "__main__":
    start(BalancerService, os.environ.get("AMPHERD_INSTANCE", "balancer"))
