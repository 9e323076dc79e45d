# shellcheck shell=bash disable=SC2154
# The demonstration on a real Kafka: two supervisors in one group lose a worker, then one of the two, then nothing.
# To be sourced by script/demo, which leaves the program in $kafkavisor; uses $here, $lib.

# shellcheck source=script/lib/process.sh
source "$lib/process.sh"

topic=orders
group=services.demo
declare -A supervisor_pids=()

real_demo() {
  need_python
  work=$(mktemp -d "${TMPDIR:-/tmp}/kafkavisor-demo.XXXXXX")
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  mkdir "$work/run" "$work/delivered"

  "$here/cluster" up --dir "$work/cluster"
  eval "$("$here/cluster" env --dir "$work/cluster")"
  create_topic
  start_producing
  write_handler

  share_partitions
  kill_a_worker
  kill_a_supervisor
  stop_gracefully
  compare
}

share_partitions() {
  heading "1. Two members share six partitions"
  start_supervisor demo-1
  start_supervisor demo-2
  await 60 "three partitions each" demo-1 'len(ready) == 3'
  await 60 "three partitions each" demo-2 'len(ready) == 3'
  show demo-1
  show demo-2
}

kill_a_worker() {
  local partition old new
  heading "2. Kill one worker (SIGKILL)"
  read -r partition old < <(ask demo-1 'p[0]["partition"], p[0]["worker_pid"]')
  begin
  kill -KILL "$old"
  await 30 "a new worker for $topic:$partition" demo-1 \
    "any(x['partition'] == $partition and x['worker_pid'] not in ($old, None) for x in ready)"
  new=$(ask demo-1 "next(x['worker_pid'] for x in p if x['partition'] == $partition)")
  note "$topic:$partition: worker $old killed, $new in its place after $(elapsed)"
  show demo-1
}

kill_a_supervisor() {
  heading "3. Kill a whole supervisor (SIGKILL): the other takes its partitions over"
  disown "${supervisor_pids[demo-2]}" # or the shell would say, too, that it was killed
  begin
  signal_process KILL "$work/run/demo-2"
  await 60 "all six partitions with demo-1" demo-1 'len(ready) == 6'
  note "demo-2 killed, its partitions ready at demo-1 after $(elapsed)"
  show demo-1
}

stop_gracefully() {
  local status=0
  heading "4. Stop gracefully"
  stop_producing
  await 60 "a lag of 0" demo-1 \
    "sum(x['high_watermark'] or 0 for x in p) == $produced and sum(x['lag'] or 0 for x in p) == 0"
  note "all caught up: the lag is $(ask demo-1 "sum(x['lag'] for x in p)")"
  begin
  "$kafkavisor" stop --socket "$(socket_of demo-1)"
  wait "${supervisor_pids[demo-1]}" || status=$?
  ((status == 0)) || fail "demo-1 ended with status $status"
  note "demo-1 ended with status 0 after $(elapsed)"
}

# Every message was handled, and what the kills made to be handled again is known.
compare() {
  heading "What happened"
  python3 - "$produced" "$work/delivered" <<'PYTHON'
import collections, json, pathlib, sys

produced = int(sys.argv[1])
times = collections.Counter()
for file in pathlib.Path(sys.argv[2]).iterdir():
    for line in file.read_text().splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue  # its handler was killed in the middle of the line
        if message.get("type") == "message":
            times[message["value"]] += 1
again = sum(count - 1 for count in times.values())
missing = {f"order {number}" for number in range(1, produced + 1)} - set(times)
print(f"   produced {produced:6}")
print(f"   handled  {len(times):6}  different ones, none missing" if not missing else f"   missing  {len(missing):6}")
print(f"   again    {again:6}  delivered once more because of the kills")
sys.exit(bool(missing))
PYTHON
}

create_topic() {
  (kafka_tool org.apache.kafka.tools.TopicCommand --bootstrap-server "$KAFKAVISOR_TEST_BROKERS" \
    --create --topic "$topic" --partitions 6) >"$work/topic.log" 2>&1 || {
    tail -n 5 "$work/topic.log" >&2
    fail "could not create the topic $topic"
  }
}

