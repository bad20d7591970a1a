# The lock of a deployment, one directory on each of its hosts; made by mkdir, which only one can win.

# lock-take FENCE TOKEN HOLDER [STALE AGE]: STALE is the token of a dead holder whose lock is taken over, unless it has given
# a sign of life since it was seen to be AGE seconds old: whoever was asleep may wake between the look and this.
lock_take() {
  state_dir
  if [ -n "$4" ] && [ "$(cat "$STATE/lock/token" 2>/dev/null)" = "$4" ] && [ "$(lock_age)" -ge "$5" ]; then
    mv "$STATE/lock" "$STATE/lock.$4" 2>/dev/null && rm -rf "$STATE/lock.$4"
  fi
  # Whoever lost power between mkdir and token left a lock that nobody holds.
  if [ ! -s "$STATE/lock/token" ] && [ -n "$(find "$STATE/lock" -maxdepth 0 -mmin +1 2>/dev/null)" ]; then rm -rf "$STATE/lock"; fi
  _last=$(head -n 1 "$STATE/fence" 2>/dev/null)
  # Who holds it comes first, then who held it last: that is what the loser of a race wants to know.
  if [ ! -e "$STATE/lock" ] && [ "$1" -le "${_last:-0}" ]; then
    printf 'fence\n0\n-\n%s\n' "$(tail -n +2 "$STATE/fence")"
    return 3
  fi
  mkdir -m 700 "$STATE/lock" 2>/dev/null || {
    lock_show
    return 3
  }
  (umask 077 && printf '%s\n' "$1" "$3" >"$STATE/fence.new" && mv -f "$STATE/fence.new" "$STATE/fence" \
    && printf '%s' "$3" >"$STATE/lock/holder" && : >"$STATE/lock/beat" && printf '%s' "$2" >"$STATE/lock/token") || {
    rm -rf "$STATE/lock"
    fail "the lock cannot be written: is the disk full?"
  }
  sync
  printf 'taken\n'
}

# Seconds since the last sign of life.
lock_age() {
  echo $(($(date +%s) - $(stat -c %Y "$STATE/lock/beat" 2>/dev/null || echo 0)))
}

lock_show() {
  [ -s "$STATE/lock/token" ] || return 0
  printf '%s\n%s\n%s\n' "$(lock_age)" "$(cat "$STATE/lock/token")" "$(cat "$STATE/lock/holder")"
}

# lock-keep TOKEN: every line that comes in is a sign of life; says lost when the lock is somebody else's.
lock_keep() {
  printf 'kept\n'
  while read -r _; do
    [ "$(cat "$STATE/lock/token" 2>/dev/null)" = "$1" ] || {
      printf 'lost\n'
      return 0
    }
    touch "$STATE/lock/beat"
  done
}

lock_release() {
  if [ "$(cat "$STATE/lock/token" 2>/dev/null)" = "$1" ]; then rm -rf "$STATE/lock"; fi
  sync
}
