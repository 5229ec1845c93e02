"""`ray_cluster.yaml`: Ray's own validation, what Ray's misses, and which nodes Ray's scheduler would start from it."""

import copy
import os
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import botocore.session
import botocore.validate
import pytest
import yaml
from ray.autoscaler._private.providers import _get_node_provider_cls
from ray.autoscaler._private.util import prepare_config, validate_config

from pasd_batch.cluster.spot_nodes import SpotFirstNodeProvider

ROOT = Path(__file__).parent.parent
NOT_EC2 = {"SubnetIds"}
"""Keys of a node_config that Ray takes for itself."""


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "ray_cluster.yaml").read_text())


@pytest.fixture(scope="module")
def run_instances() -> Any:
    """EC2's own description of what an instance can be asked for, as botocore ships it."""
    model = botocore.session.Session().get_service_model("ec2", api_version="2016-11-15")
    return model.operation_model("RunInstances").input_shape


def problems(config: dict[str, Any], run_instances: Any) -> list[str]:
    """What is wrong with a cluster that Ray's validation lets through."""
    found = []
    for name, node_type in config["available_node_types"].items():
        least, most = node_type.get("min_workers", 0), node_type.get("max_workers", config["max_workers"])
        if least > most:
            found.append(f"{name}: min_workers {least} is above max_workers {most}")
        if most > config["max_workers"]:
            found.append(f"{name}: max_workers {most} is above the cluster's {config['max_workers']}")
        node = {key: value for key, value in node_type["node_config"].items() if key not in NOT_EC2}
        report = botocore.validate.ParamValidator().validate({**node, "MinCount": 1, "MaxCount": 1}, run_instances)
        if report.has_errors():
            found.append(f"{name}: {report.generate_report()}")
    return found


def test_ray_accepts_it(config):
    prepared = prepare_config(copy.deepcopy(config))
    validate_config(prepared)
    assert prepared["head_node_type"] == "head"
    assert any("constraints.txt" in command for command in prepared["worker_setup_commands"])


def test_nodes_install_the_wheel_that_is_mounted_with_its_constraints(config, tmp_path, monkeypatch):
    """The set-up command in a shell, with a pip that says what it is asked for."""
    (folder,) = config["file_mounts"]
    (tmp_path / "pasd_batch-0.1.0-py3-none-any.whl").touch()
    (tmp_path / "pip").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "pip").chmod(0o755)
    (command,) = config["setup_commands"]
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    done = subprocess.run(
        ["bash", "-c", command.replace(folder, str(tmp_path))], capture_output=True, text=True, check=True
    )
    wheel, constraints = f"{tmp_path}/pasd_batch-0.1.0-py3-none-any.whl[metrics]", f"{tmp_path}/constraints.txt"
    assert done.stdout.splitlines() == ["install", "--constraint", constraints, wheel, "boto3"]


def test_nothing_is_wrong_that_ray_does_not_look_for(config, run_instances):
    assert problems(config, run_instances) == []


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("head", "min_workers"), 1, "head: min_workers 1 is above max_workers 0"),
        (("gpu_spot", "max_workers"), 99, "max_workers 99 is above the cluster's 16"),
        (("head", "node_config", "InstanceTyp"), "m7i.large", 'Unknown parameter in input: "InstanceTyp"'),
        (("gpu_spot", "node_config", "InstanceMarketOptions", "Market"), "spot", '"Market"'),
        (("gpu_spot", "node_config", "BlockDeviceMappings", 0, "Ebs", "Size"), 1, '"Size"'),
        (("head", "node_config", "InstanceType"), 7, "Invalid type for parameter InstanceType"),
    ],
)
def test_mistakes_that_ray_misses_are_found(config, run_instances, path, value, told):
    broken = copy.deepcopy(config)
    target = broken["available_node_types"]
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    validate_config(prepare_config(copy.deepcopy(broken)))
    assert told in "\n".join(problems(broken, run_instances))


def test_the_head_does_no_work_and_runs_on_demand_and_workers_are_spot_first(config):
    types = config["available_node_types"]
    assert types["head"]["resources"] == {"CPU": 0}
    assert types["head"]["max_workers"] == 0
    spot = {name for name, kind in types.items() if "InstanceMarketOptions" in kind["node_config"]}
    assert spot == {"gpu_spot"}
    assert types["gpu_spot"]["node_config"]["InstanceMarketOptions"]["MarketType"] == "spot"
    assert types["gpu_spot"]["min_workers"] == 0
    assert 0 < config["provider"]["on_demand_limit"] <= types["gpu_spot"]["max_workers"]
    assert _get_node_provider_cls(config["provider"]) is SpotFirstNodeProvider


def test_the_image_has_the_ray_that_is_tested(config):
    for image in (config["docker"]["head_image"], config["docker"]["worker_image"]):
        assert image.startswith(f"rayproject/ray:{version('ray')}-py311")


@pytest.mark.parametrize(
    ("needs", "count", "started"),
    [
        ({"GPU": 1, "CPU": 3}, 1, 1),
        ({"GPU": 1, "CPU": 3}, 16, 16),
        ({"GPU": 1, "CPU": 3}, 99, 16),
        ({"CPU": 1}, 4, 1),  # planning: with no work on the head, it needs a worker too
    ],
)
def test_rays_scheduler_starts_workers_up_to_the_limit(config, needs, count, started, tmp_path):
    from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
    from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
    from ray.autoscaler.v2.utils import ResourceRequestUtil
    from ray.core.generated.autoscaler_pb2 import ResourceRequestByCount

    mounts = {remote: str(tmp_path) for remote in config["file_mounts"]}
    read = AutoscalingConfig(prepare_config(copy.deepcopy({**config, "file_mounts": mounts})))
    demand = ResourceRequestByCount(request=ResourceRequestUtil.make(needs), count=count)
    reply = ResourceDemandScheduler(event_logger=None).schedule(
        SchedulingRequest(
            disable_launch_config_check=True,
            node_type_configs=read.get_node_type_configs(),
            max_num_nodes=read.get_max_num_nodes(),
            resource_requests=[demand],
        )
    )
    assert {launch.instance_type: launch.count for launch in reply.to_launch} == {"gpu_spot": started}
