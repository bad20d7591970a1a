# The runner: takes the steps of a phase in one request, runs them in order in a unit or session of its own,
# journals each one itself, and leaves events that any later connection can follow.

# marked DIR FILE...: FILEs are environments of processes, and one of them is of the segment DIR. Everything that a segment
# runs has its mark; a pid alone may be somebody else's by now, and in a container even the boot id outlives a restart.
marked() {
  _mark=$1
  shift
  cat "$@" 2>/dev/null | tr '\000' '\n' | grep -qxF -e "STORMLIFT_SEGMENT=$_mark"
}

# The runner itself lives.
runs() { [ -s "$1/pid" ] && marked "$1" "/proc/$(cat "$1/pid")/environ"; }

# The runner lives, or a command that outlived it does. A daemon that a step left behind has the mark as well, but is no
# longer taken for the command when that must have ended.
alive() {
  runs "$1" && return
  _until=$(cat "$1/until" 2>/dev/null)
  [ "${_until:-0}" -gt "$(date +%s)" ] && marked "$1" /proc/[0-9]*/environ
}

# until_in DIR SECONDS [NOW]: what begins now must have ended then.
until_in() { printf '%s\n' "$((${3:-$(date +%s)} + $2))" >"$1/until"; }

running() {
  for _each in "$STATE"/*/segments/*/until; do
    _each=${_each%/until}
    [ -d "$_each" ] && [ ! -e "$_each/done" ] && alive "$_each" && printf '%s\n' "$_each"
  done
  return 0
}

# halt RUN SEGMENT: what runs here for RUN begins no further step, nor does SEGMENT, which may still be on its way. Said of
# segments by name, so that it holds up nothing that is submitted later.
halt() {
  state_dir
  mkdir -p -m 700 "$STATE/$1" "$STATE/$1/segments"
  for _each in "$STATE/$1/segments/$2" $(running | grep -F -e "$STATE/$1/segments/"); do
    (umask 077 && : >"$_each.halt") || fail "the halt cannot be kept: is the disk full?"
  done
}

shutting_down() {
  case "$(systemctl is-system-running 2>/dev/null) $(runlevel 2>/dev/null)" in
    stopping* | *' 0' | *' 6') ;;
    *) return 1 ;;
  esac
}

