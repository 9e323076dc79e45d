//! `kafkavisor-simulate`.
fn main() {
    let seed = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    let outcome = kafkavisor_simulation::run(seed, kafkavisor_simulation::Detail::All);
    for line in &outcome.trace { println!("{line}"); }
    println!("{:?}", outcome.violation);
}
