"""The cluster of `ray_cluster.yaml` on a real EC2 API (moto's server) that runs out of spot instances."""

import copy
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer
from ray.autoscaler._private.commands import _bootstrap_config
from ray.autoscaler.node_launch_exception import NodeLaunchException
from ray.autoscaler.tags import (
    NODE_KIND_WORKER,
    STATUS_UNINITIALIZED,
    TAG_RAY_LAUNCH_CONFIG,
    TAG_RAY_NODE_KIND,
    TAG_RAY_NODE_NAME,
    TAG_RAY_NODE_STATUS,
    TAG_RAY_USER_NODE_TYPE,
)

from pasd_batch.cluster.spot_nodes import SpotFirstNodeProvider

ROOT = Path(__file__).parents[2]


class Ec2:
    """moto's server, which refuses instances with the EC2 error code that `refuse` gives for a request's market."""

    def __init__(self) -> None:
        self.refuse: dict[str, str] = {}
        self.asked: list[tuple[str, int]] = []
        self._moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._moto.start()
        server = self._moto._server
        self._app, server.app = server.app, self._serve
        self.url = f"http://127.0.0.1:{self._moto.get_host_and_port()[1]}"

    def stop(self) -> None:
        self._moto.stop()

    def _serve(self, environ: dict, start_response: Any) -> Any:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        request = parse_qs(body.decode(errors="replace"))
        if request.get("Action") == ["RunInstances"]:
            market = request.get("InstanceMarketOptions.MarketType", ["on-demand"])[0]
            self.asked.append((market, int(request["MaxCount"][0])))
            if market in self.refuse:
                start_response("500 Refused", [("Content-Type", "text/xml")])
                code = self.refuse[market]
                return [
                    f"<Response><Errors><Error><Code>{code}</Code><Message>none left</Message></Error></Errors>"
                    "<RequestID>1</RequestID></Response>".encode()
                ]
        return self._app(environ, start_response)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ec2]:
    """The server, with the environment pointing at it and a home for the key pair that `ray up` makes."""
    home = tmp_path_factory.mktemp("home")
    (home / ".ssh").mkdir()
    server = Ec2()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", server.url)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-west-2")
        patch.setenv("HOME", str(home))
        boto3.client("iam").create_instance_profile(InstanceProfileName="pasd-batch")
        yield server
    server.stop()


@pytest.fixture(scope="module")
def resolved(server: Ec2) -> dict[str, Any]:
    """The cluster's configuration as `ray up` resolves it: with subnets, key pair and security groups."""
    config = yaml.safe_load((ROOT / "ray_cluster.yaml").read_text())
    image = boto3.client("ec2").describe_images()["Images"][0]["ImageId"]
    for kind in config["available_node_types"].values():
        kind["node_config"]["ImageId"] = image
    return _bootstrap_config({**config, "file_mounts": {}}, no_config_cache=True)


@pytest.fixture
def ec2(server: Ec2) -> Iterator[Ec2]:
    server.asked.clear()
    yield server
    server.refuse = {}


@pytest.fixture
def config(resolved: dict[str, Any], request: pytest.FixtureRequest) -> dict[str, Any]:
    """A cluster of the test's own."""
    return copy.deepcopy(resolved) | {"cluster_name": request.node.name}


def start(provider: SpotFirstNodeProvider, config: dict[str, Any], count: int) -> dict[str, Any]:
    tags = {
        TAG_RAY_NODE_KIND: NODE_KIND_WORKER,
        TAG_RAY_NODE_NAME: "worker",
        TAG_RAY_NODE_STATUS: STATUS_UNINITIALIZED,
        TAG_RAY_LAUNCH_CONFIG: "hash",
        TAG_RAY_USER_NODE_TYPE: "gpu_spot",
    }
    node_config = copy.deepcopy(config["available_node_types"]["gpu_spot"]["node_config"])
    return provider.create_node_with_resources_and_labels(node_config, tags, count, {}, {}) or {}


def test_spot_is_taken_while_there_is_any_and_on_demand_when_it_is_refused(ec2, config):
    # moto starts the least number that a request allows, which is one
    provider = SpotFirstNodeProvider(config["provider"], config["cluster_name"])
    start(provider, config, 2)
    assert ec2.asked == [("spot", 2)]

    ec2.refuse = {"spot": "InsufficientInstanceCapacity"}
    ec2.asked.clear()
    start(provider, config, 3)
    assert ec2.asked[-1] == ("on-demand", 3)
    assert {market for market, _ in ec2.asked[:-1]} == {"spot"}
    start(provider, config, 10)
    limit = config["provider"]["on_demand_limit"]
    assert ec2.asked[-1] == ("on-demand", limit - 1)
    for _ in range(limit - 2):
        start(provider, config, 1)
    assert len(provider.non_terminated_nodes({TAG_RAY_USER_NODE_TYPE: "gpu_spot"})) == 1 + limit

    ec2.asked.clear()
    with pytest.raises(NodeLaunchException, match="InsufficientInstanceCapacity"):
        start(provider, config, 1)
    assert {market for market, _ in ec2.asked} == {"spot"}
    ec2.refuse = {}
    assert len(start(provider, config, 1)) == 1


def test_other_refusals_are_not_answered_with_money(ec2, config):
    provider = SpotFirstNodeProvider(config["provider"], config["cluster_name"])
    ec2.refuse = {"spot": "UnauthorizedOperation"}
    with pytest.raises(NodeLaunchException, match="UnauthorizedOperation"):
        start(provider, config, 1)
    assert {market for market, _ in ec2.asked} == {"spot"}


def test_both_markets_can_be_empty(ec2, config):
    provider = SpotFirstNodeProvider(config["provider"], config["cluster_name"])
    ec2.refuse = dict.fromkeys(["spot", "on-demand"], "InsufficientInstanceCapacity")
    with pytest.raises(NodeLaunchException, match="InsufficientInstanceCapacity"):
        start(provider, config, 1)
    assert ec2.asked[-1][0] == "on-demand"