# submit RUN SEGMENT OFFSET PROGRAM REQUEST: start the segment, or attach to it, or to the one that runs here already. An empty
# PROGRAM is the one that is kept here, $KEPT.
submit() {
  state_dir
  _dir=$STATE/$1/segments/$2
  if [ ! -d "$_dir" ]; then
    while shutting_down; do sleep 1; done # until it is, and this link with it
    _busy=$(running | head -n 1)
    if [ -n "$_busy" ]; then
      printf '@follow busy\n'
      follow "$_busy" 0
      return
    fi
    mkdir -p -m 700 "$STATE/bin" "$STATE/$1" "$STATE/$1/segments"
    mkdir -m 700 "$_dir"
    _program=${KEPT:-}
    [ -z "$4" ] || _program=$STATE/bin/$(printf '%s' "$4" | cksum | tr ' ' -)
    # A power cut may have left an empty file under the right name.
    [ -z "$4" ] || [ "$(cksum 2>/dev/null <"$_program" | tr ' ' -)" = "${_program##*/}" ] \
      || { (umask 077 && printf '%s' "$4" >"$_program.$$") && mv -f "$_program.$$" "$_program"; } \
      || fail "the steps cannot be kept: No space left on device?"
    (umask 077 && printf '%s' "$5" >"$_dir/request" && : >"$_dir/events" && reserve "$_dir") \
      || fail "the steps cannot be kept: No space left on device?"
    until_in "$_dir" 60
    on_disk "$_dir"/* "$_dir" "$STATE/$1/segments" "$STATE/$1" "$_program" "$STATE/bin" "$STATE"
    detach "$1" "$2" env "STORMLIFT_SEGMENT=$_dir" sh "$_program" run-segment "$_dir" "$_program"
  fi
  printf '@follow own\n'
  follow "$_dir" "$3"
}

# A unit of its own outlives the login whatever logind is told; a session of its own does where there is no systemd. A
# signal for the unit reaches the runner alone, so that a package manager is not ended in the middle of its work.
detach() {
  _unit=stormlift-$1-$2
  shift 2
  if [ -d /run/systemd/system ] && [ -z "$STORMLIFT_STATE" ] && have systemd-run; then
    for _how in --property=KillMode=process --quiet; do # an old systemd-run may not know the property
      systemd-run --quiet "$_how" --unit="$_unit" "$@" </dev/null >/dev/null 2>&1 && return
    done
  fi
  setsid "$@" </dev/null >/dev/null 2>&1 &
}

# follow DIR OFFSET: the events from OFFSET (bytes) on, until the segment ends; @alone when its runner died and a command
# of it goes on, @gone when nothing of it lives and it has not said how it ended.
follow() {
  _tries=0
  while [ ! -s "$1/pid" ] && [ "$_tries" -lt 100 ]; do
    _tries=$((_tries + 1))
    nap
  done
  # Whoever gives it up begins in its place: it must not come later and work beside the one that is started instead.
  [ -s "$1/pid" ] || mkdir "$1/begun" 2>/dev/null
  if runs "$1" && tail --help 2>&1 | grep -q -e --pid; then
    tail -c +$(($2 + 1)) -f -s 0.1 --pid="$(cat "$1/pid")" "$1/events"
  else
    poll "$1" "$2"
  fi
  [ ! -e "$1/done" ] || return 0
  if alive "$1"; then printf '@alone\n'; fi
  while alive "$1" && ! runs "$1"; do sleep 1; done
  [ -e "$1/done" ] || printf '@gone\n'
}

poll() {
  _at=$2
  while :; do
    _over=
    { [ -e "$1/done" ] || ! runs "$1"; } && _over=1
    _size=$(wc -c <"$1/events")
    if [ "$_size" -gt "$_at" ]; then
      tail -c +$((_at + 1)) "$1/events" | head -c $((_size - _at))
      _at=$_size
    fi
    [ -z "$_over" ] || return 0
    nap
  done
}

# --- inside the segment's own process ------------------------------------------------------------------------

say() { printf '%s\n' "$*" >>"$SEGMENT/events"; }

# A full disk would also swallow the words that say so: this room is kept for them.
reserve() { dd if=/dev/zero of="$1/reserve" bs=1024 count=64 2>/dev/null; }

# Says so when the disk is full, and gives up the reserve.
no_room() {
  _free=$(df -Pk "$STATE" | awk 'NR == 2 { print $4 }')
  [ "${_free:-64}" -lt 64 ] || return 0
  rm -f "$SEGMENT/reserve"
  say "| No space left on device: $_free KiB free under $STATE"
}

run_segment() {
  mkdir "$1/begun" 2>/dev/null || exit 0 # systemd-run may fail after it started us: never twice
  SEGMENT=$1 PROGRAM=$2
  RUN_DIR=${SEGMENT%/segments/*}
  cd / || exit 1
  umask 077
  printf '%s\n' "$$" >"$SEGMENT/pid.new"
  mv "$SEGMENT/pid.new" "$SEGMENT/pid"
  ENDING=
  _timeout=$(timeout_here) # every step would ask anew, in a shell of its own
  trap 'ENDING=1' TERM # the host shuts down, or somebody stops the unit: what runs may end first
  # shellcheck disable=SC1091
  . "$SEGMENT/request"
  finish
}

finish() {
  say @end
  rm -f "$SEGMENT/reserve"
  : >"$SEGMENT/done"
  exit 0
}

# fresh KEY ATTEMPT UNENDED...: what is to be done was decided by what the journal still says. Whoever worked here before may
# have gone on between the controller's look at it and this request; then nothing is done, and all is decided anew. UNENDED is
# 1 where the attempt before was begun and had not ended.
fresh() {
  # Zeros that a power cut may have left are no text; a line that was cut off counts as not written.
  _moved=$(cat "$STATE/journal" 2>/dev/null | tr '\000' '?' | awk -v run="${RUN_DIR##*/}" -v decided="$*" '
    function says(event, attempt) {
      return index($0, "\"event\":\"" event "\"") && match($0, "\"attempt\":" attempt "[,}]")
    }
    BEGIN { words = split(decided, word, " ") }
    !index($0, "\"run\":\"" run "\"") { next }
    { sub(/ #torn$/, "") }
    !/[}]$/ || gsub(/[{]/, "&") != gsub(/[}]/, "&") { next }
    {
      for (i = 1; i < words; i += 3)
        if (index($0, "\"step\":\"" word[i] "\"") \
            && (says("started", word[i + 1]) || (word[i + 2] == 1 && says("finished", word[i + 1] - 1)))) {
          print word[i]
          exit
        }
    }')
  [ -n "$_moved" ] || return 0
  say "@halted $_moved $(now)"
  finish
}

