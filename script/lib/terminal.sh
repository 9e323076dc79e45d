# shellcheck shell=bash
# How the scripts speak: progress and errors to stderr, headings in bold on a terminal only.
# To be sourced.

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "${0##*/}: $*"
  exit 1
}

# The command line alone is wrong.
fail_usage() {
  say "${0##*/}: $*"
  exit 64
}

# The comment at the head of the calling script is its help.
print_help() { sed -n '2,/^[^#]/ { s/^# \{0,1\}//p; }' "$0"; }

heading() {
  if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    printf '\n\033[1m%s\033[0m\n' "$*"
  else
    printf '\n%s\n' "$*"
  fi
}
