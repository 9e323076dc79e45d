#!/usr/bin/env bash
# The smallest handler there is, for the protocol `jsonl`: it reads a message, works, and acknowledges it.
# Nothing else needs an answer: `init` tells where it begins, `flush` is for handlers that answer in batches,
# and after `stop` the input ends.
while IFS= read -r line; do
  if [[ $line =~ ^'{"type":"message","offset":'([0-9]+) ]]; then
    offset=${BASH_REMATCH[1]}
    # The work on "$line" goes here.
    printf '{"ack":%s}\n' "$offset"
  fi
done
