# The menu. Every entry sets up what it needs, says what it installs, and can be run twice.
.DEFAULT_GOAL := help
INVOKE = .venv/bin/invoke
# Test files are spread over this many processes; each has a lab fleet of its own (2 GiB).
WORKERS = 2
PYTEST = -m pytest tests --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder

.PHONY: help setup demo test test-fast test-long histories crash-matrix rollbacks hops content bench-downtime check clean

help: ## this menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile

setup: ## a virtualenv in .venv, with everything in it
	@./setup.sh

demo: setup ## the whole thing: a lab fleet at 2.0.1, upgraded to 2.2.1 before your eyes; the lab stays up
	@./demo.sh

test: setup ## the whole suite: checks, pure, wire and lab floors
	$(INVOKE) dev.check
	.venv/bin/coverage erase
	.venv/bin/coverage run $(PYTEST) --durations=25
	@.venv/bin/coverage combine -q && .venv/bin/coverage report --skip-covered --sort=cover | tail -40

test-fast: setup ## the pure and the wire floor, no containers
	.venv/bin/python $(PYTEST) --ignore=tests/lab

test-long: setup ## what takes minutes a test: a million executions exported, a repair killed at every step, random histories
	.venv/bin/python -m pytest tests -m long -s

HISTORIES = 2000
histories: setup ## random histories against a fleet in memory (HISTORIES=50); some minutes; SEED=1 tells the same ones again
	STORMLIFT_HISTORIES=$(HISTORIES) STORMLIFT_SEED=$(SEED) .venv/bin/python -m pytest tests/pure/test_state_machine.py -m long -q

SHARD = 1/1
crash-matrix: setup ## every cell of the crash matrix, or a share (SHARD=2/3); hours, resumable; writes docs/crash-matrix.md
	.venv/bin/python -m tests.lab.crash --shard $(SHARD)

rollbacks: setup ## an upgrade that fails in each of its phases, twice, on every deployment of the lab, and the way back; half an hour
	.venv/bin/python -m pytest tests/lab/test_rollback.py -m long -s

hops: setup ## every release of the lab to the next, on both families; a quarter of an hour; writes docs/hops.md
	.venv/bin/python -m pytest tests/lab/test_hops.py -m long -s

content: setup ## ten thousand keys from release to release, proved equal, beside the page's own commands; ten minutes
	.venv/bin/python -m pytest tests/lab/test_content.py -m long -s

bench-downtime: setup ## downtime beside a plain script of the upgrade page's commands; some hours; writes docs/downtime.md
	.venv/bin/python -m bench.downtime --backup both

check: setup ## ruff and mypy --strict
	$(INVOKE) dev.check

clean: ## stop the lab; remove its containers, its images and the virtualenv
	-@[ ! -x $(INVOKE) ] || $(INVOKE) lab.down
	-@docker image rm -f $$(docker image ls -q --filter label=stormlift.lab=1) 2>/dev/null
	rm -rf .venv lab/state lab/cache runs
