# shellcheck shell=bash disable=SC2154
# The servers of one test cluster in $dir: their configuration files, command lines, and what it means that one answers.
# To be sourced after process.sh and kafka-jars.sh, with kind, version, brokers and zookeepers set (see script/cluster).

# Everything in a cluster's folder is of one server, by its name.
conf_of() { printf '%s\n' "$dir/conf/$1.properties"; }
data_of() { printf '%s\n' "$dir/data/$1"; }
log_of() { printf '%s\n' "$dir/logs/$1.log"; }
record_of() { printf '%s\n' "$dir/run/$1"; }
port_of() { awk -v name="$1" '$1 == name { print $2 }' "$dir/ports"; }

zookeeper_names() { local i; for ((i = 1; i <= zookeepers; i++)); do printf 'zookeeper%s\n' "$i"; done; }
kafka_names() { local i; for ((i = 1; i <= brokers; i++)); do printf 'kafka%s\n' "$i"; done; }
other_names() { [[ $kind != secure ]] || printf 'tokens\n'; }
server_names() { zookeeper_names && other_names && kafka_names; }

addresses_of() { # NAME...: as clients want them
  local name addresses=()
  for name in "$@"; do addresses+=("127.0.0.1:$(port_of "$name")"); done
  local IFS=,
  printf '%s\n' "${addresses[*]}"
}

choose_ports() {
  local names name
  mapfile -t names < <(server_names)
  for name in "${names[@]}"; do
    case $kind:$name in
      kraft:kafka*) names+=("$name.controller") ;;
      *:zookeeper*) names+=("$name.peers" "$name.election") ;;
    esac
    # shellcheck disable=SC2207
    [[ $kind != secure ]] || names+=($(secure_port_names "$name"))
  done
  python3 "$lib/free-ports.py" "$cache/ports" "$dir" "${names[@]}" >"$dir/ports.new"
  mv "$dir/ports.new" "$dir/ports"
}

configure_servers() {
  local name
  write_log_configuration
  while read -r name; do
    mkdir -p "$(data_of "$name")"
    case $name in
      zookeeper*) write_zookeeper_configuration "$name" ;;
      kafka*) write_kafka_configuration "$name" ;;
    esac >"$(conf_of "$name")"
  done < <(server_names)
}

# To standard output, which is the server's log file.
write_log_configuration() {
  cat >"$dir/conf/log4j.properties" <<'LOG4J'
log4j.rootLogger=INFO, stdout
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=[%d] %p %m (%c)%n
LOG4J
  cat >"$dir/conf/log4j2.properties" <<'LOG4J2'
rootLogger.level=INFO
rootLogger.appenderRef.stdout.ref=stdout
appender.stdout.type=Console
appender.stdout.name=stdout
appender.stdout.layout.type=PatternLayout
appender.stdout.layout.pattern=[%d] %p %m (%c)%n
LOG4J2
}

write_zookeeper_configuration() { # NAME
  cat <<CONF
tickTime=500
initLimit=20
syncLimit=10
dataDir=$(data_of "$1")
clientPort=$(port_of "$1")
clientPortAddress=127.0.0.1
maxClientCnxns=0
maxSessionTimeout=60000
admin.enableServer=false
4lw.commands.whitelist=*
CONF
  [[ $kind != secure ]] || write_secure_zookeeper "$1"
  ((zookeepers > 1)) || return 0
  printf '%s\n' "${1#zookeeper}" >"$(data_of "$1")/myid"
  local peer
  for peer in $(zookeeper_names); do
    printf 'server.%s=127.0.0.1:%s:%s\n' "${peer#zookeeper}" "$(port_of "$peer.peers")" "$(port_of "$peer.election")"
  done
}

write_kafka_configuration() { # NAME
  local copies=$((brokers < 3 ? brokers : 3))
  case $kind in
    kraft) write_kraft_broker "$1" ;;
    *) write_zookeeper_broker "$1" ;;
  esac
  [[ $kind != secure ]] || write_secure_broker
  cat <<CONF
