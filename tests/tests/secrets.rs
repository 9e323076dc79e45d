//! What the configuration says under `kafka:` may be a password: it reaches workers over their socket and is found in no
//! argument, no environment, no log, no status and no file of the instance.

use std::fs;
use std::path::Path;

use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use nix::sys::signal::Signal;
use serde_json::json;

/// Like no other text that could be there.
const SECRET: &str = "correct-horse-9f2c61";

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// What anybody on the machine may read of each process of the instance.
fn of_processes(instance: &Instance) -> Vec<(i32, Vec<u8>)> {
    let read = |pid: i32, what: &str| fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
    let pids = processes::marked_with(instance.folder());
    pids.into_iter().map(|pid| (pid, [read(pid, "cmdline"), read(pid, "environ")].concat())).collect()
}

fn assert_no_file_holds_it(folder: &Path) {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            files += 1;
            assert!(!holds(&fs::read(&path).unwrap(), SECRET), "{} holds it", path.display());
        }
    }
    assert!(files >= 2, "lock and pages are in {}", folder.display());
}

#[test]
fn it_is_in_no_argument_environment_log_or_status() {
    let (topic, records) = (Topic::new(2), Records::new());
    topic.produce(&numbered(2, 20));
    // A property that every broker takes, carried as any other is.
    let instance = Builder::of(&topic)
        .set("kafka", json!({"client.rack": SECRET}))
        .set("log", json!({"level": "debug"}))
        .recorder(&Recorder::new(&records))
        .start();
    let status = instance.wait_consumed(&topic, 2);
    // A death, so that what is said of one is looked through, too.
    processes::signal(status.partition(0).handler_pid.unwrap(), Signal::SIGKILL);
    let status = instance.wait_for("its handler is started again", |status| {
        status.is_ready(2) && status.partition(0).restarts_total == 1
    });
    instance.signal(Signal::SIGUSR1);
    instance.wait_for_log("generation");

    let all = of_processes(&instance);
    for pid in [Some(instance.pid()), status.partition(1).worker_pid, status.partition(1).handler_pid] {
        let known = all.iter().find(|(known, _)| Some(*known) == pid).expect("it is among them");
        assert!(holds(&known.1, "E2E_INSTANCE="), "the environment was read");
    }
    let worker = all.iter().find(|(pid, _)| Some(*pid) == status.partition(1).worker_pid).unwrap();
    assert!(holds(&worker.1, &topic.name), "the arguments were read");
    for (pid, bytes) in &all {
        assert!(!holds(bytes, SECRET), "process {pid}: {}", String::from_utf8_lossy(bytes));
    }
    assert!(!instance.log().contains(SECRET), "{}", instance.log());
    for arguments in [&["--json"][..], &[]] {
        let said = instance.ask("status", arguments);
        assert!(said.status.success());
        assert!(!holds(&said.stdout, SECRET) && !holds(&said.stderr, SECRET), "{said:?}");
    }
    assert_no_file_holds_it(&instance.folder().join("run"));
    instance.stop();
    assert!(!instance.log().contains(SECRET));
}

#[test]
fn whatever_check_and_run_say_of_it_they_never_show_it() {
    let topic = Topic::new(1);
    for property in ["sasl.password", "ssl.key.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"] {
        let builder = Builder::of(&topic).handler(["cat"]).set("kafka", json!({property: SECRET}));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("k.yaml");
        fs::write(&file, builder.text()).unwrap();
        for command in [&["check"][..], &["check", "--online"], &["run"]] {
            let output = std::process::Command::new(kafkavisor_tests::environment::kafkavisor())
                .args(command)
                .arg("-c")
                .arg(&file)
                .env("RUNTIME_DIRECTORY", folder.path().join("run"))
                .output()
                .unwrap();
            let said = [output.stdout, output.stderr].concat();
            assert!(holds(&said, property), "{property}: {}", String::from_utf8_lossy(&said));
            assert!(!holds(&said, SECRET), "{property}: {}", String::from_utf8_lossy(&said));
        }
    }
}
