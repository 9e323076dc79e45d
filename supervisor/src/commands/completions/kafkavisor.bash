# Completions of kafkavisor for bash.

_kafkavisor() {
  local i word glued='' prefix='' words=()
  # Readline takes `orders:3` and `--name=x` apart.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if ((i > 1)) && [[ $glued || $word == [:=]* ]]; then
      words[${#words[@]} - 1]+=$word
    else
      words+=("$word")
    fi
    glued=''
    [[ $word == *[:=] ]] && glued=yes
  done
  word=${words[${#words[@]} - 1]}
  mapfile -t COMPREPLY < <("${1/#\~/$HOME}" complete $((${#words[@]} - 1)) -- "${words[@]}" 2>/dev/null)
  COMPREPLY=("${COMPREPLY[@]%%$'\t'*}")
  # What is before the last `:` or `=` stands there already.
  [[ $word == *[:=]* ]] && prefix=${word%"${word##*[:=]}"}
  COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
  if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[:=/] ]]; then
    compopt -o nospace 2>/dev/null
  fi
}

complete -F _kafkavisor kafkavisor
