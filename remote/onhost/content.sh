# Keys and API keys of st2, on their way out of this instance or into it.

# move look|read PART...|apply TOKEN: standard input belongs to the data, so the script is an argument; no secret is in it.
move() {
  _python=$(python_of st2) || fail "there is no st2 on this host: $STACK/st2/bin/python is missing"
  if [ "$1" = apply ]; then
    must_hold "$2"
    set -- apply "$STATE/lock/token"
  fi
  ST2_AUTH_TOKEN=${ST2_TOKEN:-} ST2_API_KEY=${ST2_KEY:-}
  export ST2_AUTH_TOKEN ST2_API_KEY
  cd / && "$_python" -c "$CONTENT_MOVE_PY" "$@"
}
