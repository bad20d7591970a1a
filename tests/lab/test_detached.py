"""A step that was begun goes on by itself, is picked up from any desk, and is begun once: over real sshd, under systemd and
under System V init, with each shell as sh, and where logind ends whatever else a login leaves behind."""

import itertools
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.docker import docker
from lab.fleet import Fleet
from rollout.execute import Told
from rollout.model import Repeat
from tests.lab.slow import GO, KEY, LINES, STATE, WHOLE, Bench, from_json

pytestmark = pytest.mark.lab
SYSTEMD = ("apt1", "yum1", "apt2", "yum2")
EVERY_KIND = ("apt1", "yum1", "sysv1")
PATIENCE_S = 60
_RUNS = itertools.count(1)

Benches = Callable[..., Bench]


@pytest.fixture
def bench(fleet: Fleet) -> Iterator[Benches]:
    """A bench on a host, for a new run; the host is left as it was found."""
    made: list[Bench] = []

    def on(name: str, repeat: Repeat = Repeat.SAFE) -> Bench:
        made.append(Bench(fleet, name, f"detached-{next(_RUNS)}", repeat))
        made[-1].clean()
        return made[-1]

    yield on
    for each in made:
        each.clean()


@pytest.fixture
def sysv_shell(fleet: Fleet, request: pytest.FixtureRequest) -> Iterator[str]:
    """The shell that is sh on sysv1 meanwhile, and the login shell of who logs in there."""
    shell: str = request.param
    fleet.execute("sysv1", "sh", "-c", f"ln -sfn $(command -v {shell}) /bin/sh && usermod -s /bin/sh deploy")
    try:
        assert fleet.execute("sysv1", "readlink", "-f", "/bin/sh").stdout.strip().endswith(f"/{shell}")
        yield shell
    finally:
        fleet.execute("sysv1", "bash", "-c", "ln -sfn dash /bin/sh && usermod -s /bin/bash deploy")


def at_once(benches: list[Bench], check: Callable[[Bench], None]) -> None:
    """CHECK on every bench at the same time: each of them waits for seconds."""
    with ThreadPoolExecutor(len(benches)) as pool:
        list(pool.map(check, benches))


