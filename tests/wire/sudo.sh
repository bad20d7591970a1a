#!/bin/sh
# sudo as the wire hosts have it: the words and codes of sudo 1.9.13 (Debian 12) without a terminal, taken from a real
# one. $WIRE_HOST/sudoers says who may: nopasswd, password, refused or requiretty, then the password.
# It differs in one thing on purpose: the names in $WIRE_KEEP survive the clean environment that it gives to commands.

usage() {
  echo 'usage: sudo -h | -K | -k | -V' >&2
  echo 'usage: sudo -v [-ABkNnS] [-g group] [-h host] [-p prompt] [-u user]' >&2
  exit 1
}

die() {
  printf '%s\n' "$*" >&2
  exit 1
}

in_path() {
  case $1 in */*) [ -x "$1" ]; return ;; esac
  (IFS=:; for each in $PATH; do [ -f "$each/$1" ] && [ -x "$each/$1" ] && exit 0; done; exit 1)
}

from_stdin='' never_ask='' validate='' prompt="[sudo] password for $USER: "
while getopts :nSkKEHvp:u:-: option; do
  case $option in
    n) never_ask=1 ;;
    S) from_stdin=1 ;;
    v) validate=1 ;;
    p) prompt=$OPTARG ;;
    k | K | E | H | u) ;;
    -)
      case $OPTARG in
        non-interactive) never_ask=1 ;;
        stdin) from_stdin=1 ;;
        validate) validate=1 ;;
        prompt=*) prompt=${OPTARG#prompt=} ;;
        reset-timestamp | preserve-env | set-home | user=*) ;;
        *) echo "sudo: unrecognized option '--$OPTARG'" >&2; usage ;;
      esac ;;
    *) echo "sudo: invalid option -- '$OPTARG'" >&2; usage ;;
  esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || [ -n "$validate" ] || usage

{ read -r rule; IFS= read -r password; } <"$WIRE_HOST/sudoers"
[ "$rule" != requiretty ] || die 'sudo: sorry, you must have a tty to run sudo'

authenticate() {
  if [ -n "$never_ask" ]; then
    [ -z "$validate" ] || [ "$rule" != refused ] || die "Sorry, user $USER may not run sudo on $WIRE_NAME."
    die 'sudo: a password is required'
  fi
  if [ -z "$from_stdin" ]; then
    echo 'sudo: a terminal is required to read the password; either use the -S option to read from standard input' \
      'or configure an askpass helper' >&2
    die 'sudo: a password is required'
  fi
  tries=0
  while [ "$tries" -lt 3 ]; do
    [ "$tries" = 0 ] || echo 'Sorry, try again.' >&2
    printf '%s' "$prompt" >&2
    # read takes one byte at a time from a pipe: what follows the line is the command's.
    if ! IFS= read -r typed && [ -z "$typed" ]; then
      printf '\nsudo: no password was provided\n' >&2
      break
    fi
    printf '%s\n' "$typed" >>"$WIRE_HOST/tried"
    [ "$typed" != "$password" ] || return 0
    tries=$((tries + 1))
  done
  case $tries in
    0) die 'sudo: a password is required' ;;
    1) die 'sudo: 1 incorrect password attempt' ;;
    *) die "sudo: $tries incorrect password attempts" ;;
  esac
}

# Who needs no password is not asked for one, -S or not: a password that was sent is then the command's input.
[ "$rule" = nopasswd ] || authenticate
if [ "$rule" = refused ]; then
  [ -z "$validate" ] || die "Sorry, user $USER may not run sudo on $WIRE_NAME."
  die "$USER is not in the sudoers file."
fi
[ -z "$validate" ] || exit 0
in_path "$1" || die "sudo: $1: command not found"

line=$*
for name in $WIRE_KEEP; do
  eval "set -- \"\$name=\$$name\" \"\$@\""
done
exec env -i PATH="$PATH" HOME="$WIRE_HOST/root" LOGNAME=root USER=root SHELL=/bin/sh TERM=unknown \
  SUDO_COMMAND="$line" SUDO_USER="$USER" "$@"
