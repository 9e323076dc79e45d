# shellcheck shell=bash
# A run of supervisors on a cluster of its own, in a temporary folder: how its programs are started, heard and ended.
# To be sourced after terminal.sh and prerequisites.sh. Everything of the run is in $folder, the cluster in $folder/cluster.

folder='' running='' keep=''

# The folder; whatever happens, end_run leaves nothing behind.
begin_run() { # NAME
  folder=$(mktemp -d "${TMPDIR:-/tmp}/kafkavisor-$1.XXXXXX")
  trap end_run EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  mkdir "$folder/run"
}

bring_up() { # OPTIONS of script/cluster
  local variables
  in_background "$here/cluster" up "$@" --dir "$folder/cluster"
  variables=$("$here/cluster" env --dir "$folder/cluster")
  eval "$variables"
}

# So that a signal to this script is heard at once.
in_background() { # COMMAND...
  local status=0
  "$@" </dev/null &
  running=$!
  wait "$running" || status=$?
  running=''
  return "$status"
}

# The same with a process group of its own, for what starts others and does not end them.
in_group() { # COMMAND...
  local status=0
  set -m
  "$@" </dev/null &
  running=$!
  set +m
  wait "$running" || status=$?
  running=''
  return "$status"
}

end_run() {
  local status=$?
  trap '' INT TERM
  if [[ $running ]]; then
    kill -TERM -- "-$running" 2>/dev/null || kill -TERM "$running" 2>/dev/null || true
    wait "$running" 2>/dev/null || true
  fi
  end_marked
  "$here/cluster" down --dir "$folder/cluster" 2>/dev/null || true
  if [[ $keep ]]; then
    say "history and logs: $folder/run"
  else
    rm -rf "$folder"
  fi
  exit "$status"
}

# Every process of the run carries the run's folder in its environment; none is left unless the runner itself was killed.
end_marked() {
  local environment pid
  for environment in /proc/[0-9]*/environ; do
    grep -qazF "E2E_INSTANCE=$folder/run/" "$environment" 2>/dev/null || continue
    pid=${environment#/proc/}
    kill -KILL "${pid%/environ}" 2>/dev/null || true
  done
}

# Builds the chaos suite and the programs under test; leaves the folder of the programs in $target.
build_runner() {
  need_build_tools
  target=$(cd "$here/.." && cargo metadata --format-version 1 --no-deps --locked |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/debug
  [[ -x $target/kafkavisor-chaos ]] || say "building (the first time takes a few minutes)…"
  (cd "$here/.." &&
    cargo build --quiet --locked -p kafkavisor-supervisor -p kafkavisor-worker -p kafkavisor-chaos --bins)
}