def wait_until(true: Callable[[], object]) -> None:
    """Wait until TRUE is."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


# What comes between.


def killed(bench: Bench, controller: "subprocess.Popen[str]") -> None:
    """The controller gets SIGKILL: no handler runs, and sshd ends the session."""
    controller.kill()
    controller.communicate()


def cut(bench: Bench, controller: "subprocess.Popen[str]") -> None:
    """The processes of the session die on the host; the controller lives and finds its link gone."""
    bench.root("pkill -KILL -f '^sshd: deploy'")


def goes_on_and_is_picked_up(bench: Bench, between: Callable[[Bench, "subprocess.Popen[str]"], None]) -> None:
    controller = bench.begins()
    wait_until(lambda: len(bench.diary()) >= 2)
    between(bench, controller)
    link, told = bench.link(), []
    for each in bench.told(link):
        told.append(each)
        if each.kind == "started":
            bench.goes_on()
    assert [each.kind for each in told] == ["started", "finished", "interrupted"]
    assert is_whole(told[1])
    if between is cut:
        said, _ = controller.communicate(timeout=PATIENCE_S)
        assert controller.returncode == 0 and is_whole(from_json(said.splitlines()[-1])), said
    assert bench.diary() == WHOLE
    known = link.records()
    link.close()
    assert [(r.event, r.attempt, r.code) for r in known if r.step == KEY] == [("started", 1, 0), ("finished", 1, 0)]
    assert bench.jobs(known) == ()


def is_whole(told: Told) -> bool:
    """A finished step, with its exit code and the whole of its log."""
    return (told.kind, told.key, told.code, told.log.splitlines()) == ("finished", KEY, 0, WHOLE)


@pytest.mark.parametrize("between", [killed, cut])
def test_under_systemd_a_step_goes_on_and_another_desk_gets_its_log_and_code(
    bench: Benches, between: Callable[[Bench, "subprocess.Popen[str]"], None]
) -> None:
    at_once([bench(name) for name in SYSTEMD], lambda each: goes_on_and_is_picked_up(each, between))


@pytest.mark.parametrize("sysv_shell", ["dash", "bash", "busybox"], indirect=True)
@pytest.mark.parametrize("between", [killed, cut])
def test_under_system_v_init_too_whatever_sh_is(
    bench: Benches, sysv_shell: str, between: Callable[[Bench, "subprocess.Popen[str]"], None]
) -> None:
    goes_on_and_is_picked_up(bench("sysv1"), between)


def test_logind_ends_what_a_login_leaves_behind_and_not_the_step(bench: Benches) -> None:
    """KillUserProcesses=yes; on yum1 there is no logind, which shows that it is logind who ends it."""
    stray = "sudo -n setsid sleep 4711 >/dev/null 2>&1 </dev/null & sleep 1"
    count = "pgrep -fcx 'sleep 4711'"
    step = bench("apt1")
    for each in (step, bench("yum1")):
        subprocess.run(each.fleet.ssh(each.name, stray), check=True, timeout=PATIENCE_S)
    controller = step.begins()
    wait_until(lambda: step.root(count) == "0")
    assert bench("yum1").root(f"{count}; pkill -fx 'sleep 4711'") == "1"
    killed(step, controller)
    wait_until(lambda: step.root("loginctl list-sessions --no-legend") == "")
    assert len(step.diary()) < LINES, "the step was over before its login was"
    link = step.link()
    following = step.told(link)
    assert next(following).kind == "started"
    step.goes_on()
    assert is_whole(next(following))
    link.close()
    assert step.diary() == WHOLE


# The runner alone is killed.


def test_a_command_whose_runner_was_killed_is_waited_for_and_then_proved(bench: Benches) -> None:
    def check(bench: Bench) -> None:
        link, told = bench.link(), []
        for each in bench.told(link):
            told.append(each.kind)
            if each.kind == "started":
                wait_until(lambda: len(bench.diary()) >= 2)
                bench.root(f"kill -KILL $(cat {STATE}/{bench.run}/segments/*/pid)")
            if each.kind == "alone":
                bench.goes_on()
        assert told == ["started", "alone", "interrupted"]
        assert bench.diary() == WHOLE
        known = link.records()
        assert [r.event for r in known] == ["started"]
        again = list(bench.told(link, known))
        link.close()
        assert [(each.kind, each.code, each.proved) for each in again] == [("finished", 0, True)]
        assert bench.diary() == WHOLE

    at_once([bench(name, Repeat.PROBE) for name in EVERY_KIND], check)


def test_another_desk_begins_nothing_beside_a_command_whose_runner_was_killed(bench: Benches) -> None:
    def check(bench: Bench) -> None:
        controller = bench.begins()
        wait_until(lambda: len(bench.diary()) >= 2)
        bench.root(f"kill -KILL $(cat {STATE}/{bench.run}/segments/*/pid)")
        killed(bench, controller)
        link, told = bench.link(), []
        for each in bench.told(link):
            told.append(each.kind)
            if each.kind == "alone":
                bench.goes_on()
        assert told == ["started", "alone", "interrupted"]
        assert bench.diary() == WHOLE
        # Safe to repeat, so it is repeated: after the first one had ended.
        assert [each.kind for each in bench.told(link, link.records())] == ["started", "finished"]
        assert bench.diary() == WHOLE * 2
        link.close()

    at_once([bench(name) for name in EVERY_KIND], check)


# The host is restarted.


@pytest.fixture
def restarted(fleet: Fleet) -> Iterator[None]:
    """The services of hosts that a test restarts are up again when the next one comes."""
    yield
    fleet.wait_ready()


def power_cut(bench: Bench) -> None:
    """Everything on the host ends at once, and it boots again."""
    docker("restart", "--time", "0", bench.fleet.container(bench.name))


@pytest.mark.usefixtures("restarted")
def test_a_step_whose_host_lost_power_is_interrupted_and_its_pid_is_nobody(bench: Benches) -> None:
    """A container has the boot id of its machine, so a restart does not change it."""

    def check(bench: Bench) -> None:
        boot_id = bench.root("cat /proc/sys/kernel/random/boot_id")
        controller = bench.begins()
        wait_until(lambda: len(bench.diary()) >= 2)
        killed(bench, controller)
        power_cut(bench)
        assert bench.root("cat /proc/sys/kernel/random/boot_id") == boot_id
        # The worst case: the pid of the runner is that of something that lives, and it is root's.
        wait_until(lambda: bench.root(f"pgrep -o sshd >$(echo {STATE}/{bench.run}/segments/*/pid) && echo there"))
        before = bench.diary()
        assert 0 < len(before) < LINES and before == WHOLE[: len(before)]
        bench.goes_on()
        link = bench.link()
        known = link.records()
        assert [r.event for r in known] == ["started"]
        assert [each.kind for each in bench.told(link, known)] == ["started", "finished"]
        assert bench.diary() == before + WHOLE
        link.close()

    at_once([bench(name) for name in EVERY_KIND], check)


def watched_while(bench: Bench, trouble: Callable[[], object]) -> list[str]:
    """What is told to who watches while TROUBLE comes in the middle of the step."""
    link, told, coming = bench.link(), [], threading.Thread(target=trouble)
    for each in bench.told(link):
        told.append(each.kind)
        if each.kind == "started":
            wait_until(lambda: len(bench.diary()) >= 2)
            coming.start()
    link.close()
    coming.join()
    return told


@pytest.mark.usefixtures("restarted")
def test_who_watches_while_the_host_loses_power_is_told_that_the_step_was_interrupted(bench: Benches) -> None:
    def check(bench: Bench) -> None:
        assert watched_while(bench, lambda: power_cut(bench)) == ["started", "interrupted"]
        assert len(bench.diary()) < LINES

    at_once([bench(name) for name in EVERY_KIND], check)


@pytest.mark.usefixtures("restarted")
def test_a_host_that_shuts_down_lets_the_step_end_first(bench: Benches) -> None:
    def check(bench: Bench) -> None:
        going = f"until systemctl is-system-running | grep -q stopping; do sleep 0.1; done; touch {GO}"

        def shut_down() -> None:
            with ThreadPoolExecutor() as pool:
                pool.submit(bench.root, going)
                bench.fleet.restart(bench.name, ready=False)

        told = watched_while(bench, shut_down)
        assert told == ["started", "finished"]
        assert bench.diary() == WHOLE

    at_once([bench(name) for name in ("apt1", "yum1")], check)
