#!/bin/sh
# A plain command, protocol exec: one process per batch, a payload a line; exit 0 says that the batch is done.
#   kafkavisor run -b localhost:9092 -z localhost:2181 -g demo -t orders --protocol exec -- ./words.sh
# With OUT=FILE in the environment the payloads are appended to that file, else their words are counted.
set -eu

if [ -n "${OUT:-}" ]; then
    cat >>"$OUT"
else
    words=$(wc -w)
    printf '%s messages, offsets %s to %s: %d words\n' \
        "$KAFKAVISOR_COUNT" "$KAFKAVISOR_FIRST_OFFSET" "$KAFKAVISOR_LAST_OFFSET" "$words" >&2
fi