# step N KEY ATTEMPT PROVE_FIRST EVERY TRIES SECONDS PARTS HEAD: PARTS names which of settle, prove and repair the request
# defines; the command and its repair may take SECONDS each.
step() {
  _n=$1 _key=$2 _attempt=$3 _first=$4 _every=$5 _tries=$6 _seconds=$7 _parts=$8 _head=$9
  if [ -n "$ENDING" ] || [ -e "$SEGMENT.halt" ]; then
    rm -f "$SEGMENT.halt"
    say "@halted $_key $(now)"
    finish
  fi
  _log=$RUN_DIR/$_key.$_attempt
  mkdir -p -m 700 "$_log"
  _log=$_log/log
  : >>"$_log"
  # A later hop must not take the place of an earlier one's backup; a host that goes ahead has begun its own with the others.
  _hop=${_key%%:*}
  export STORMLIFT_RUN_DIR="$RUN_DIR" STORMLIFT_BACKUP="$RUN_DIR/backup/${_hop%%@*}" STORMLIFT_HEAD="$_head"
  holds "$TOKEN" || ended 77
  if [ "$_first" = 1 ] && part prove; then
    "prove_$_n" >>"$_log" 2>&1 </dev/null && { ended 0 true; return; }
  fi
  # What is not journalled is not begun.
  _at=$(now)
  journal "$_head,\"event\":\"started\",\"at\":${_at%.*},\"attempt\":$_attempt}" || {
    no_room
    say "@finished $_key $(now) 73 false"
    finish
  }
  say "@started $_key $_at"
  until_in "$SEGMENT" $((_seconds + 60)) "${_at%.*}"
  if [ "$_attempt" -gt 1 ] && part repair; then
    (umask 022 && "repair_$_n") >>"$_log" 2>&1 </dev/null
    until_in "$SEGMENT" $((_seconds + 60))
  fi
  (umask 022 && "do_$_n") >>"$_log" 2>&1 </dev/null
  _code=$?
  case $_code in 73 | 75 | 76 | 77) _code=1 ;; esac # words of the runner's own, further down
  if [ "$_code" = 0 ] && part settle; then settled || _code=75; fi
  if [ "$_code" = 0 ] && part prove; then "prove_$_n" >>"$_log" 2>&1 </dev/null || _code=76; fi
  # Did it fail, or was it ended as we were to be? Nobody knows, so it counts as interrupted.
  [ "$_code" = 0 ] || [ -z "$ENDING" ] || exit 143
  ended "$_code"
}

part() { case " $_parts " in *" $1 "*) ;; *) return 1 ;; esac; }

settled() {
  _try=0
  while ! "settle_$_n" >"$_log.settle" 2>&1 </dev/null; do
    _try=$((_try + 1))
    if [ "$_try" -ge "$_tries" ] || [ -n "$ENDING" ]; then
      cat "$_log.settle" >>"$_log"
      return 1
    fi
    sleep "$_every" 2>/dev/null || sleep 1 # an old one knows no fractions
  done
}

ended() {
  _ended=$1 _proved=${2:-false} _at=$(now)
  [ "$1" = 0 ] || no_room
  if [ "$1" != 77 ]; then
    _line="$_head,\"event\":\"finished\",\"at\":${_at%.*},\"attempt\":$_attempt,\"code\":$1,\"data\":{\"proved\":$_proved}}"
    # What the journal does not say has not ended: with another step behind it, it would run again after that one.
    journal "$_line" || { no_room && journal "$_line"; } || _ended=73
  fi
  if [ -s "$_log" ]; then
    sed -i 's|\([a-zA-Z][a-zA-Z0-9+.-]*://\)[^/[:space:]]*@|\1[secret]@|g' "$_log"
    tail -n 20 "$_log" | cut -c 1-500 | sed 's/^/| /' >>"$SEGMENT/events"
  fi
  say "@finished $_key $_at $_ended $_proved"
  [ "$_ended" = 0 ] || finish
}
