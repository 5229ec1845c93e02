"""Manifests for Kubernetes, checked against the schemas of KubeRay's resources and its own, and what they refer to."""

import gzip
import json
import re
from importlib.metadata import version
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator

from pasd_batch.batch.worker.node_end import NOTICE
from pasd_batch.cli import main
from pasd_batch.config.base import load_yaml
from pasd_batch.config.run import RunSettings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy/kuberay"
JOB = yaml.safe_load((DEPLOY / "rayjob.yaml").read_text())
CRON = yaml.safe_load((DEPLOY / "raycronjob.yaml").read_text())
FETCH = yaml.safe_load((DEPLOY / "fetch-weights.yaml").read_text())
CLAIM, ACCOUNT = yaml.safe_load_all((DEPLOY / "weights.yaml").read_text())
KUBERNETES = ("1.29", "1.37")
"""The oldest that some cloud still runs, and the newest whose schemas there are."""


def closed(schema):
    """The schema with unknown fields refused, which Kubernetes drops without a word."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(value) for name, value in schema.items()}
    open_ended = {"additionalProperties", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not open_ended & schema.keys():
        inner["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        inner.pop("type", None)
    return inner


def schema(kind):
    return json.loads(gzip.decompress((Path(__file__).parent / f"kuberay/{kind}.schema.json.gz").read_bytes()))


def validator(kind):
    return Draft202012Validator(closed(schema(kind)))


def problems(kind, manifest):
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator(kind).iter_errors(manifest)]


@pytest.mark.parametrize(("kind", "manifest"), [("rayjobs", JOB), ("raycronjobs", CRON)])
def test_a_manifest_fits_the_schema_of_its_resource(kind, manifest):
    assert problems(kind, manifest) == []
    assert manifest["apiVersion"] == "ray.io/v1"


def ruled(schema, value):
    """Rules in CEL about fields that a manifest has."""
    yield from schema.get("x-kubernetes-validations", [])
    if isinstance(value, dict):
        for name in schema.get("properties", {}).keys() & value.keys():
            yield from ruled(schema["properties"][name], value[name])
    elif isinstance(value, list):
        for each in value:
            yield from ruled(schema.get("items", {}), each)


def test_rules_in_cel_are_about_fields_that_no_manifest_has():
    assert not list(ruled(schema("rayjobs"), JOB))
    assert not list(ruled(schema("raycronjobs"), CRON))
    assert list(ruled(schema("rayjobs"), {"spec": {"managedBy": "kueue.x-k8s.io/multikueue"}}))


@pytest.mark.parametrize(
    "change",
    [
        {"entrypont": "python job.py"},
        {"ttlSecondsAfterFinished": "600"},
        {"rayClusterSpec": {"headGroupSpec": {"rayStartParams": {}}}},
        {"rayClusterSpec": JOB["spec"]["rayClusterSpec"] | {"workerGroups": []}},
    ],
)
def test_the_schema_refuses_what_is_wrong(change):
    assert problems("rayjobs", JOB | {"spec": JOB["spec"] | change})


def test_the_schema_of_cron_jobs_refuses_what_is_wrong():
    assert problems("raycronjobs", CRON | {"spec": CRON["spec"] | {"scedule": "15 2 * * *"}})
    assert problems("raycronjobs", CRON | {"spec": CRON["spec"] | {"jobTemplate": {"entrypont": "python job.py"}}})


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("manifest", [FETCH, CLAIM, ACCOUNT], ids=lambda manifest: manifest["kind"])
def test_a_manifest_fits_the_schema_of_kubernetes(manifest, version):
    kubernetes_validate.validate(manifest, version, strict=True)
    for wrong in (manifest | {"spek": {}}, manifest | {"metadata": {"name": 7}}):
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, version, strict=True)


def test_the_nightly_job_is_the_job():
    assert CRON["spec"]["jobTemplate"] == JOB["spec"]
    assert len(CRON["spec"]["schedule"].split()) == 5


def groups():
    cluster = JOB["spec"]["rayClusterSpec"]
    return {"head": cluster["headGroupSpec"]} | {each["groupName"]: each for each in cluster["workerGroupSpecs"]}


def pods():
    return {name: group["template"]["spec"] for name, group in groups().items()}


def all_pods():
    return [*pods().values(), FETCH["spec"]["template"]["spec"]]


def test_the_head_is_on_demand_without_work_and_workers_with_gpus_are_on_spot():
    assert groups()["head"]["rayStartParams"]["num-cpus"] == "0"
    assert pods()["head"]["nodeSelector"] == {"karpenter.sh/capacity-type": "on-demand"}
    worker = pods()["gpu-spot"]
    assert worker["nodeSelector"] == {"karpenter.sh/capacity-type": "spot"}
    (container,) = worker["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    hook = container["lifecycle"]["preStop"]["exec"]["command"][2]
    notice, seconds = re.fullmatch(r"touch (\S+); sleep (\d+)", hook).groups()
    assert notice == NOTICE
    assert int(seconds) < worker["terminationGracePeriodSeconds"]


def test_pods_are_not_root_and_have_secrets_by_reference_alone():
    for pod in all_pods():
        assert pod["securityContext"] == {"runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 100}
        for container in pod["containers"]:
            assert container["envFrom"] == [{"secretRef": {"name": "pasd-batch", "optional": True}}]
            assert "env" not in container
            assert {mount["name"] for mount in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}


def test_what_is_referred_to_is_there():
    assert JOB["spec"]["rayClusterSpec"]["rayVersion"] == version("ray")
    for pod in all_pods():
        assert pod["serviceAccountName"] == ACCOUNT["metadata"]["name"]
        claims = [
            each["persistentVolumeClaim"]["claimName"] for each in pod["volumes"] if "persistentVolumeClaim" in each
        ]
        assert claims == [CLAIM["metadata"]["name"]]
    script, config = re.match(r"python /app/(\S+) /etc/pasd-batch/(\S+) ", JOB["spec"]["entrypoint"]).groups()
    assert (ROOT / script).exists()
    settings = RunSettings.parse(load_yaml(DEPLOY / config))
    assert settings.workers.price_per_hour.keys() <= {*groups(), "default"}
    assert settings.restoration.model.base.is_relative_to("/weights")


def test_weights_are_fetched_by_a_command_that_there_is_into_the_claim(capsys):
    (container,) = FETCH["spec"]["template"]["spec"]["containers"]
    program, *words = container["command"]
    assert program == "pasd-batch"
    assert (ROOT / words[2].removeprefix("/app/")).exists()
    assert {"name": "weights", "mountPath": words[-1]} in container["volumeMounts"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0


def test_the_operator_has_the_feature_gate_of_cron_jobs():
    values = yaml.safe_load((DEPLOY / "operator-values.yaml").read_text())
    assert values == {"featureGates": [{"name": "RayCronJob", "enabled": True}]}
