"""In which ways the stand-in st2 2.0.1 is like the real one: ports, units, st2ctl, client, scripts, packages.

Facts: tags of StackStorm/st2 and branches of StackStorm/st2-packages; docs/standin.md says what is not alike.
What upgrades show is in test_standin_upgrades.py, keys are in test_standin_keys.py.
"""

import pytest

from lab.fleet import Fleet
from tests.lab.standin import BIN, CONFIG, DB_MANAGE, parsed, property_of, said, script_log, shell, store_down, tried

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("as_prepared")]

every_family = pytest.mark.parametrize("host", ["apt1", "yum1"])
COMPONENTS = [
    *("st2actionrunner", "st2api", "st2stream", "st2auth", "st2garbagecollector", "st2notifier", "st2resultstracker"),
    *("st2rulesengine", "st2sensorcontainer", "st2chatops", "mistral-server", "mistral-api"),
]


@every_family
def test_api_auth_and_stream_listen_on_the_loopback_alone(fleet: Fleet, host: str) -> None:
    """Ports 9101, 9100, 9102 (packages/st2/*/st2api.service), 8989 is Mistral's."""
    listening = set(shell(fleet, host, "ss -Hltn | awk '{print $4}'").split())
    assert {f"127.0.0.1:{port}" for port in (9100, 9101, 9102, 8989)} <= listening
    assert parsed(fleet, host, "curl", "-s", "http://127.0.0.1:9101/v1/")["version"] == "2.0.1"
    refused = said(
        fleet, host, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-XPOST", "http://127.0.0.1:9100/tokens"
    )
    assert refused == "401"


@every_family
def test_the_version_goes_to_stderr(fleet: Fleet, host: str) -> None:
    """argparse of Python 2.7."""
    told = fleet.execute(host, "st2", "--version")
    assert (told.stdout, told.stderr.strip()) == ("", "st2 2.0.1")
    asked = "import st2common; print(st2common.__version__)"
    assert said(fleet, host, "/opt/stackstorm/st2/bin/python", "-c", asked) == "2.0.1"


@every_family
def test_units_are_those_of_the_real_packages(fleet: Fleet, host: str) -> None:
    """Type, TimeoutSec, Restart and the EnvironmentFile of the family (packages/st2/{debian,rpm}/*.service)."""
    folder = "/etc/default" if host == "apt1" else "/etc/sysconfig"
    for unit in ("st2api", "st2notifier", "st2actionrunner@1", "st2chatops"):
        assert property_of(fleet, host, unit, "Type") == "simple"
        assert property_of(fleet, host, unit, "Restart") == "on-failure"
        assert property_of(fleet, host, unit, "TimeoutStopUSec") == "1min"
        name = unit.partition("@")[0]
        assert property_of(fleet, host, unit, "EnvironmentFiles") == f"{folder}/{name} (ignore_errors=yes)"
    for wrapper in ("st2actionrunner", "mistral"):
        assert property_of(fleet, host, wrapper, "Type") == "oneshot"
        assert property_of(fleet, host, wrapper, "MainPID") == "0"
    assert property_of(fleet, host, "mistral-api", "Restart") == "no"


@every_family
def test_every_process_shows_its_program_under_opt_stackstorm(fleet: Fleet, host: str) -> None:
    """The rest of the world finds them with ps; the HTTP services are gunicorn_pecan with the service in a path."""
    lines = said(fleet, host, "ps", "axww", "-o", "args=").splitlines()
    for name in ("st2notifier", "st2rulesengine", "st2sensorcontainer", "st2garbagecollector", "st2resultstracker"):
        assert sum(f"{BIN}/{name} --config-file /etc/st2/st2.conf" in line for line in lines) == 1
    assert sum(f"{BIN}/st2actionrunner" in line for line in lines) == 2
    assert sum(f"{BIN}/gunicorn_pecan" in line and "/st2api/gunicorn_config.py" in line for line in lines) == 1
    assert sum("/opt/stackstorm/mistral/bin/mistral-server" in line for line in lines) == 1


@every_family
def test_status_lists_processes_and_always_succeeds(fleet: Fleet, host: str) -> None:
    """st2common/bin/st2ctl: a header, `NAME PID: N` for each process, `NAME is not running.`, exit code 0."""
    lines = said(fleet, host, "st2ctl", "status").splitlines()
    assert lines[0] == "##### st2 components status #####"
    assert list(dict.fromkeys(line.split()[0] for line in lines[1:])) == COMPONENTS
    assert all(" PID: " in line for line in lines[1:])
    fleet.execute(host, "systemctl", "stop", "st2notifier")
    told = tried(fleet, host, "st2ctl", "status")
    assert (told.returncode, "st2notifier is not running." in told.stdout) == (0, True)
    # Up to 2.5 any line of ps that holds the name counts.
    reader = "tail -f /var/log/st2/st2notifier.log >/dev/null & sleep 0.2; st2ctl status; kill $!"
    assert "st2notifier PID: " in shell(fleet, host, reader)
    fleet.execute(host, "systemctl", "start", "st2notifier")


