//! Keys in, screens out.

use std::time::{Duration, Instant};

use kafkavisor::clock::now;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::draw::draw;
use super::keys::Flow;
use super::view::{Look, Page, View};
use crate::commands::events::Event;
use crate::observe::detail::Detail;
use crate::observe::status::{Assignment, Partition, Status};

/// 2026-01-01, 12:00.
const WALL: i64 = 1_767_268_800_000;

fn partition(number: i32, state: &str, lag: i64) -> Partition {
    Partition {
        topic: "orders".to_owned(),
        partition: number,
        state: state.to_owned(),
        lag: Some(lag),
        ..Partition::default()
    }
}

/// Twelve partitions; four of them need care.
fn status(messages: u64) -> Status {
    let mut partitions: Vec<_> = (0..12)
        .map(|number| Partition { messages_total: messages, ..partition(number, "ready", 0) })
        .collect();
    partitions[3] = Partition {
        last_exit: Some("handler exited with status 1".to_owned()),
        next: Some("its worker starts in 9.0 s".to_owned()),
        lag_seconds: 130.0,
        restarts_total: 7,
        ..partition(3, "crash_loop", 1_300)
    };
    partitions[5] = partition(5, "parked", 20);
    partitions[7] = Partition {
        hanging: true,
        in_flight: 10,
        oldest_in_flight_seconds: 12.0,
        next: Some("its handler has said nothing for 12 s: handler_timeout in 18 s".to_owned()),
        ..partition(7, "ready", 30)
    };
    partitions[9] = partition(9, "paused", 5);
    let assignment = Assignment {
        mode: "zookeeper".to_owned(),
        state: "acquired".to_owned(),
        members: 2,
        ..Assignment::default()
    };
    Status {
        group: "billing".to_owned(),
        state: "running".to_owned(),
        pid: 4711,
        generation: 3,
        uptime_seconds: 61.0,
        assignment,
        partitions,
        ..Status::default()
    }
}

fn look(status: Result<Status, String>) -> Look {
    Look { status, detail: None, events: Vec::new() }
}

struct Watched {
    view: View,
    terminal: Terminal<TestBackend>,
    begin: Instant,
}

impl Watched {
    /// Two looks have been taken, a second apart.
    fn new(width: u16, height: u16) -> Self {
        let begin = now();
        let mut view = View::new(None, true, begin, WALL);
        view.take(look(Ok(status(0))), begin, WALL);
        view.take(look(Ok(status(25))), begin + Duration::from_secs(1), WALL + 1000);
        Self { view, terminal: Terminal::new(TestBackend::new(width, height)).unwrap(), begin }
    }

    /// What stands on the screen.
    fn screen(&mut self) -> Vec<String> {
        self.terminal.draw(|frame| draw(frame, &mut self.view)).unwrap();
        let buffer = self.terminal.backend().buffer();
        let width = usize::from(buffer.area.width);
        let line =
            |cells: &[ratatui::buffer::Cell]| cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        buffer.content.chunks(width).map(line).map(|line: String| line.trim_end().to_owned()).collect()
    }

