# stormlift's program on a host. POSIX sh; state lives in one directory of root's alone.
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
STATE=${STORMLIFT_STATE:-/var/lib/stormlift}
STACK=${STORMLIFT_STACK:-/opt/stackstorm}
UNITS_DIR=${STORMLIFT_UNITS:-/etc/systemd/system}

_timeout=
NEWLINE='
'

have() { command -v "$1" >/dev/null 2>&1; }

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

now() {
  _now=$(date +%s.%N)
  case $_now in
    *N) printf '%s\n' "${_now%.N}" ;; # a date without nanoseconds prints the letter
    *) printf '%s\n' "$_now" ;;
  esac
}

nap() { sleep 0.1 2>/dev/null || sleep 1; }

# Ends a command that runs out of its seconds; the code is then 124. What timeout knows here is asked once.
limit() {
  _seconds=$1
  shift
  case ${_timeout:=$(timeout_here)} in
    kills) timeout -k 30 "$_seconds" "$@" ;;
    ends) timeout "$_seconds" "$@" ;;
    *) "$@" ;;
  esac
}

# An old timeout knows no -k.
timeout_here() {
  if timeout -k 1 9 true 2>/dev/null; then
    echo kills
  elif have timeout; then
    echo ends
  else
    echo none
  fi
}

state_dir() {
  [ -d "$STATE" ] || mkdir -m 700 -p "$STATE"
  chmod 700 "$STATE"
}

# on_disk PATH...: these files, and the names in these folders, outlive a power cut. Not everything that a host has to write:
# after a package upgrade that may be gigabytes, and st2 is down. An old sync knows no paths, and does write everything.
on_disk() { sync "$@" 2>/dev/null || sync; }

# A record counts only when it is on the disk.
journal() {
  if [ -s "$STATE/journal" ]; then
    { _end=$(tail -c 1 "$STATE/journal" && printf .); } 2>/dev/null # bash complains of a zero
    # It must neither swallow this line nor be read.
    [ "$_end" = "$NEWLINE." ] || printf ' #torn\n' >>"$STATE/journal"
  fi
  (umask 077 && printf '%s\n' "$1" >>"$STATE/journal") && on_disk "$STATE/journal"
}

# holds TOKEN: whether the lock here is TOKEN's; an empty one stands for work that needs no lock.
holds() {
  [ -n "$1" ] || return 0
  _token=
  { read -r _token <"$STATE/lock/token"; } 2>/dev/null # no newline ends it, at which read fails
  [ "$_token" = "$1" ]
}

# Only the holder of the lock may go on: a controller that slept while another took over must do nothing more.
must_hold() {
  holds "$1" || {
    printf 'another controller took over\n' >&2
    exit 77
  }
}

# record TOKEN LINE...: append the lines that are not there yet.
record() {
  must_hold "$1"
  shift
  state_dir
  for _line in "$@"; do
    grep -qxF -e "$_line" "$STATE/journal" 2>/dev/null || journal "$_line" \
      || fail "the journal cannot be written: is the disk full?"
  done
}

# The pause that holds here, as its journal line, or nothing; a line that was cut off counts as not written.
paused() {
  # The zeros that a power cut may leave would make grep speak of a binary file.
  cat "$STATE/journal" 2>/dev/null | tr '\000' '?' | grep -E '"event":"(paused|resumed)".*[}]( #torn)?$' | tail -n 1 \
    | grep -F '"event":"paused"' || :
}

# keep TOKEN RUN NAME TEXT: keep a file of a run, whole or not at all.
keep() {
  must_hold "$1"
  shift
  state_dir
  mkdir -p -m 700 "$STATE/$1"
  (umask 077 && printf '%s' "$3" >"$STATE/$1/$2.new") && on_disk "$STATE/$1/$2.new" \
    && mv -f "$STATE/$1/$2.new" "$STATE/$1/$2" && on_disk "$STATE/$1" "$STATE" \
    || fail "$2 cannot be kept: is the disk full?"
}
