//! `status --watch` on a real terminal.

use kafkavisor_tests::environment::kafkavisor;
use kafkavisor_tests::handlers;
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::processes;
use kafkavisor_tests::terminal::Terminal;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use nix::sys::signal::Signal;

fn watching(instance: &Instance, more: &[&str], rows: u16, columns: u16) -> Terminal {
    let (program, socket) = (kafkavisor(), instance.socket());
    let mut arguments = vec!["status", "--watch", "--socket", socket.to_str().unwrap()];
    arguments.extend(more);
    Terminal::start(program.to_str().unwrap(), &arguments, rows, columns)
}

/// The names of the partitions on the screen, in their order.
fn partitions(screen: &str, topic: &Topic) -> Vec<i32> {
    let number = |line: &str| line.strip_prefix(&format!("{}:", topic.name))?.split(' ').next()?.parse().ok();
    screen.lines().filter_map(number).collect()
}

#[test]
fn it_shows_what_needs_care_first_and_does_what_keys_say() {
    let topic = Topic::new(3);
    topic.produce(&numbered(3, 9));
    let script = format!(
        "[ $KAFKAVISOR_PARTITION = 1 ] && {{ echo no database >&2; exit 3; }}; exec {}",
        handlers::shell()
    );
    let instance = Builder::fixed(&topic, &[0, 1, 2]).set("restart.max", "200ms").shell(&script).start();
    instance.wait_for("1 fails and the others work", |status| {
        status.state_of(1) == "crash_loop" && status.state_of(0) == "ready" && status.state_of(2) == "ready"
    });
    assert!(instance.ask("pause", &[&format!("{}:2", topic.name)]).status.success());

    let mut terminal = watching(&instance, &[], 24, 150);
    let screen = terminal.wait_for("what needs care comes first", |screen| {
        partitions(screen, &topic) == [1, 2, 0] && screen.contains("handler exited with status 3")
    });
    assert!(screen.contains("1 crash_loop, 1 paused, 1 ready; lag ") && terminal.is_taken(), "{screen}");
    terminal.keys("\r");
    let one = format!("{}:1", topic.name);
    terminal.wait_for("Enter opens it", |screen| {
        screen.contains(&format!("partition  {one}")) && screen.contains("stderr  no database")
    });
    terminal.keys("\u{1b}");
    terminal.wait_for("Esc leads back", |screen| partitions(screen, &topic).len() == 3);
    terminal.keys("/paused\r");
    terminal.wait_for("a filter by state", |screen| partitions(screen, &topic) == [2]);
    terminal.keys("\u{1b}");
    terminal.wait_for("no filter", |screen| partitions(screen, &topic).len() == 3);
    terminal.keys("ssssss");
    terminal.wait_for("by name", |screen| partitions(screen, &topic) == [0, 1, 2]);
    terminal.keys("e");
    terminal.wait_for("events", |screen| {
        screen.contains(&format!("{one} crash_loop: handler exited with status 3"))
    });
    terminal.keys("\u{1b}");
    terminal.wait_for("Esc leads back", |screen| partitions(screen, &topic).len() == 3);
    terminal.resize(8, 50);
    let screen = terminal.wait_for("it fits a small one", |screen| {
        !screen.contains("RATE") && partitions(screen, &topic) == [0, 1, 2] && screen.contains("q quit")
    });
    assert!(screen.lines().all(|line| line.chars().count() <= 50), "{screen}");
    terminal.keys("q");
    assert_eq!(terminal.wait_exit(), 0);
    until("the terminal is given back", || (!terminal.is_taken()).then_some(()));
    instance.stop();
}

