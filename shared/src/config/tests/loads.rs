use super::super::*;

pub(super) fn source(text: &str) -> Source {
    Source { name: "k.yaml".to_owned(), text: text.to_owned() }
}

#[test]
fn the_example_loads() {
    let config =
        Config::load(Some(&source(include_str!("../../../../config/kafkavisor.yaml"))), &Flags::default())
            .unwrap();
    println!("{}", config.to_yaml());
    let again = Config::load(Some(&source(&config.to_yaml())), &Flags::default()).unwrap();
    assert_eq!(config, again);
}
