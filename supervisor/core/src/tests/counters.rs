//! What is counted of a partition only grows, whatever becomes of its page.

use kafkavisor::ids::Offset;

use super::fixture::*;
use crate::Event;
use crate::start::{Decision, Why};

#[test]
fn what_a_page_of_a_lost_tenure_holds_is_counted_once_while_it_is_looked_where_to_go_on() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.page(0, progress(20, 20));
    fixture.event(Event::Lost { partition: orders(0) });
    fixture.exits(0, None, KILLED, progress(20, 20));
    let request = fixture.assign(0);
    assert_eq!(fixture.totals(20), 20, "the page is there, and nobody knows yet whether it holds");
    fixture.find(0, request, Decision::At { offset: Offset(20), why: Why::Committed { by_us: false } });
    assert_eq!(fixture.totals(0), 20, "made anew");
}

#[test]
fn what_was_acknowledged_of_a_topic_that_was_made_again_is_counted() {
    let mut fixture = Fixture::new();
    fixture.ready(0);
    fixture.page(0, progress(10, 12));
    fixture.event(Event::TopicMadeAgain { partition: orders(0) });
    let request = request_of(&fixture.drained(0, progress(12, 12))).unwrap();
    assert_eq!(fixture.totals(12), 12);
    fixture.find(0, request, Decision::At { offset: Offset(0), why: Why::AppearedLater });
    assert_eq!(fixture.totals(0), 12);
}