#[test]
fn a_supervisor_that_goes_away_is_said_and_found_again_and_little_is_written() {
    let topic = Topic::new(20);
    let all: Vec<i32> = (0..20).collect();
    let instance = Builder::fixed(&topic, &all).handler([handlers::shell()]).start();
    instance.wait_ready(20);
    let mut terminal = watching(&instance, &[], 30, 100);
    terminal.wait_for("it is shown", |screen| screen.contains("20 partitions: 20 ready"));
    let up = |screen: &str| screen.lines().next().and_then(|line| Some(line.split_once("up ")?.1.to_owned()));
    let mut before = up(&terminal.screen());
    let begin = terminal.bytes();
    for _ in 0..3 {
        let screen = terminal.wait_for("time goes on", |screen| up(screen) != before);
        before = up(&screen);
    }
    let written = terminal.bytes() - begin;
    assert!(written < 1_500, "{written} bytes for three looks at what has hardly changed");

    let pid = instance.pid();
    instance.stop();
    terminal.wait_for("it is gone", |screen| screen.starts_with("no answer since "));
    instance.start_again();
    terminal.wait_for("it is back", |screen| {
        screen.contains("20 partitions: 20 ready")
            && !screen.contains("no answer")
            && !screen.contains(&format!("pid {pid},"))
    });
    terminal.keys("\u{3}");
    assert_eq!(terminal.wait_exit(), 0);
    until("the terminal is given back", || (!terminal.is_taken()).then_some(()));

    // One partition, without colour, ended by a signal.
    let one = format!("{}:7", topic.name);
    let mut terminal = watching(&instance, &[&one], 30, 100);
    terminal.wait_for("it is shown", |screen| screen.contains(&format!("partition  {one}")));
    processes::signal(terminal.pid(), Signal::SIGTERM);
    assert_eq!(terminal.wait_exit(), 0);
    until("the terminal is given back", || (!terminal.is_taken()).then_some(()));
    let mut terminal = watching(&instance, &[&format!("{}:99", topic.name)], 30, 100);
    assert_eq!(terminal.wait_exit(), 64, "{}", terminal.screen());
    instance.stop();
}

#[test]
fn the_table_fits_the_terminal_and_is_whole_in_a_pipe() {
    let topic = Topic::new(1);
    topic.produce(&numbered(1, 2));
    let reason = "no space left on the volume with the invoices of the month".repeat(3);
    let script =
        format!("read init; read message; echo '{{\"reject\":0,\"error\":\"{reason}\"}}'; cat >/dev/null");
    let instance = Builder::fixed(&topic, &[0]).shell(&script).start();
    instance.wait_for("it is parked", |status| status.state_of(0) == "parked");
    let whole = String::from_utf8(instance.ask("status", &[]).stdout).unwrap();
    assert!(whole.contains(&reason) && !whole.contains('…'), "{whole}");
    let socket = instance.socket();
    let arguments = ["status", "--socket", socket.to_str().unwrap()];
    let mut terminal = Terminal::start(kafkavisor().to_str().unwrap(), &arguments, 30, 90);
    assert_eq!(terminal.wait_exit(), 0);
    let screen = terminal.wait_for("the table", |screen| screen.contains("parked") && screen.contains('…'));
    let rows = screen.lines().filter(|line| !line.is_empty()).count();
    assert_eq!(rows, 4, "nothing is wrapped:\n{screen}");
    instance.stop();
}

fn shown(terminal: &Terminal) {
    terminal.wait_for("it is shown", |screen| screen.contains("1 partition: 1 ready"));
}

#[test]
fn it_gives_the_terminal_back_while_it_stands_still() {
    let topic = Topic::new(1);
    let instance = Builder::fixed(&topic, &[0]).handler([handlers::shell()]).start();
    instance.wait_ready(1);
    let mut terminal = watching(&instance, &[], 24, 100);
    shown(&terminal);
    for by_key in [true, false] {
        if by_key {
            terminal.keys("\u{1a}");
        } else {
            processes::signal(terminal.pid(), Signal::SIGTSTP);
        }
        until("it stands still", || processes::is_stopped(terminal.pid()).then_some(()));
        until("the terminal is given back", || (!terminal.is_taken()).then_some(()));
        processes::signal(terminal.pid(), Signal::SIGCONT);
        until("it is taken again", || terminal.is_taken().then_some(()));
        shown(&terminal);
    }
    terminal.keys("q");
    assert_eq!(terminal.wait_exit(), 0);
    instance.stop();
}

#[test]
fn it_ends_with_its_terminal() {
    let topic = Topic::new(1);
    let instance = Builder::fixed(&topic, &[0]).handler([handlers::shell()]).start();
    instance.wait_ready(1);
    let mut terminal = watching(&instance, &[], 24, 100);
    shown(&terminal);
    terminal.hang_up();
    assert_eq!(terminal.wait_exit(), 0);

    // One that no signal comes to, since its terminal belongs to another session.
    let (program, socket) = (kafkavisor(), instance.socket());
    let program = program.to_str().unwrap();
    let arguments = ["--wait", program, "status", "--watch", "--socket", socket.to_str().unwrap()];
    let mut terminal = Terminal::start("setsid", &arguments, 24, 100);
    shown(&terminal);
    let watching = processes::children(terminal.pid())[0].0;
    terminal.hang_up();
    until("it has ended with its terminal", || (!processes::is_alive(watching)).then_some(()));
    instance.stop();
}
