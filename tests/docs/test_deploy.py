"""The files under deploy/ are valid for the parsers and schemas of their tools; no container engine runs here.

Beyond their form, they must agree with the product and with one another: settings that exist, metrics that are
exported, ports, names and folders that meet.
"""

from __future__ import annotations

import json
import operator
import re
import shutil
import subprocess
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
CUSTOM = {"ScaledObject", "TriggerAuthentication", "Kustomization", "Component", "ServiceMonitor"}
SECTIONS = {"LAKE": LakeSettings, "INGEST": IngestSettings, "REPORT": ReportSettings}
METRICS_PORT = 9108


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(KUBERNETES.rglob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            yield f"{file.relative_to(KUBERNETES)}: {document['kind']} {named(document)}", document


def named(document: dict[str, Any]) -> str:
    return str(document.get("metadata", {}).get("name", ""))


def manifests(kind: str) -> list[dict[str, Any]]:
    return [document for _, document in documents() if document["kind"] == kind]


def manifest(kind: str, name: str = "") -> dict[str, Any]:
    return next(document for document in manifests(kind) if not name or named(document) == name)


def pods() -> dict[str, dict[str, Any]]:
    """Every pod that the manifests make, by the name of what makes it."""
    jobs = {named(job): job["spec"]["jobTemplate"]["spec"]["template"] for job in manifests("CronJob")}
    return jobs | {named(it): it["spec"]["template"] for it in manifests("Deployment")}


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


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


def test_compose_bounds_checks_and_confines_every_service(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        ours = service["image"] == "journeys"
        assert "healthcheck" in service or ours, name  # the image of Journeys has its own
        assert service.get("read_only") or service["image"].startswith("apache/kafka"), name


def test_compose_runs_the_broker_that_the_tests_ran(compose: dict[str, Any]) -> None:
    pinned = (ROOT / "tests" / "services" / "pom.xml").read_text()
    version = compose["services"]["kafka"]["image"].removeprefix("apache/kafka:").partition("@")[0]
    assert f"<artifactId>kafka_2.13</artifactId>\n      <version>{version}</version>" in pinned


@pytest.mark.parametrize(("name", "document"), list(documents()), ids=[name for name, _ in documents()])
def test_manifests_keep_kubernetes_own_schema(name: str, document: dict[str, Any]) -> None:
    if document["kind"] not in CUSTOM:
        kubernetes_validate.validate(document, KUBERNETES_VERSION, strict=True)


def test_each_kustomization_lists_every_manifest_beside_it() -> None:
    for file in KUBERNETES.rglob("kustomization.yaml"):
        beside = {each.name for each in file.parent.glob("*.yaml")} - {"kustomization.yaml"}
        assert set(yaml.safe_load(file.read_text())["resources"]) == beside
    listed = manifest("Kustomization")
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


def built(folder: Path, *components: str) -> list[dict[str, Any]]:
    """What `kubectl apply -k` would apply, with components of the kustomization turned on."""
    if (kubectl := shutil.which("kubectl")) is None:
        pytest.skip("kubectl is not installed")
    shutil.copytree(KUBERNETES, folder)
    file = folder / "kustomization.yaml"
    text = file.read_text()
    assert "\n# components: [keda, prometheus]\n" in text
    file.write_text(text.replace("# components: [keda, prometheus]", f"components: [{', '.join(components)}]"))
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize("components", [(), ("keda",), ("prometheus",), ("keda", "prometheus")])
def test_kustomize_builds_the_manifests_with_and_without_components(tmp_path: Path, components: tuple[str]) -> None:
    applied = built(tmp_path / "k", *components)
    for document in applied:
        if document["kind"] not in CUSTOM:
            kubernetes_validate.validate(document, KUBERNETES_VERSION, strict=True)
    kinds = {document["kind"] for document in applied}
    assert ("ScaledObject" in kinds, "ServiceMonitor" in kinds) == ("keda" in components, "prometheus" in components)
    [deployment] = [document for document in applied if document["kind"] == "Deployment"]
    assert deployment["spec"].get("replicas") == (None if "keda" in components else 2)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {container["image"] for container in containers(deployment["spec"]["template"])} == {f"journeys:{version}"}


@pytest.mark.parametrize("name", pods())
def test_pods_have_no_rights_and_bounded_resources(name: str) -> None:
    pod = pods()[name]["spec"]
    account = manifest("ServiceAccount")
    assert pod["serviceAccountName"] == named(account)
    assert account["automountServiceAccountToken"] is pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert all(volume["emptyDir"]["sizeLimit"] for volume in pod["volumes"] if "emptyDir" in volume)
    for container in containers(pods()[name]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() == container["resources"]["limits"].keys() == {"cpu", "memory"}


def test_consumers_have_time_to_stop() -> None:
    assert consumer()["terminationGracePeriodSeconds"] > IngestSettings().stop_timeout.total_seconds()


def test_jobs_run_the_commands_one_at_a_time_and_end() -> None:
    asked = {tuple(each["args"]) for job in manifests("CronJob") for each in containers(pods()[named(job)])}
    assert asked == {("stitch",), ("report",), ("check",), ("maintain",)}
    for job in manifests("CronJob"):
        spec = job["spec"]
        assert spec["concurrencyPolicy"] == "Forbid"
        assert spec["startingDeadlineSeconds"] and spec["jobTemplate"]["spec"]["activeDeadlineSeconds"]
        assert {"successfulJobsHistoryLimit", "failedJobsHistoryLimit"} <= spec.keys()


def test_a_job_maintains_the_tables_since_the_consumers_do_not(configured: Settings) -> None:
    assert configured.ingest.maintenance.every is None


@pytest.mark.parametrize("name", pods())
def test_every_pod_is_selected_by_one_network_policy_for_both_directions(name: str) -> None:
    labels = pods()[name]["metadata"]["labels"]

    def selects(policy: dict[str, Any]) -> bool:
        selector = policy["spec"]["podSelector"]
        listed = all(labels.get(it["key"]) in it["values"] for it in selector.get("matchExpressions", []))
        return bool(selector["matchLabels"].items() <= labels.items() and listed)

    [policy] = [policy for policy in manifests("NetworkPolicy") if selects(policy)]
    assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    opened = {port["port"] for rule in policy["spec"].get("ingress", []) for port in rule["ports"]}
    assert opened == {port["name"] for each in containers(pods()[name]) for port in each.get("ports", [])}


def test_the_network_policy_lets_consumers_reach_their_brokers(configured: Settings) -> None:
    egress = manifest("NetworkPolicy", "journeys-ingest")["spec"]["egress"]
    ports = {port["port"] for rule in egress for port in rule["ports"]}
    assert {int(broker.rpartition(":")[2]) for broker in configured.ingest.brokers} <= ports


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
    monitor = manifest("ServiceMonitor")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= manifest("Service")["metadata"]["labels"].items()
    assert {each["port"] for each in monitor["endpoints"]} == {
        port["name"] for port in manifest("Service")["spec"]["ports"]
    }


def test_the_scaler_follows_the_lag_of_our_group(configured: Settings) -> None:
    scaler = manifest("ScaledObject")["spec"]
    ingest = configured.ingest
    assert scaler["scaleTargetRef"]["name"] == manifest("Deployment")["metadata"]["name"]
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
    for pod in pods().values():
        volumes = pod["spec"]["volumes"]
        claims = [v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v]
        assert claims == [claim]
    assert manifests("Secret") == []


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


SAMPLES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def families() -> Iterator[Any]:
    return iter(CountersCollector(Counters()).collect())


def exported() -> set[str]:
    """The names of the samples that `/metrics` shows."""
    return {family.name + ending for family in families() for ending in SAMPLES[family.type]}


@pytest.mark.parametrize("query", [pytest.param(query, id=title) for title, query in queries()])
def test_queries_are_promql_over_metrics_that_we_export(query: str) -> None:
    assert metrics(query)
    assert metrics(query) <= exported()


def test_every_metric_that_is_exported_is_drawn_alerted_on_or_explained() -> None:
    used = set().union(*(metrics(query) for _, query in queries()))
    pages = "\n".join(file.read_text() for file in (ROOT / "docs").glob("*.md"))
    names = {family.name: {family.name + ending for ending in SAMPLES[family.type]} for family in families()}
    assert [name for name, samples in names.items() if not samples & used and not re.search(rf"\b{name}", pages)] == []


def alerting(expression: str, samples: dict[str, float], now: float = 1e9) -> set[str]:
    """The commands for which an expression of the rules about commands alerts: a reading of these few forms alone."""

    def read(node: Any) -> dict[str, float] | float:
        match type(node).__name__:
            case "NumberLiteral":
                return float(node.val)
            case "ParenExpr":
                return read(node.expr)
            case "Call":
                assert node.func.name == "time"
                return now
            case "VectorSelector":
                [*matchers] = node.matchers.matchers
                kept = {label: value for label, value in samples.items() if label.startswith(f"{node.name} ")}
                vector = {label.split(" ")[1]: value for label, value in kept.items()}
                return {command: value for command, value in vector.items() if all(fits(m, command) for m in matchers)}
            case "AggregateExpr":
                inner = read(node.expr)
                assert isinstance(inner, dict) and str(node.op) in {"max", "min"}
                if node.modifier is not None:
                    return inner
                return {"": (max if str(node.op) == "max" else min)(inner.values())} if inner else {}
        assert type(node).__name__ == "BinaryExpr"
        left, right, op = read(node.lhs), read(node.rhs), str(node.op)
        if op == "or":
            assert isinstance(left, dict) and isinstance(right, dict)
            return right | left
        if isinstance(left, float) and isinstance(right, float):
            return {"*": left * right, "-": left - right}[op]
        if isinstance(left, float):
            assert op == "-" and isinstance(right, dict)
            return {command: left - value for command, value in right.items()}
        assert isinstance(right, float)
        keep = {">": operator.gt, "==": operator.eq}[op]
        return {command: value for command, value in left.items() if keep(value, right)}

    found = read(promql_parser.parse(expression))
    assert isinstance(found, dict)
    return set(found)


def fits(matcher: Any, command: str) -> bool:
    assert matcher.name == "command"
    same = re.fullmatch(matcher.value, command) is not None
    return same == (str(matcher.op).rpartition(".")[2] in {"Equal", "Re"})


def rule(alert: str) -> str:
    groups = yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"]
    return next(str(rule["expr"]) for group in groups for rule in group["rules"] if rule["alert"] == alert)


CODE, DONE, END = (
    f"journeys_command_last_{name}" for name in ("exit_code", "success_timestamp_seconds", "end_timestamp_seconds")
)


@pytest.mark.parametrize(
    ("alert", "samples", "found"),
    [
        ("JourneysCommandFailed", {f"{CODE} report": 5.0, f"{CODE} check": 1.0, f"{CODE} load": 0.0}, {"report"}),
        ("JourneysCommandFailed", {f"{CODE} check": 5.0}, {"check"}),
        ("JourneysCheckFailed", {f"{CODE} check": 1.0, f"{CODE} report": 1.0}, {""}),
        ("JourneysCheckFailed", {f"{CODE} check": 0.0, f"{CODE} report": 1.0}, set()),
        (
            "JourneysReportStale",
            {f"{DONE} report": 1e9 - 7201, f"{DONE} stitch": 1e9 - 60, f"{DONE} load": 1.0},
            {"report"},
        ),
        ("JourneysCheckStale", {f"{END} check": 1e9 - 90_000, f"{END} report": 1.0}, {""}),
        ("JourneysCheckStale", {f"{END} check": 1e9 - 80_000}, set()),
        ("JourneysUpkeepOverdue", {"journeys_maintenance_overdue_seconds x": 6 * 3600 + 1.0}, {""}),
        ("JourneysUpkeepOverdue", {"journeys_maintenance_overdue_seconds x": -60.0}, set()),
    ],
)
def test_rules_about_commands_alert_on_what_they_say(alert: str, samples: dict[str, float], found: set[str]) -> None:
    assert alerting(rule(alert), samples) == found


def test_the_prometheus_rule_is_made_of_the_one_file_of_alerts() -> None:
    made = subprocess.run(["make", "--silent", "alerts"], cwd=ROOT, capture_output=True, text=True, check=True)
    [loaded] = yaml.safe_load_all(made.stdout)
    assert (loaded["apiVersion"], loaded["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert loaded["spec"] == yaml.safe_load((DEPLOY / "alerts.yaml").read_text())


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
