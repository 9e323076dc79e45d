#compdef kafkavisor
# Completions of kafkavisor for zsh.

_kafkavisor() {
  local -a found
  local line value
  for line in "${(@f)$("${words[1]/#\~/$HOME}" complete $((CURRENT - 1)) -- "${(@)words[1,CURRENT]}" 2>/dev/null)}"; do
    value=${line%%$'\t'*}
    [[ -n $value ]] && found+=("${value//:/\\:}:${line#*$'\t'}")
  done
  _describe -V 'kafkavisor' found
}

if [[ $funcstack[1] == _kafkavisor ]]; then
  _kafkavisor "$@"
else
  compdef _kafkavisor kafkavisor
fi
