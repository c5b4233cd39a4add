"""The files under deploy/ are valid for the parsers and schemas of their tools; no container engine runs here.

Beyond their form, they must agree with the product and with one another: settings that exist, metrics that are
exported, ports, names and folders that meet.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import promql_parser
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from dockerfile_parse import DockerfileParser

from ingest.service.counters import Counters
from ingest.service.metrics import CountersCollector
from ingest.settings.ingest import IngestSettings
from journeys.settings import TABLES, LakeSettings, Settings
from reports.settings import ReportSettings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
KUBERNETES_VERSION = "1.34"
CUSTOM = {"ScaledObject", "TriggerAuthentication", "Kustomization"}
SECTIONS = {"LAKE": LakeSettings, "INGEST": IngestSettings, "REPORT": ReportSettings}
METRICS_PORT = 9108


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(KUBERNETES.glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            yield f"{file.name}: {document['kind']}", document


def manifest(kind: str) -> dict[str, Any]:
    return next(document for _, document in documents() if document["kind"] == kind)


def consumer() -> dict[str, Any]:
    """The pod that the Deployment makes."""
    pod: dict[str, Any] = manifest("Deployment")["spec"]["template"]["spec"]
    return pod


def assert_names_a_setting(variable: str) -> None:
    """`JOURNEYS_INGEST__HTTP_PORT` must be a key of `[ingest]`; the command's own variables have no section."""
    if variable == "JOURNEYS_CONFIG":
        return
    section, *keys = variable.removeprefix("JOURNEYS_").split("__")
    model: Any = SECTIONS[section]
    for key in keys:
        assert key.lower() in model.model_fields, f"{variable} overrides nothing"
        model = model.model_fields[key.lower()].annotation


def ours(environment: Any) -> list[str]:
    return [name for name in environment if name.startswith("JOURNEYS_")]


@pytest.fixture(scope="module")
def dockerfile(tmp_path_factory: pytest.TempPathFactory) -> DockerfileParser:
    parser = DockerfileParser(path=str(tmp_path_factory.mktemp("image")))
    parser.content = (DEPLOY / "Dockerfile").read_text()
    return parser


def last_stage(dockerfile: DockerfileParser) -> dict[str, str]:
    """The last value of every instruction of the image that is shipped."""
    stages = [number for number, step in enumerate(dockerfile.structure) if step["instruction"] == "FROM"]
    return {step["instruction"]: step["value"] for step in dockerfile.structure[stages[-1] :]}


def test_the_image_runs_without_rights(dockerfile: DockerfileParser) -> None:
    shipped = last_stage(dockerfile)
    user, _, group = shipped["USER"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert json.loads(shipped["ENTRYPOINT"]) == ["journeys"]
    assert shipped["STOPSIGNAL"] == "SIGTERM"


def test_the_image_is_built_from_pinned_images_and_all_our_packages(dockerfile: DockerfileParser) -> None:
    assert all(":" in image and not image.endswith(":latest") for image in dockerfile.parent_images)
    copied = [
        word
        for step in dockerfile.structure
        if step["instruction"] == "COPY" and "--from" not in step["value"]
        for word in step["value"].split()[:-1]
    ]
    assert all((ROOT / path).exists() for path in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]) <= set(copied)
    kept = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert {f"!{path}" for path in copied} <= set(kept)


def test_the_image_serves_the_port_that_its_health_check_asks(dockerfile: DockerfileParser) -> None:
    shipped = last_stage(dockerfile)
    assert int(shipped["EXPOSE"]) == METRICS_PORT
    assert f":{METRICS_PORT}/healthz" in shipped["HEALTHCHECK"]
    environment = dockerfile.envs
    assert environment["JOURNEYS_INGEST__HTTP_PORT"] == str(METRICS_PORT)
    for variable in ours(environment):
        assert_names_a_setting(variable)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded


def test_compose_keeps_its_specification(compose: dict[str, Any]) -> None:
    jsonschema.validate(compose, get_builtin_schema("vendor.compose-spec"))
    for name, service in compose["services"].items():
        assert set(service.get("depends_on", [])) <= compose["services"].keys(), name
        for variable in ours(service.get("environment", {})):
            assert_names_a_setting(variable)


