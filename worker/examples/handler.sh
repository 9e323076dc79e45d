#!/bin/sh
# A handler in plain sh, protocol jsonl: one message at a time, each acknowledged.
#   kafkavisor run -b localhost:9092 -z localhost:2181 -g demo -t orders -- ./handler.sh
# With OUT=FILE in the environment each message's line is appended to that file.

while IFS= read -r line; do
    case $line in
    '{"type":"message",'*)
        offset=${line#*'"offset":'}
        offset=${offset%%,*}
        if [ -n "${OUT:-}" ]; then
            printf '%s\n' "$line" >>"$OUT" || exit 1 # not acknowledged: it comes again
        fi
        printf '{"ack":%s}\n' "$offset"
        ;;
    '{"type":"stop",'*)
        exit 0
        ;;
    esac # init and flush ask for nothing: every message is acknowledged at once
done
