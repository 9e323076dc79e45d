//! Every scenario, and every mark in the code.

use std::collections::BTreeSet;

use kafkavisor_simulation::{Detail, Performance, Scenario, UNREACHED, marks, scenarios};

fn performances() -> Vec<(&'static Scenario, Performance)> {
    scenarios().map(|scenario| (scenario, scenario.perform(Detail::Last(60)))).collect()
}

#[test]
fn every_scenario_holds_and_reaches_its_marks() {
    let mut wrong = Vec::new();
    for (scenario, performance) in performances() {
        let missed = scenario.missed(&performance);
        if let Some(violation) = &performance.violation {
            let trace = performance.trace.join("\n");
            wrong.push(format!("{trace}\nscenario {}: {violation}", scenario.name));
        } else if !missed.is_empty() && kafkavisor_marks::THERE {
            wrong.push(format!("scenario {}: it does not reach {}", scenario.name, missed.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "{}\n{} scenarios do not hold", wrong.join("\n\n"), wrong.len());
}

#[test]
fn a_scenario_has_one_name_and_marks_that_are_there() {
    let known: BTreeSet<_> = marks().unwrap().into_iter().map(|mark| mark.name).collect();
    let mut names = BTreeSet::new();
    for scenario in scenarios() {
        assert!(names.insert(scenario.name), "two scenarios are called {}", scenario.name);
        assert!(!scenario.marks.is_empty(), "{} must reach nothing", scenario.name);
        for mark in scenario.marks {
            assert!(known.contains(*mark), "{} must reach {mark}, which is nowhere", scenario.name);
        }
    }
}

/// Both ways: a mark that nothing reaches is in the list, and one in the list is reached by nothing.
#[test]
fn every_mark_is_reached_or_said_not_to_be() {
    let all = marks().unwrap();
    let names: BTreeSet<_> = all.iter().map(|mark| mark.name.as_str()).collect();
    assert_eq!(names.len(), all.len(), "a mark stands in two places");
    if !kafkavisor_marks::THERE {
        return;
    }
    let reached: BTreeSet<_> = performances().into_iter().flat_map(|(_, how)| how.reached).collect();
    let unreached: Vec<_> = names.difference(&reached).copied().collect();
    let mut listed: Vec<_> = UNREACHED.iter().map(|(mark, _)| *mark).collect();
    listed.sort_unstable();
    assert_eq!(unreached, listed, "left: what no scenario reaches; right: what is said not to be reached");
}
