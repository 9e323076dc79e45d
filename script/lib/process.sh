# shellcheck shell=bash
# Processes that outlive the script which starts them, known by a record: a file with pid and start time.
# No signal goes to a pid whose start time is not the recorded one, so never to a stranger with a recycled pid.
# To be sourced.

start_detached() { # RECORD LOG COMMAND...
  local record=$1 log=$2 pid
  shift 2
  (
    # Locks and the pipes of whoever called must not stay open as long as the server lives.
    for descriptor in /proc/"$BASHPID"/fd/*; do
      descriptor=${descriptor##*/}
      ((descriptor <= 2)) || eval "exec $descriptor>&-"
    done
    exec setsid "$@" </dev/null >>"$log" 2>&1
  ) &
  pid=$!
  disown "$pid"
  record_process "$record" "$pid"
}

record_process() { # RECORD PID
  printf '%s %s\n' "$2" "$(started_at "$2")" >"$1.new"
  mv "$1.new" "$1"
}

# In clock ticks since the machine started; empty when there is no such process, or only its zombie.
started_at() { # PID
  local stat fields
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
  read -ra fields <<<"${stat##*) }" # the command's name may hold spaces and parentheses
  [[ ${fields[0]} == [ZX] ]] || printf '%s\n' "${fields[19]}"
}

# The recorded process's pid, as long as it lives.
live_pid() { # RECORD
  local pid started
  { read -r pid started <"$1"; } 2>/dev/null || return 1
  [[ -n $started && $(started_at "$pid") == "$started" ]] && printf '%s\n' "$pid"
}

is_stopped() { # PID: by SIGSTOP
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  [[ ${stat##*) } == T* ]]
}

signal_process() { # SIGNAL RECORD
  local pid
  pid=$(live_pid "$2") || return 1
  kill -s "$1" "$pid"
}

# TERM for all at once, KILL for those still there after SECONDS.
end_processes() { # SECONDS RECORD...
  local deadline=$((SECONDS + $1)) record
  shift
  for record in "$@"; do
    signal_process TERM "$record" || continue
    signal_process CONT "$record" || true # a stopped process would not hear TERM
  done
  for record in "$@"; do
    while live_pid "$record" >/dev/null; do
      ((SECONDS < deadline)) || kill_process "$record"
      sleep 0.05
    done
    rm -f "$record"
  done
}

kill_process() { # RECORD: returns when it is gone
  signal_process KILL "$1" || return 0
  while live_pid "$1" >/dev/null; do sleep 0.02; done
}
