# Completions of kafkavisor for fish.

function __kafkavisor_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token --cut-at-cursor)
    $words[1] complete (math (count $words) - 1) -- $words 2>/dev/null
end

complete -c kafkavisor --no-files --keep-order --arguments '(__kafkavisor_complete)'
