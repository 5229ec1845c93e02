"""AWS nodes for Ray's cluster launcher: spot where EC2 has them, on demand where it refuses.

Ray's own AWS provider gives up when EC2 has no spot capacity, and Ray's autoscaler (2.60) then asks for the same node
type again, for as long as it takes: a lower-priority on-demand node type is never tried. This provider asks again at
once without the spot market. `ray_cluster.yaml` names it under `provider.module`; nothing else imports it.
"""

import logging
from typing import Any

from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler.node_launch_exception import NodeLaunchException
from ray.autoscaler.tags import NODE_KIND_WORKER, TAG_RAY_NODE_KIND

MARKET = "InstanceMarketOptions"

NO_SPOT_CAPACITY = frozenset(
    {
        "InsufficientInstanceCapacity",
        "MaxSpotInstanceCountExceeded",
        "SpotMaxPriceTooLow",
        "UnfulfillableCapacity",
    }
)
"""EC2's error codes that say: not on the spot market, not now."""

_logger = logging.getLogger(__name__)


class SpotFirstNodeProvider(AWSNodeProvider):
    """Ray's AWS provider, with up to `provider.on_demand_limit` on-demand workers in place of refused spot ones."""

    def create_node(self, node_config: dict[str, Any], tags: dict[str, str], count: int) -> dict[str, Any]:
        """Start up to `count` instances.

        Raises:
            NodeLaunchException: EC2 refuses them, on demand as well, or there are as many of those as there may be.
        """
        try:
            return super().create_node(node_config, tags, count)
        except NodeLaunchException as refusal:
            if MARKET not in node_config or refusal.category not in NO_SPOT_CAPACITY:
                raise
            allowed = min(count, int(self.provider_config.get("on_demand_limit", 0)) - self._on_demand_workers())
            if allowed < 1:
                raise
            _logger.warning("no spot capacity (%s): starting %d node(s) on demand", refusal.category, allowed)
            on_demand = {key: value for key, value in node_config.items() if key != MARKET}
            return super().create_node(on_demand, tags, allowed)

    def _on_demand_workers(self) -> int:
        """This cluster's workers that are no spot instances."""
        running = self.non_terminated_nodes({TAG_RAY_NODE_KIND: NODE_KIND_WORKER})
        if not running:
            return 0
        # boto3 makes its attributes at run time
        instances = self.ec2.instances.filter(InstanceIds=running)  # pyright: ignore[reportAttributeAccessIssue]
        return sum(1 for instance in instances if instance.instance_lifecycle != "spot")