@every_family
def test_stop_hides_a_component_that_did_not_stop(fleet: Fleet, host: str) -> None:
    """The exit code of `st2ctl stop` is that of the last component alone, and `start` answers 0 whatever happens."""
    fault = "/etc/default/st2notifier" if host == "apt1" else "/etc/sysconfig/st2notifier"
    drop_in = "/run/systemd/system/st2notifier.service.d"
    shell(fleet, host, f"echo STOP_IGNORES_TERM=1 > {fault}; mkdir -p {drop_in}")
    shell(fleet, host, f"printf '[Service]\\nTimeoutStopSec=1\\nSendSIGKILL=no\\n' > {drop_in}/fault.conf")
    shell(fleet, host, "systemctl daemon-reload; systemctl restart st2notifier")
    assert tried(fleet, host, "st2ctl", "stop").returncode == 0
    left = shell(fleet, host, f"pgrep -f {BIN}/st2notifier")
    shell(fleet, host, f"kill -9 {left}; rm -r {drop_in}; echo START_REFUSES=1 > {fault}; systemctl daemon-reload")
    assert tried(fleet, host, "st2ctl", "start").returncode == 0
    assert property_of(fleet, host, "st2notifier", "ActiveState") != "active"
    shell(fleet, host, f"rm {fault}; systemctl restart st2notifier")
    fleet.wait_ready()


@every_family
def test_st2ctl_wants_root_and_known_flags(fleet: Fleet, host: str) -> None:
    """Exit code 1 for both; `reload` has its own list of flags, and 2.0 knows no runners."""
    told = tried(fleet, host, "su", "nosudo", "-s", "/bin/sh", "-c", "st2ctl stop")
    assert (told.returncode, told.stdout.strip()) == (1, "Please run this command with root privileges")
    assert tried(fleet, host, "st2ctl").returncode == 1
    assert tried(fleet, host, "st2ctl", "reload", "--register-runners").returncode == 1
    assert tried(fleet, host, "st2ctl", "reload", "--register-all").returncode == 0


def test_reload_hides_failure(fleet: Fleet) -> None:
    """Up to 2.2.0 `st2ctl reload` answers 0 although st2-register-content answered 1."""
    store_down(fleet, "apt1", down=True)
    flags = ("--register-all", "--register-fail-on-failure")
    assert tried(fleet, "apt1", f"{BIN}/st2-register-content", *CONFIG, *flags).returncode == 1
    assert tried(fleet, "apt1", "st2ctl", "reload", *flags).returncode == 0
    store_down(fleet, "apt1", down=False)


def test_core_local_really_runs_and_tells_failure_but_not_a_timeout(fleet: Fleet) -> None:
    """st2 run: 1 for `failed`, 0 for everything else; the status in the JSON is what counts."""
    done = parsed(fleet, "apt2", "st2", "run", "core.local", "-j", "--", "hostname")
    assert (done["status"], done["result"]["stdout"]) == ("succeeded", "apt2")
    assert tried(fleet, "apt2", "st2", "run", "core.local", "--", "exit 3").returncode == 1
    late = tried(fleet, "apt2", "st2", "run", "core.local", "timeout=1", "-j", "--", "sleep 20")
    assert (late.returncode, '"status": "timeout"' in late.stdout) == (0, True)
    # The other host of the deployment has the same datastore.
    assert done["id"] in {item["id"] for item in parsed(fleet, "yum2", "st2", "execution", "list", "-j")}
    assert "core.local" in {item["ref"] for item in parsed(fleet, "yum2", "st2", "action", "list", "--pack=core", "-j")}


def test_the_client_tells_refusal_from_other_failures(fleet: Fleet) -> None:
    """2 for what the server refused, 1 for the rest (st2client/st2client/shell.py)."""
    assert tried(fleet, "apt1", "st2", "key", "get", "no.such.key").returncode == 2
    assert tried(fleet, "apt1", "env", "ST2_API_URL=http://127.0.0.1:1", "st2", "key", "list").returncode == 1