kafka_tool() { # CLASS ARG...: in place of this shell
  local class=$1
  shift
  exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx64m -cp "$KAFKAVISOR_TEST_DIR/conf:$KAFKAVISOR_TEST_LIBS/*" \
    "$class" "$@"
}

# About a hundred messages a second, spread over the partitions by their keys, until the file `producing` is gone.
start_producing() {
  mkfifo "$work/messages"
  touch "$work/producing"
  write_messages >"$work/messages" &
  record_process "$work/run/messages" "$!"
  kafka_tool kafka.tools.ConsoleProducer --bootstrap-server "$KAFKAVISOR_TEST_BROKERS" --topic "$topic" --timeout 20 \
    --property parse.key=true --property key.separator=: <"$work/messages" >"$work/producer.log" 2>&1 &
  producer_pid=$!
  record_process "$work/run/producer" "$producer_pid"
}

write_messages() {
  local number=0 batch
  while [[ -e $work/producing ]]; do
    for batch in 1 2 3 4 5; do
      number=$((number + 1))
      printf '%s:order %s\n' "$batch$number" "$number"
    done
    sleep 0.05
  done
  printf '%s\n' "$number" >"$work/produced"
}

stop_producing() {
  rm "$work/producing"
  wait "$producer_pid" || fail "the producer failed: $(tail -n 3 "$work/producer.log")"
  produced=$(<"$work/produced")
}

# The example handler, with a copy kept of what it was given.
write_handler() {
  cat >"$work/handler" <<HANDLER
#!/usr/bin/env bash
tee -a $(printf %q "$work/delivered")/"\$KAFKAVISOR_PARTITION" | exec $(printf %q "$here/../worker/examples/handler.sh")
HANDLER
  chmod +x "$work/handler"
}

start_supervisor() { # NAME
  mkdir -m 700 "$work/$1"
  RUNTIME_DIRECTORY=$work/$1 "$kafkavisor" run --name "$1" -g "$group" -t "$topic" \
    -b "$KAFKAVISOR_TEST_BROKERS" -z "$KAFKAVISOR_TEST_ZOOKEEPER" --from earliest -- "$work/handler" \
    </dev/null >"$work/$1.log" 2>&1 &
  supervisor_pids[$1]=$!
  record_process "$work/run/$1" "$!"
}

socket_of() { printf '%s\n' "$work/$1/control.sock"; } # NAME

show() { # NAME
  printf '\n   %s\n' "$1"
  "$kafkavisor" status --socket "$(socket_of "$1")" | sed 's/^/   /'
}

note() { printf '   %s\n' "$*"; }

# A Python expression over p, the partitions, and ready, those of them that are; a tuple's values in one line.
ask() { # NAME EXPRESSION
  "$kafkavisor" status --json --socket "$(socket_of "$1")" 2>/dev/null | python3 -c '
import json, sys
p = json.load(sys.stdin)["partitions"]
ready = [x for x in p if x["state"] == "ready"]
value = eval(sys.argv[1])
print(*value) if isinstance(value, tuple) else print(value)' "$2" 2>/dev/null
}

await() { # SECONDS WHAT NAME EXPRESSION
  local deadline=$((SECONDS + $1))
  until [[ $(ask "$3" "$4") == True ]]; do
    live_pid "$work/run/$3" >/dev/null || give_up "$3" "$3 ended while waiting for $2"
    ((SECONDS < deadline)) || give_up "$3" "no sign of $2 within $1 s"
    sleep 0.1
  done
}

give_up() { # NAME WHY
  tail -n 20 "$work/$1.log" >&2
  fail "$2"
}

begin() { began=${EPOCHREALTIME/[.,]/}; }
elapsed() { printf '%s.%s s\n' $(((${EPOCHREALTIME/[.,]/} - began) / 1000000)) $(((${EPOCHREALTIME/[.,]/} - began) / 100000 % 10)); }

clean_up() {
  trap '' INT TERM
  rm -f "$work/producing"
  end_processes 12 "$work"/run/*
  "$here/cluster" down --dir "$work/cluster" 2>/dev/null || true
  rm -rf "$work"
}