def test_compose_mounts_files_that_exist(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.removeprefix("${JOURNEYS_TOML:-").split("}" if "}" in volume else ":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).is_file(), volume
            else:
                assert source in compose["volumes"], volume


def test_compose_runs_the_broker_that_the_tests_ran(compose: dict[str, Any]) -> None:
    pinned = (ROOT / "tests" / "services" / "pom.xml").read_text()
    version = compose["services"]["kafka"]["image"].removeprefix("apache/kafka:")
    assert f"<artifactId>kafka_2.13</artifactId>\n      <version>{version}</version>" in pinned


@pytest.mark.parametrize(("name", "document"), list(documents()), ids=[name for name, _ in documents()])
def test_manifests_keep_kubernetes_own_schema(name: str, document: dict[str, Any]) -> None:
    if document["kind"] not in CUSTOM:
        kubernetes_validate.validate(document, KUBERNETES_VERSION, strict=True)


def test_the_kustomization_lists_every_manifest() -> None:
    listed = manifest("Kustomization")
    files = {file.name for file in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(listed["resources"]) == files
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert listed["images"] == [{"name": "journeys", "newTag": project["version"]}]


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The configuration as a consumer on Kubernetes reads it."""
    for variable in consumer()["containers"][0]["env"]:
        monkeypatch.setenv(variable["name"], "from the secret")
    file = tmp_path / "journeys.toml"
    file.write_text(manifest("ConfigMap")["data"]["journeys.toml"])
    return Settings(file)


def test_the_config_map_is_a_configuration_that_the_product_takes(configured: Settings) -> None:
    assert configured.ingest.streams and configured.paths.goal and configured.report.title
    mounts = {mount["mountPath"] for mount in consumer()["containers"][0]["volumeMounts"]}
    assert configured.lake.address in mounts
    assert set(configured.file.data) <= set(TABLES)


def test_consumers_have_no_rights_and_time_to_stop() -> None:
    pod = consumer()
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["terminationGracePeriodSeconds"] > IngestSettings().stop_timeout.total_seconds()


def test_probes_ask_what_the_consumer_serves() -> None:
    container = consumer()["containers"][0]
    assert container["ports"] == [{"name": "metrics", "containerPort": METRICS_PORT}]
    asked = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe: get["path"] for probe, get in asked.items()} == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    assert {get["port"] for get in asked.values()} == {"metrics"}


def test_what_selects_the_consumers_selects_them() -> None:
    labels = manifest("Deployment")["spec"]["template"]["metadata"]["labels"].items()
    assert manifest("Deployment")["spec"]["selector"]["matchLabels"].items() <= labels
    assert manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"].items() <= labels
    assert manifest("Service")["spec"]["selector"].items() <= labels


def test_the_scaler_follows_the_lag_of_our_group(configured: Settings) -> None:
    scaler = manifest("ScaledObject")["spec"]
    ingest = configured.ingest
    assert scaler["scaleTargetRef"]["name"] == manifest("Deployment")["metadata"]["name"]
    assert "replicas" not in manifest("Deployment")["spec"]
    [trigger] = scaler["triggers"]
    assert trigger["type"] == "kafka"
    assert trigger["metadata"]["consumerGroup"] == ingest.group
    assert trigger["metadata"]["bootstrapServers"].split(",") == ingest.brokers
    assert all(isinstance(value, str) for value in trigger["metadata"].values())
    mechanism = str(ingest.security.mechanism).lower().replace("-", "_").replace("sha_", "sha")
    assert trigger["metadata"]["sasl"] == mechanism
    assert (trigger["metadata"]["tls"] == "enable") == ingest.security.uses_tls
    assert trigger["authenticationRef"]["name"] == manifest("TriggerAuthentication")["metadata"]["name"]


def test_the_login_completes_the_configuration(configured: Settings) -> None:
    container, security = consumer()["containers"][0], configured.ingest.security
    for variable in container["env"]:
        assert_names_a_setting(variable["name"])
    assert security.login() == ("from the secret", "from the secret")
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    [volume] = [volume for volume in consumer()["volumes"] if "secret" in volume]
    [file] = volume["secret"]["items"]
    assert security.ca == f"{mounts[volume['name']]}/{file['path']}"
    used = {tuple(variable["valueFrom"]["secretKeyRef"].values()) for variable in container["env"]}
    references = manifest("TriggerAuthentication")["spec"]["secretTargetRef"]
    assert used | {(volume["secret"]["secretName"], file["key"])} == {(ref["name"], ref["key"]) for ref in references}


def test_claims_are_the_ones_that_are_named_and_no_secret_is_kept_here() -> None:
    claim = manifest("PersistentVolumeClaim")["metadata"]["name"]
    job = manifest("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    for pod in (consumer(), job):
        claims = [v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v]
        assert claims == [claim]
    assert not any("kind: Secret\n" in file.read_text() for file in KUBERNETES.glob("*.yaml"))


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DEPLOY / "grafana" / "landing.json").read_text())
    return loaded


def queries() -> Iterator[tuple[str, str]]:
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m").replace("$job", ".*")
    for group in yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def metrics(query: str) -> set[str]:
    """The names of the metrics that a query reads. Raises ValueError for what is not PromQL."""
    named: set[str] = set()

    def note(part: object) -> bool:
        if isinstance(part, promql_parser.VectorSelector) and part.name:
            named.add(part.name)
        return True

    promql_parser.walk(promql_parser.parse(query), note)
    return named


def exported() -> set[str]:
    """The names of the samples that `/metrics` shows."""
    samples = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {
        family.name + ending for family in CountersCollector(Counters()).collect() for ending in samples[family.type]
    }


@pytest.mark.parametrize("query", [pytest.param(query, id=title) for title, query in queries()])
def test_queries_are_promql_over_metrics_that_we_export(query: str) -> None:
    assert metrics(query)
    assert metrics(query) <= exported()


def test_the_dashboards_panels_do_not_overlap() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_alert_says_what_to_do() -> None:
    rules = [
        rule for group in yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
    ]
    assert rules
    for rule in rules:
        assert {"summary", "action"} == rule["annotations"].keys()
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_prometheus_and_grafana_find_what_compose_mounts(compose: dict[str, Any]) -> None:
    scraped = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text())
    [job] = scraped["scrape_configs"]
    assert job["dns_sd_configs"][0]["port"] == METRICS_PORT
    assert set(job["dns_sd_configs"][0]["names"]) <= compose["services"].keys()
    assert scraped["rule_files"] == ["alerts.yaml"]
    source = yaml.safe_load((DEPLOY / "grafana" / "datasources.yaml").read_text())["datasources"][0]
    variable = next(entry for entry in dashboard()["templating"]["list"] if entry["type"] == "datasource")
    assert source["uid"] == variable["current"]["value"]
    folder = yaml.safe_load((DEPLOY / "grafana" / "dashboards.yaml").read_text())["providers"][0]["options"]["path"]
    assert any(volume.split(":")[1].startswith(folder) for volume in compose["services"]["grafana"]["volumes"])
