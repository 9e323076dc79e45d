//! Completions know what runs.

use std::process::Command;
use std::time::Duration;

use kafkavisor_tests::environment::kafkavisor;
use kafkavisor_tests::handlers;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::topic::Topic;
use nix::sys::signal::Signal;

/// Completes as readline would: it takes words apart at `:` and `=`, and gives the last part and the word before it.
const BASH: &str = r#"
source <("$1" completions bash) || exit
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_TYPE=9
COMP_POINT=${#COMP_LINE}
last=${COMP_WORDS[COMP_CWORD]}
[[ $last == : || $last == = ]] && last=''
complete=$(complete -p kafkavisor) && [[ $complete =~ -F\ ([^ ]+) ]] || exit
"${BASH_REMATCH[1]}" "$PROGRAM" "$last" "${COMP_WORDS[COMP_CWORD - 1]}"
((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}""#;

fn in_bash(folder: &std::path::Path, words: &[&str]) -> Vec<String> {
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", BASH, "bash"]).arg(kafkavisor()).arg("kafkavisor").args(words);
    let output = bash.env("PROGRAM", kafkavisor()).env("RUNTIME_DIRECTORY", folder).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn run_folder(instance: &Instance) -> std::path::PathBuf {
    instance.socket().parent().unwrap().to_owned()
}

#[test]
fn partitions_groups_and_names_of_what_runs_are_offered() {
    let topic = Topic::new(2);
    let instance = Builder::fixed(&topic, &[0, 1]).handler([handlers::shell()]).start();
    instance.wait_ready(2);
    let folder = run_folder(&instance);
    let (name, group) = (topic.name.clone(), instance.group());
    let both = [format!("{name}:0"), format!("{name}:1")];
    for verb in ["status", "skip", "seek"] {
        assert_eq!(in_bash(&folder, &[verb, ""]), both, "{verb}");
    }
    for verb in ["pause", "resume", "restart"] {
        assert_eq!(in_bash(&folder, &[verb, ""]), [vec![name.clone()], both.to_vec()].concat(), "{verb}");
    }
    // What stands there is not repeated.
    assert_eq!(in_bash(&folder, &["status", &name, ":"]), ["0", "1"]);
    assert_eq!(in_bash(&folder, &["pause", &name, ":", "1"]), ["1"]);
    assert_eq!(in_bash(&folder, &["status", "no-such-topic"]), [""; 0]);
    assert_eq!(in_bash(&folder, &["status", "-g", ""]), [group.as_str()]);
    assert_eq!(in_bash(&folder, &["pause", "-g", &group, ""]).len(), 3);
    assert_eq!(in_bash(&folder, &["pause", "-g", "another", ""]), [""; 0]);
    assert_eq!(in_bash(&folder, &["events", "--name", "=", ""]), [group.as_str()], "which is its name, too");
    let socket = instance.socket();
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(in_bash(elsewhere.path(), &["status", "--socket", socket.to_str().unwrap(), ""]), both);

    // One that hangs is not waited for.
    instance.signal(Signal::SIGSTOP);
    let begin = kafkavisor::clock::now();
    assert_eq!(in_bash(&folder, &["status", ""]), [""; 0]);
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    instance.signal(Signal::SIGCONT);
    instance.stop();
    assert_eq!(in_bash(&folder, &["status", ""]), [""; 0]);
    assert_eq!(in_bash(&folder, &["sta"]), ["status"]);
    let flags = in_bash(&folder, &["status", "--"]);
    assert!(flags.contains(&"--watch".to_owned()) && flags.contains(&"--json".to_owned()), "{flags:?}");
}

#[test]
fn where_only_a_few_words_may_stand_they_are_offered() {
    let nothing = tempfile::tempdir().unwrap();
    let offered = |words: &[&str]| in_bash(nothing.path(), words);
    assert_eq!(offered(&["log-level", ""]), ["error", "warn", "info", "debug", "trace"]);
    for verb in ["run", "check", "try"] {
        assert_eq!(offered(&[verb, "--protocol", ""]), ["jsonl", "binary", "exec"], "{verb}");
    }
    assert_eq!(offered(&["run", "--from", ""]), ["earliest", "latest"]);
    let pages = offered(&["man", ""]);
    for page in ["run", "offsets", "kafkavisor.yaml", "kafkavisor-worker"] {
        assert!(pages.contains(&page.to_owned()), "{page} in {pages:?}");
    }
    assert!(!pages.contains(&"guardian".to_owned()), "{pages:?}");
}

/// As its line editor does it, but for showing it.
const ZSH: &str = r#"
compdef() { }
_describe() { print -rl -- "${(@P)3}" }
source <(kafkavisor completions zsh)
words=(kafkavisor status "$1") CURRENT=3
_kafkavisor"#;
const FISH: &str = r#"
kafkavisor completions fish | source
complete --do-complete "kafkavisor status $argv[1]""#;

#[test]
fn zsh_and_fish_offer_them_too() {
    let topic = Topic::new(2);
    let instance = Builder::fixed(&topic, &[0, 1]).handler([handlers::shell()]).start();
    instance.wait_ready(2);
    let programs = kafkavisor().parent().unwrap().to_owned();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    for (shell, arguments) in
        [("zsh", ["-fc", ZSH, "zsh"].as_slice()), ("fish", &["--no-config", "-c", FISH])]
    {
        for typed in ["", &topic.name, &format!("{}:", topic.name)] {
            let mut command = Command::new(shell);
            command
                .args(arguments)
                .arg(typed)
                .env("PATH", &path)
                .env("RUNTIME_DIRECTORY", run_folder(&instance));
            // Where it is not installed, nobody uses it.
            let Ok(output) = command.output() else { continue };
            let said = String::from_utf8(output.stdout.clone()).unwrap();
            let offered: Vec<&str> = said.lines().collect();
            // zsh wants a colon that divides nothing with a backslash before it.
            let found = said.replace("\\:", ":");
            assert!(offered.len() == 2 && output.stderr.is_empty(), "{shell} {typed:?}: {output:?}");
            for number in 0..2 {
                assert!(
                    found.contains(&format!("{}:{number}", topic.name)) && found.contains("ready"),
                    "{shell}: {said}"
                );
            }
        }
    }
    instance.stop();
}
