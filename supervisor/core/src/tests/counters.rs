//! What is counted of a partition only grows, whatever becomes of its page.

use kafkavisor::ids::Offset;
use kafkavisor_group::start::{Decision, Why};

use super::fixture::*;
use crate::Event;

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

#[test]
fn a_rebalance_lasts_from_the_first_partition_until_the_group_has_settled() {
    let mut fixture = Fixture::new();
    let rebalances = |fixture: &Fixture| {
        let rebalances = fixture.core.rebalances();
        (rebalances.counts.iter().sum::<u64>(), rebalances.sum_micros)
    };
    fixture.event(Event::Settled);
    assert_eq!(rebalances(&fixture), (0, 0), "nothing has changed");
    fixture.assign(0);
    fixture.pass(SECOND);
    fixture.assign(1);
    fixture.pass(2 * SECOND);
    assert_eq!(rebalances(&fixture), (0, 0), "it is not over");
    fixture.event(Event::Settled);
    fixture.event(Event::Settled);
    assert_eq!(rebalances(&fixture), (1, 3_000_000));
    fixture.event(Event::Lost { partition: orders(1) });
    fixture.event(Event::Settled);
    assert_eq!(rebalances(&fixture), (2, 3_000_000));
}

#[test]
fn those_that_have_left_are_known_until_they_come_back() {
    let mut fixture = Fixture::new();
    let left = |fixture: &Fixture| {
        fixture.core.left().map(|record| record.history.totals(None).messages).collect::<Vec<_>>()
    };
    for number in [0, 1, 2] {
        fixture.ready(number);
    }
    fixture.page(1, progress(7, 7));
    assert_eq!(left(&fixture), [0; 0]);
    fixture.event(Event::Lost { partition: orders(1) });
    fixture.exits(1, None, KILLED, progress(7, 7));
    assert_eq!(left(&fixture), [7]);
    fixture.event(Event::Lost { partition: orders(2) });
    fixture.exits(2, None, KILLED, progress(0, 0));
    assert_eq!(left(&fixture), [7, 0]);
    fixture.assign(1);
    assert_eq!(left(&fixture), [0]);
}