log.dirs=$(data_of "$1")
num.network.threads=2
num.io.threads=2
auto.create.topics.enable=false
delete.topic.enable=true
default.replication.factor=$copies
message.max.bytes=4194304
replica.fetch.max.bytes=4194304
offsets.topic.num.partitions=4
offsets.topic.replication.factor=$copies
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=$copies
transaction.state.log.min.isr=$((copies < 3 ? 1 : 2))
group.initial.rebalance.delay.ms=0
controlled.shutdown.max.retries=1
log.initial.task.delay.ms=1000
log.retention.check.interval.ms=5000
log.cleaner.backoff.ms=1000
log.cleaner.dedupe.buffer.size=4194304
CONF
}

write_zookeeper_broker() { # NAME
  # shellcheck disable=SC2046
  cat <<CONF
broker.id=${1#kafka}
listeners=PLAINTEXT://127.0.0.1:$(port_of "$1")$([[ $kind != secure ]] || secure_listener_addresses "$1")
zookeeper.connect=$(addresses_of $(zookeeper_names))/kafka
zookeeper.session.timeout.ms=6000
zookeeper.connection.timeout.ms=30000
controlled.shutdown.retry.backoff.ms=100
CONF
}

write_kraft_broker() { # NAME
  local id=${1#kafka} port controller_port
  port=$(port_of "$1")
  controller_port=$(port_of "$1.controller")
  cat <<CONF
node.id=$id
process.roles=broker,controller
controller.quorum.voters=$id@127.0.0.1:$controller_port
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller_port
advertised.listeners=PLAINTEXT://127.0.0.1:$port
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=500
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
CONF
}

java_command() { # HEAP CLASS: leaves it in $java
  java=(
    java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData "-Xmx$1" "-Xms$1" -Djava.awt.headless=true
    "-Dlog4j2.configurationFile=$dir/conf/log4j2.properties" -cp "$dir/conf:$libs/*" "$2"
  )
}

# Starting returns at once; await_servers waits.
start_server() { # NAME
  local java server
  case $1 in
    zookeeper*)
      java_command 128m org.apache.zookeeper.server.quorum.QuorumPeerMain
      server=("${java[@]}" "$(conf_of "$1")")
      ;;
    kafka*)
      java_command 256m kafka.Kafka
      server=("${java[@]}" "$(conf_of "$1")")
      ;;
    tokens) server=(python3 "$lib/token-service.py" serve "$(port_of "$1")" "$dir/conf/token.key") ;;
  esac
  start_detached "$(record_of "$1")" "$(log_of "$1")" "${server[@]}"
}

format_kraft_storage() { # NAME: before its first start
  local java
  java_command 128m kafka.tools.StorageTool
  "${java[@]}" format -t kafkavisor-test-cluste -c "$(conf_of "$1")" </dev/null >>"$(log_of "$1")" 2>&1 ||
    fail "could not format the storage of $1; see $(log_of "$1")"
}

# A killed broker's node outlives it by its session; the broker's next life would end on finding it.
await_forgotten() { # KAFKA-NAME
  local ports
  [[ $kind != kraft ]] || return 0
  ports=$(for zookeeper in $(zookeeper_names); do port_of "$zookeeper"; done | paste -sd,)
  python3 "$lib/await-servers.py" 20 "absent:$ports:/kafka/brokers/ids/${1#kafka}" ||
    fail "ZooKeeper still holds the last life of $1"
}

# That one server answers: alone, or knowing all brokers.
question_about() { # NAME [BROKER-IDS]
  local id=${1#kafka}
  case $1 in
    zookeeper*) printf 'zookeeper:%s\n' "$(port_of "$1")" ;;
    kafka*) printf 'kafka:%s:%s\n' "$(port_of "$1")" "${2:-$id}" ;;
    tokens) printf 'tokens:%s\n' "$(port_of "$1")" ;;
  esac
}

await_servers() { # SECONDS BROKER-IDS NAME...: with "" for the ids, each broker need only know itself
  local seconds=$1 ids=$2 name questions=()
  shift 2
  for name in "$@"; do questions+=("$(question_about "$name" "$ids")@$(record_of "$name")"); done
  python3 "$lib/await-servers.py" "$seconds" "${questions[@]}" && return
  for name in "$@"; do
    say "--- the end of $(log_of "$name")"
    tail -n 5 "$(log_of "$name")" >&2 || true
  done
  return 1
}
