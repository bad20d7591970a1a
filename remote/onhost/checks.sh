# Checks of st2 itself.

python_of() {
  for _python in "$STACK/$1/bin/python" "$STACK/$1/bin/python3"; do
    [ -x "$_python" ] && printf '%s\n' "$_python" && return
  done
  return 1
}

mistral() {
  # A dump is read by any Python: 3.3 takes Mistral away, and its dumps stay.
  _python=$(python_of mistral) || { [ "${1:-} ${2:-}" = "export --dump" ] && { _python=$(python_of st2) || _python=$(command -v python3); }; } \
    || fail "there is no Mistral on this host: $STACK/mistral/bin/python is missing"
  export STORMLIFT_MISTRAL="$STACK/mistral"
  case $1 in
    same | scratch | restore) _place=$(place_of "$2") && set -- "$1" "$_place" || exit 1 ;;
    rehearse) _place=$(place_of "$2") && set -- "$1" "$_place" "$STORMLIFT_RUN_DIR/aside" || exit 1 ;;
  esac
  printf '%s' "$MISTRAL_PY" | "$_python" - "$@"
}

# store look|release|dump|scratch NAME|restore NAME|same NAME|since EPOCH: st2's own database.
store() {
  _python=$(python_of st2) || fail "there is no st2 on this host: $STACK/st2/bin/python is missing"
  case $1 in
    look | release | since)
      printf '%s' "$STORE_PY" | limit 60 "$_python" - "$@"
      return
      ;;
    dump) [ -e "$STATE/hold" ] || set -- dump serving ;;
    rehearse)
      _place=$(place_of "$2") || exit 1
      shift 2
      set -- rehearse "$_place" "$STORMLIFT_RUN_DIR/aside" "$@"
      ;;
    *)
      _place=$(place_of "$2") || exit 1
      set -- "$1" "$_place"
      ;;
  esac
  printf '%s' "$STORE_PY" | "$_python" - "$@"
}

keys() {
  _python=$(python_of st2) || fail "there is no st2 on this host: $STACK/st2/bin/python is missing"
  printf '%s' "$KEYS_PY" | limit 60 "$_python" - "$@"
}

# queue count|absent|delete NAME: a queue of st2's RabbitMQ.
queue() {
  _python=$(python_of st2) || fail "there is no st2 on this host: $STACK/st2/bin/python is missing"
  printf '%s' "$QUEUE_PY" | limit 60 "$_python" - "$@"
}

# content look|KEY: what packs and st2.conf hold against a later release.
content() {
  _python=$(python_of st2) || _python=$(command -v python3) || _python=$(command -v python2) || fail "no Python on this host reads packs"
  printf '%s' "$EVIDENCE_PY" | limit 120 "$_python" - "$1" "$STACK/packs" "${STORMLIFT_CONF:-/etc/st2/st2.conf}"
}

# answers RELEASE UNIT...: every HTTP service that is to run here answers, and the API and the code are of the release.
answers() {
  _release=$1
  shift
  _python=$(python_of st2) && {
    _found=$("$_python" -c 'import st2common; print(st2common.__version__)')
    [ "$_found" = "$_release" ] || fail "the code in $STACK/st2 is $_found, not $_release"
  }
  for _unit in "$@"; do
    case $_unit in
      st2auth) wait_for_answer 9100 auth ;;
      st2api) wait_for_answer 9101 API ;;
      st2stream) wait_for_answer 9102 stream ;;
    esac
  done
}

# 401 without a token proves life, a server's own error does not. The first one takes seconds after a start.
wait_for_answer() {
  _tries=0
  while :; do
    _status=$(curl -s -o /dev/null -m 5 -w '%{http_code}' "http://127.0.0.1:$1/" 2>/dev/null) || :
    case $_status in
      [1-4][0-9][0-9]) break ;;
    esac
    _tries=$((_tries + 1))
    [ "$_tries" -lt "${ANSWER_TRIES:-60}" ] || fail "$2 does not answer on port $1"
    sleep 1
  done
  printf '%s answers on port %s: %s\n' "$2" "$1" "$_status"
}

# st2 run exits 0 for timeout and abandoned: only the status counts.
core_local() {
  _said=$(HOME=/root limit 120 st2 run core.local -j -- date -R 2>&1)
  case $_said in
    *'"status": "succeeded"'*) printf 'core.local succeeded\n' ;;
    *'HTTP 401'* | *'401 Client Error'* | *Unauthorized*) printf 'not tried: the st2 of root on this host has no credentials\n' ;;
    *) fail "core.local did not succeed: $_said" ;;
  esac
}

# settle_release RELEASE [RUN]: of a way back, which RUN it undid.
settle_release() {
  _undone=${2:+",\"rolled_back\":\"$2\""}
  journal "$STORMLIFT_HEAD,\"event\":\"settled\",\"at\":$(date +%s),\"data\":{\"release\":\"$1\"$_undone}}"
}