    fn press(&mut self, code: KeyCode) -> Flow {
        self.screen();
        self.view.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn type_text(&mut self, text: &str) {
        for c in text.chars() {
            self.press(KeyCode::Char(c));
        }
    }

    /// The names in the table, in their order.
    fn names(&mut self) -> Vec<String> {
        let rows = self.view.rows();
        rows.iter().map(|row| row.partition.partition.to_string()).collect()
    }
}

#[test]
fn what_needs_care_stands_first_with_why_and_what_comes_next() {
    assert_eq!(
        Watched::new(150, 9).screen(),
        [
            "billing  running  zookeeper acquired, 2 members, generation 3, pid 4711, up 1 min 1 s",
            "12 partitions: 1 hanging, 1 crash_loop, 1 parked, 1 paused, 8 ready; lag 1,355, 200 messages a second",
            "PARTITION  STATE       RATE/S      LAG   BEHIND     IN FLIGHT  RESTARTS  LAST EXIT, OR WHY AND WHAT NEXT",
            "orders:7   hanging          0       30        -   10 for 12 s         0  its handler has said nothing for 12 s: handler_timeout in 18 s",
            "orders:3   crash_loop       0    1,300    2 min             0         7  handler exited with status 1; its worker starts in 9.0 s",
            "orders:5   parked           0       20        -             0         0",
            "orders:9   paused           0        5        -             0         0",
            "orders:0   ready           25        0        -             0         0",
            "q quit  ? help  Enter detail  / filter  c care  s sort  r reverse  e events",
        ]
    );
}

#[test]
fn a_narrow_terminal_has_what_is_needed_most_and_a_tiny_one_does_not_break_it() {
    assert_eq!(
        Watched::new(60, 6).screen(),
        [
            "billing  running  zookeeper acquired, 2 members, generation…",
            "12 partitions: 1 hanging, 1 crash_loop, 1 parked, 1 paused,…",
            "PARTITION  STATE           LAG  LAST EXIT, OR WHY AND WHAT …",
            "orders:7   hanging          30  its handler has said nothin…",
            "orders:3   crash_loop    1,300  handler exited with status …",
            "q quit  ? help  Enter detail  / filter  c care  s sort  r r…",
        ]
    );
    for (width, height) in [(1, 1), (2, 2), (7, 3), (20, 1), (1, 40)] {
        let mut watched = Watched::new(width, height);
        watched.screen();
        for key in ['?', 'e', 'G', '/', 'x'] {
            watched.type_text(&key.to_string());
            watched.screen();
        }
    }
}

#[test]
fn keys_sort_reverse_filter_and_leave_only_what_needs_care() {
    let mut watched = Watched::new(100, 20);
    watched.type_text("c");
    assert_eq!(watched.names(), ["7", "3", "5", "9"]);
    watched.type_text("s");
    assert_eq!(watched.names(), ["3", "7", "5", "9"], "by lag");
    watched.type_text("r");
    assert_eq!(watched.names(), ["9", "5", "7", "3"]);
    let foot = watched.screen().pop().unwrap();
    assert!(foot.starts_with("only what needs care  by lag, reversed  q quit"), "{foot}");
    watched.type_text("cr/orders:1");
    assert_eq!(watched.names(), ["1"], "and not orders:10");
    assert!(watched.screen().pop().unwrap().starts_with("/orders:1"));
    watched.type_text("1");
    assert_eq!(watched.names(), ["11"]);
    watched.press(KeyCode::Esc);
    watched.type_text("/EXITED crash");
    watched.press(KeyCode::Enter);
    assert_eq!(watched.names(), ["3"]);
    assert!(watched.screen().pop().unwrap().starts_with("1 like /EXITED crash  by lag  "));
    assert_eq!(watched.press(KeyCode::Esc), Flow::Goes, "the filter first");
    assert_eq!((watched.names().len(), watched.press(KeyCode::Esc)), (12, Flow::Ends));
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    watched.type_text("/");
    assert_eq!(watched.view.key(control_c), Flow::Ends, "whatever is typed");
}

#[test]
fn the_chosen_row_stays_chosen_wherever_it_moves_and_stays_in_sight() {
    let mut watched = Watched::new(100, 8);
    let chosen = |watched: &mut Watched| {
        watched.screen();
        let rows = watched.view.rows();
        let (at, top, fit) = (watched.view.place(), watched.view.top, watched.view.fit);
        assert!((top..top + fit).contains(&at), "{at} in {top} and {fit} more");
        rows[at].partition.partition
    };
    assert_eq!(chosen(&mut watched), 7);
    watched.press(KeyCode::Down);
    assert_eq!(chosen(&mut watched), 3);
    watched.type_text("r");
    assert_eq!(chosen(&mut watched), 3, "which is the last but one now");
    watched.press(KeyCode::End);
    assert_eq!(chosen(&mut watched), 7);
    watched.press(KeyCode::PageUp);
    assert_eq!(chosen(&mut watched), 9);
    watched.press(KeyCode::Home);
    watched.type_text("k");
    assert_eq!(chosen(&mut watched), 11);
    let mut fewer = status(30);
    fewer.partitions.truncate(6);
    watched.view.take(look(Ok(fewer)), watched.begin + Duration::from_secs(2), WALL);
    assert_eq!(chosen(&mut watched), 4, "the first, where it is gone");
}

#[test]
fn a_partition_is_opened_and_left() {
    let mut watched = Watched::new(100, 12);
    watched.press(KeyCode::Down);
    watched.press(KeyCode::Enter);
    let wanted = watched.view.wanted().partition.unwrap();
    assert_eq!(wanted.to_string(), "orders:3");
    assert!(watched.screen().contains(&"asking…".to_owned()));
    let detail = Detail { partition: status(0).partitions[3].clone(), ..Detail::default() };
    let other = ("orders:4".parse().unwrap(), Ok(Detail::default()));
    let late = Look { status: Ok(status(26)), detail: Some(other), events: Vec::new() };
    watched.view.take(late, watched.begin, WALL);
    assert!(watched.screen().contains(&"asking…".to_owned()), "an answer about another one is none");
    let answer = Look { status: Ok(status(26)), detail: Some((wanted, Ok(detail))), events: Vec::new() };
    watched.view.take(answer, watched.begin, WALL);
    let screen = watched.screen().join("\n");
    assert!(
        screen.contains("partition  orders:3\n       state  crash_loop\n        next  its worker starts"),
        "{screen}"
    );
    let before = watched.view.top;
    watched.press(KeyCode::PageDown);
    assert!(watched.view.top > before, "it scrolls");
    assert_eq!(watched.press(KeyCode::Esc), Flow::Goes);
    assert_eq!((watched.view.page, watched.view.wanted().partition), (Page::Table, None));
}

#[test]
fn events_are_shown_newest_last() {
    let mut watched = Watched::new(60, 8);
    watched.type_text("e");
    assert!(watched.view.wanted().events);
    let event = |number: usize| -> Event {
        let text = format!(r#"{{"time":"t{number}","event":"ready","topic":"orders","partition":{number}}}"#);
        serde_json::from_str(&text).unwrap()
    };
    let take = |watched: &mut Watched, count| {
        let look = Look { status: Ok(status(26)), detail: None, events: (0..count).map(event).collect() };
        watched.view.take(look, watched.begin, WALL);
        watched.screen()
    };
    assert_eq!(take(&mut watched, 30)[6], "t29 orders:29 ready");
    assert_eq!(take(&mut watched, 31)[6], "t30 orders:30 ready");
    watched.press(KeyCode::Up);
    assert_eq!(take(&mut watched, 32)[6], "t29 orders:29 ready", "who reads further up is not moved");
    watched.type_text("G");
    assert_eq!(watched.screen()[6], "t31 orders:31 ready");
}

#[test]
fn a_supervisor_that_goes_away_and_comes_back_is_said() {
    let mut watched = Watched::new(100, 8);
    let at = |seconds| Duration::from_millis(seconds);
    assert!(!watched.view.tick(watched.begin + at(2_000)));
    assert!(watched.view.tick(watched.begin + at(4_500)), "it hangs");
    assert_eq!(
        watched.screen()[0],
        "no answer since 12:00:01 UTC, what is shown is from then: it says nothing"
    );
    assert!(!watched.view.tick(watched.begin + at(5_000)), "said once, drawn once");
    let gone =
        Look { status: Err("connection refused\u{1b}[2J".to_owned()), detail: None, events: Vec::new() };
    watched.view.take(gone, watched.begin + at(6_000), WALL);
    assert!(watched.screen()[0].contains("connection refused"));
    assert!(watched.screen()[3].starts_with("orders:7"), "what was known last stays");
    let back = Status { pid: 4712, ..status(1) };
    watched.view.take(look(Ok(back)), watched.begin + at(7_000), WALL + 7_000);
    assert!(watched.screen()[0].contains("pid 4712"));
}

#[test]
fn without_colour_there_is_none() {
    for colour in [true, false] {
        let mut watched = Watched::new(100, 12);
        watched.view.colour = colour;
        watched.screen();
        let cells = &watched.terminal.backend().buffer().content;
        let painted = cells.iter().any(|cell| cell.fg != ratatui::style::Color::Reset);
        assert_eq!(painted, colour);
    }
}

#[test]
fn many_troubles_leave_room_for_the_table() {
    let mut watched = Watched::new(80, 12);
    let mut troubled = status(30);
    troubled.troubles = (0..20).map(|number| format!("trouble number {number}")).collect();
    watched.view.take(look(Ok(troubled)), watched.begin + Duration::from_secs(2), WALL);
    let screen = watched.screen();
    assert_eq!(screen[1], "trouble: trouble number 0");
    assert!(screen[3].starts_with("12 partitions: ") && screen[4].starts_with("PARTITION"), "{screen:#?}");
}