def test_scripts_are_on_disk_in_their_releases_only(fleet: Fleet) -> None:
    """List `scripts` of st2common/setup.py@v2.0.1: the 1.5 one is there, those of 2.1 are not."""
    names = set(said(fleet, "apt1", "ls", BIN).split())
    assert "st2-migrate-datastore-to-include-scope-secret.py" in names
    assert not names & {"st2-migrate-datastore-scopes.py", "st2-migrate-runners.sh"}


def test_the_1_5_script_of_2_0_1_fails_on_any_key(fleet: Fleet) -> None:
    """It passes a field that the model has not (st2 PR 2800); nothing is changed, and the log tells of it."""
    script = f"{BIN}/st2-migrate-datastore-to-include-scope-secret.py"
    told = tried(fleet, "yum2", script, *CONFIG)
    assert told.returncode == 1
    assert "FieldDoesNotExist: The field 'encrypted' does not exist" in told.stderr
    assert told.stdout.startswith("ERROR: Failed migrating datastore item with name: ")
    assert told.stdout.endswith("ABORTED: Datastore migration aborted on first failure.\n")
    # Any host of the deployment sees which host it was.
    last = script_log(fleet, "apt2")[-1]
    assert (last["host"], last["release"], last["outcome"]) == ("yum2", "2.0.1", "failed: FieldDoesNotExist")


def test_a_script_without_config_file_misses_the_database(fleet: Fleet) -> None:
    """Before 2.8 nothing is read by default: it waits for a database on this host and gives up, or one refuses it."""
    script = f"{BIN}/st2-migrate-datastore-to-include-scope-secret.py"
    waited = tried(fleet, "apt2", "env", "LAB_STORE_WAIT=1", script)
    assert (waited.returncode, "MongoEngineConnectionError" in waited.stderr) == (1, True)
    refused = tried(fleet, "apt1", script)
    assert (refused.returncode, "ABORTED" in refused.stdout) == (1, True)


def test_mistral_is_the_real_one_at_its_old_revision(fleet: Fleet) -> None:
    """Mistral 2.0.0 is what st2mistral 1.4 to 2.1 carried: head 011; populate succeeds whatever it says."""
    current = fleet.execute("apt1", *DB_MANAGE, "current")
    assert current.stdout.strip() == "011 (head)"
    assert tried(fleet, "apt1", *DB_MANAGE, "populate").returncode == 0
    # What a real Mistral 2.1.0 wrote is there.
    assert (
        int(shell(fleet, "apt1", "su postgres -c 'psql -XAtqd mistral -c \"select count(*) from executions_v2\"'"))
        == 20
    )
    assert parsed(fleet, "apt1", "curl", "-s", "http://127.0.0.1:8989/v2/workflows")["workflows"]


def test_stopping_the_wrapper_leaves_what_was_started_by_hand(fleet: Fleet) -> None:
    """mistral is a oneshot: inactive, it does not stop mistral-api (packages/st2mistral/rpm/mistral.service)."""
    shell(fleet, "apt1", "systemctl stop mistral; systemctl start mistral-api; st2ctl stop")
    assert property_of(fleet, "apt1", "mistral-api", "ActiveState") == "active"
    assert property_of(fleet, "apt1", "mistral-server", "ActiveState") == "inactive"
    shell(fleet, "apt1", "systemctl stop mistral-api; st2ctl start")
    fleet.wait_ready()


def test_configuration_files_are_conffiles(fleet: Fleet) -> None:
    """deb: all of /etc and st2web's config.js; rpm: %config(noreplace) for /etc, and config.js is just a file."""
    deb = shell(fleet, "apt1", "dpkg-query -W -f '${Conffiles}\\n' st2 st2web st2mistral st2chatops")
    rpm = said(fleet, "yum1", "rpm", "-qc", "st2", "st2web", "st2mistral", "st2chatops")
    for name in ("/etc/st2/st2.conf", "/etc/mistral/mistral.conf", "/opt/stackstorm/chatops/st2chatops.env"):
        assert name in deb
        assert name in rpm
    assert "/opt/stackstorm/static/webui/config.js" in deb
    assert "/opt/stackstorm/static/webui/config.js" not in rpm


def test_packages_of_a_release_share_its_version_but_not_the_revision(fleet: Fleet) -> None:
    """st2 X.Y.Z-N and its companions."""
    deb = shell(fleet, "apt1", "dpkg-query -W -f '${Version}\\n' st2 st2web st2chatops st2mistral").split()
    rpm = said(
        fleet, "yum1", "rpm", "-q", "--qf", "%{VERSION}-%{RELEASE}\\n", "st2", "st2web", "st2chatops", "st2mistral"
    ).split()
    assert sorted(deb) == sorted(rpm)
    assert {version.split("-")[0] for version in deb} == {"2.0.1"}
    assert len({version.split("-")[1] for version in deb}) > 1
