"""The systemd units of each package, as the real ones are (packages/*/rpm/*.service of StackStorm/st2-packages).

Every service sources its EnvironmentFile, which is also where the lab's fault switches stand (docs/standin.md).
"""

from .releases import Release, components, st2_services

ST2 = "/opt/stackstorm/st2"
MISTRAL = "/opt/stackstorm/mistral"
HTTP_PORTS = {"st2auth": 9100, "st2api": 9101, "st2stream": 9102}
GUNICORN_SITE = f"{ST2}/lib/python3.11/site-packages"


def st2_units(release: Release, env_dir: str) -> dict[str, str]:
    """The units of the package st2: a component is one unit, the action runner a wrapper over its workers."""
    made = {}
    for name in st2_services(release.version):
        if name == "st2actionrunner":
            made["st2actionrunner.service"] = _runner_wrapper(env_dir)
            made["st2actionrunner@.service"] = _runner_worker(env_dir)
        elif name in HTTP_PORTS:
            made[f"{name}.service"] = _http(name, env_dir)
        else:
            command = f"{ST2}/bin/{name} $DAEMON_ARGS"
            environment = '"DAEMON_ARGS=--config-file /etc/st2/st2.conf"'
            title, env_file = f"StackStorm service {name}", f"{env_dir}/{name}"
            made[f"{name}.service"] = _simple(title, "st2", environment, env_file, command)
    return made


def chatops_unit(env_dir: str) -> str:
    """The unit of st2chatops (debian/st2chatops.service of StackStorm/st2chatops)."""
    command = "/opt/stackstorm/chatops/bin/hubot $DAEMON_ARGS"
    environment = '"DAEMON_ARGS=--name st2chatops --alias !"'
    return _simple("StackStorm service st2chatops", "st2", environment, f"{env_dir}/st2chatops", command)


def mistral_units(env_dir: str) -> dict[str, str]:
    """`mistral` starts and stops the other two, and knows nothing of them when somebody else started them."""
    systemctl = "/usr/bin/systemctl"
    wrapper = _unit("Mistral workflow service invocation wrapper", f"""\
Type=oneshot
EnvironmentFile=-{env_dir}/mistral
ExecStart=/bin/sh -c true
ExecStartPost={systemctl} start mistral-api
ExecStartPost={systemctl} start mistral-server
ExecStop=/bin/sh -c "systemctl stop mistral-api; systemctl stop mistral-server;"
RemainAfterExit=true
""")  # fmt: skip
    api = _mistral_child(
        "Mistral workflow service api",
        env_dir,
        "API_ARGS=--log-file /var/log/mistral/mistral-api.log -k eventlet -b 127.0.0.1:8989 -w 1 mistral.api.wsgi",
        f"{MISTRAL}/bin/gunicorn $API_ARGS",
    )
    server = _mistral_child(
        "Mistral workflow service (engine/executor)",
        env_dir,
        "SERVER_ARGS=--config-file /etc/mistral/mistral.conf --log-file /var/log/mistral/mistral-server.log",
        f"{MISTRAL}/bin/mistral-server --server engine,executor $SERVER_ARGS",
    )
    return {"mistral.service": wrapper, "mistral-api.service": api, "mistral-server.service": server}


def all_unit_names(release: Release) -> list[str]:
    """Every unit that can run something of st2 on a host of this release."""
    workers = [name for name in st2_units(release, "/etc/default") if "@" not in name]
    extra = ["mistral.service", "mistral-api.service", "mistral-server.service"]
    return [*workers, "st2chatops.service", *(extra if "mistral" in components(release.version) else [])]


def _unit(description: str, service: str, after: str = "network.target") -> str:
    return (
        f"[Unit]\nDescription={description}\nAfter={after}\n\n[Service]\n{service}\n"
        "[Install]\nWantedBy=multi-user.target\n"
    )


def _simple(description: str, user: str, environment: str, env_file: str, command: str) -> str:
    return _unit(description, f"""\
Type=simple
User={user}
Group={user}
Environment={environment}
EnvironmentFile=-{env_file}
ExecStart={command}
TimeoutSec=60
PrivateTmp=true
Restart=on-failure
RestartSec=5
""", after="rabbitmq-server.service mongod.service")  # fmt: skip


def _http(name: str, env_dir: str) -> str:
    bind = f"127.0.0.1:{HTTP_PORTS[name]}"
    arguments = f"-k eventlet -b {bind} --workers 1 --threads 1 --graceful-timeout 10 --timeout 30"
    command = f"{ST2}/bin/gunicorn_pecan {GUNICORN_SITE}/{name}/gunicorn_config.py $DAEMON_ARGS"
    return _simple(f"StackStorm service {name}", "st2", f'"DAEMON_ARGS={arguments}"', f"{env_dir}/{name}", command)


def _runner_wrapper(env_dir: str) -> str:
    return _unit("StackStorm service st2actionrunner", f"""\
Type=oneshot
EnvironmentFile=-{env_dir}/st2actionrunner
ExecStart=/bin/sh {ST2}/bin/runners.sh start
ExecStop=/bin/sh {ST2}/bin/runners.sh stop
RemainAfterExit=true
""", after="rabbitmq-server.service mongod.service")  # fmt: skip


def _runner_worker(env_dir: str) -> str:
    return _unit("StackStorm service st2actionrunner", f"""\
Type=simple
User=root
Group=st2packs
UMask=002
Environment="DAEMON_ARGS=--config-file /etc/st2/st2.conf"
Environment="WORKERID=%i"
EnvironmentFile=-{env_dir}/st2actionrunner
ExecStart={ST2}/bin/st2actionrunner $DAEMON_ARGS
TimeoutSec=60
PrivateTmp=true
Restart=on-failure
RestartSec=5
""", after="rabbitmq-server.service mongod.service")  # fmt: skip


def _mistral_child(description: str, env_dir: str, arguments: str, command: str) -> str:
    # START_DELAY and START_REFUSES are the lab's; the rest is the real unit's, which has no Restart= either.
    return _unit(description, f"""\
Type=simple
User=mistral
Group=mistral
Environment="{arguments}"
EnvironmentFile=-{env_dir}/mistral
ExecStart=/bin/sh -c ". {MISTRAL}/share/faults; exec {command}"
TimeoutStopSec=90
PrivateTmp=true
""")  # fmt: skip
