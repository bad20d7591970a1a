"""`python -m tests.lab.crash.controller WORDS`: invoke, with points in the program on the hosts at which a run can be caught.

A host whose /run/lab/crash/at says `MOMENT STEP` stops right there until /run/lab/crash/go appears. Moments: before (the
step is not journalled yet), during (journalled as started; its command follows), after (journalled as finished). A step that
/run/lab/crash/fail names does its work and counts as failed, once.
"""

import sys
from functools import cache

from remote import program

POINTS = r"""
crash_point() {
  [ "$(cat /run/lab/crash/at 2>/dev/null)" = "$1 $2" ] || return 0
  mv /run/lab/crash/at /run/lab/crash/reached
  while [ ! -e /run/lab/crash/go ]; do nap; done
  rm -f /run/lab/crash/reached /run/lab/crash/go
}
step() {
  crash_point before "$2"
  real_step "$@"
  crash_point after "$2"
}
ended() {
  if [ "$1" = 0 ] && [ "$(cat /run/lab/crash/fail 2>/dev/null)" = "$_key" ]; then
    rm -f /run/lab/crash/fail
    echo 'this failure was planted' >>"$_log"
    set -- 1
  fi
  real_ended "$@"
}
say() {
  real_say "$@"
  case $1 in
    '@started '*)
      set -- $1
      crash_point during "$2"
      ;;
  esac
}
"""
_WRAPPED = ("step", "say", "ended")


def with_points(text: str) -> str:
    """The program TEXT with the functions of _WRAPPED wrapped."""
    for name in _WRAPPED:
        head = f"\n{name}() {{"
        if text.count(head) != 1:
            raise AssertionError(f"the program on the hosts has {text.count(head)} functions {name}")
        text = text.replace(head, f"\nreal_{name}() {{")
    return text + POINTS


def main(words: list[str]) -> None:
    """Run `invoke WORDS` with the points in place."""
    usual = program.library

    @cache
    def library() -> str:
        return with_points(usual())

    program.library = library
    from invoke.main import program as invoke

    invoke.run(["invoke", *words])


if __name__ == "__main__":
    main(sys.argv[1:])
