//! Handlers, workers, folders, sockets: 78.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use crate::running::*;

#[test]
fn a_handler_that_can_not_be_executed_is_78() {
    let scene = Scene::new();
    scene.write("plain", "#!/bin/sh\n");
    let mut program = fs::read("/bin/sh").unwrap();
    let loader = program.windows(4).position(|at| at == b"/lib").unwrap();
    program[loader + 1] = b'L';
    scene.executable("musl", &program);
    program[18] = 22;
    scene.executable("foreign", &program);
    scene.executable("dos", b"#!/bin/sh\r\nexec cat\r\n");
    scene.executable("python9", b"#!/usr/bin/env python9\n");
    scene.executable("nothing", b"#!/nowhere/sh\n");
    scene.executable("text", b"exec cat\n");
    fs::create_dir(scene.path("folder")).unwrap();
    symlink("nowhere", scene.path("dangling")).unwrap();
    let mut table = Table::default();
    for (handler, says) in [
        ("./missing", ": ./missing does not exist"),
        ("no-such-program", ": no-such-program is in no folder of PATH"),
        ("./folder", ": ./folder is a folder"),
        ("./plain", ": ./plain is not executable: chmod +x ./plain"),
        ("./dangling", ": ./dangling does not exist"),
        ("./handler/below", ": ./handler/below does not exist"),
        ("/dev/null", ": /dev/null is not a regular file"),
        ("./dos", ": ./dos: its first line ends with a carriage return"),
        ("./python9", "asks env for \"python9\""),
        ("./nothing", "names /nowhere/sh, which does not exist"),
        ("./text", ": ./text is neither a program nor a script"),
        ("./foreign", ": ./foreign is a program for s390x"),
        ("./musl", ": ./musl needs the loader /Lib"),
    ] {
        scene.write("k.yaml", RIGHT.replace("./handler", handler));
        for line in [
            format!("run {SERVERS} -g g -t t -- {handler}"),
            format!("check {SERVERS} -g g -t t -- {handler}"),
            "run -c k.yaml".to_owned(),
            "check -c k.yaml".to_owned(),
            format!("demo --seconds 4 -- {handler}"),
        ] {
            let ran = scene.run(&words(&line));
            table.note(&words(&line), None, &ran, &ran.complaints(78, &[says]));
        }
    }
    table.assert_empty();
}

#[test]
fn a_missing_worker_is_78() {
    let scene = Scene::new();
    scene.write("k.yaml", RIGHT);
    scene.write("plain", "");
    fs::copy(kafkavisor(), scene.path("kafkavisor")).unwrap();
    let alone = bounded(scene.command(scene.path("kafkavisor"), &["run", "-c", "k.yaml"]));
    let mut table = Table::default();
    table.note(
        &["run", "-c", "k.yaml"],
        None,
        &alone,
        &alone.complaints(78, &["kafkavisor-worker", "--worker-binary"]),
    );
    for worker in ["/nowhere/worker", "./plain", "."] {
        let arguments = ["run", "-c", "k.yaml", "--worker-binary", worker];
        let ran = scene.run(&arguments);
        table.note(&arguments, None, &ran, &ran.complaints(78, &["--worker-binary", worker]));
    }
    table.assert_empty();
}

#[test]
fn a_runtime_directory_that_can_not_be_one_is_78() {
    let scene = Scene::new();
    scene.write("k.yaml", RIGHT);
    scene.write("file", "in the way");
    symlink("handler", scene.path("link")).unwrap();
    let mut table = Table::default();
    for (folder, commands) in [
        ("file", ["check", "run"].as_slice()),
        ("link", &["check", "run"]),
        ("file/below", &["check", "run"]),
        // Only an attempt shows that there nothing can be made.
        ("/proc/kafkavisor", &["run"]),
    ] {
        for name in commands {
            let mut command = scene.command(kafkavisor(), &[name, "-c", "k.yaml"]);
            command.env("RUNTIME_DIRECTORY", folder);
            let ran = bounded(command);
            table.note(
                &[name, "in", folder],
                None,
                &ran,
                &ran.complaints(78, &[folder, "RUNTIME_DIRECTORY"]),
            );
        }
    }
    assert_eq!(fs::read_to_string(scene.path("file")).unwrap(), "in the way");
    table.assert_empty();
}

#[test]
fn a_socket_path_that_is_too_long_is_78() {
    let scene = Scene::new();
    let mut table = Table::default();
    let long = "x".repeat(107);
    for (line, place) in [
        (format!("name: {long}"), "k.yaml:5:7: `name`: control socket "),
        (format!("admin: {{socket: /{long}}}"), "k.yaml:5:17: `admin.socket`: "),
    ] {
        let text = format!("{RIGHT}{line}\n");
        scene.write("k.yaml", &text);
        for command in ["check", "run"] {
            let mut command = scene.command(kafkavisor(), &[command, "-c", "k.yaml"]);
            command.env_remove("RUNTIME_DIRECTORY");
            let ran = bounded(command);
            table.note(
                &["-c", "k.yaml"],
                Some(&text),
                &ran,
                &ran.complaints(78, &[place, "at most 107 bytes"]),
            );
        }
    }
    scene.write("k.yaml", RIGHT);
    let mut command = scene.command(kafkavisor(), &["check", "-c", "k.yaml"]);
    command.env("RUNTIME_DIRECTORY", scene.path(&long));
    let ran = bounded(command);
    table.note(&["check"], None, &ran, &ran.complaints(78, &["k.yaml:1:8: `group`: control socket "]));
    table.assert_empty();
}

#[test]
fn a_name_that_runs_already_is_78() {
    let scene = Scene::new();
    scene.write("k.yaml", RIGHT);
    fs::create_dir(scene.path("run")).unwrap();
    let held = File::create(scene.path("run/lock")).unwrap();
    held.lock().unwrap();
    let says = ["an instance named \"g\" runs already", "--name"];
    scene.run(&["run", "-c", "k.yaml"]).assert_refused(78, &says);
    drop(held);
    scene.run(&["run", "-c", "k.yaml"]).assert_refused(69, &["Kafka at 127.0.0.1:1"]);
}

#[test]
fn a_socket_path_that_can_not_be_written_is_78() {
    let scene = Scene::new();
    let mut table = Table::default();
    for (path, commands) in [
        ("/nowhere/control.sock", ["check", "run"].as_slice()),
        ("/dev/null/control.sock", &["check", "run"]),
        ("/etc/passwd", &["check", "run"]),
        // Only an attempt shows that there nothing can be made.
        ("/proc/control.sock", &["run"]),
    ] {
        scene.write("k.yaml", fixed(&format!("admin: {{socket: {path}}}")));
        for command in commands {
            let ran = scene.run(&[command, "-c", "k.yaml"]);
            let says = ["control socket", path, "admin.socket"];
            table.note(&[command], None, &ran, &ran.complaints(78, &says));
        }
    }
    table.assert_empty();
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let scene = Scene::new();
    scene.write("precious", "data");
    let path = scene.path("precious");
    // Where it is not refused it would run on: then it is asked to stop.
    scene.write("k.yaml", fixed(&format!("admin: {{socket: {}}}", path.display())));
    let mut command = scene.command("timeout", &["--signal=TERM", "10"]);
    command.arg(kafkavisor()).args(["run", "-c", "k.yaml"]);
    let ran = bounded(command);
    assert_eq!(
        fs::read_to_string(&path).ok().as_deref(),
        Some("data"),
        "the file is as it was:\n{}",
        ran.stderr
    );
    ran.assert_refused(78, &["precious", "admin.socket"]);
}
