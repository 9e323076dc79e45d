//! The configuration file and the flags. What is accepted is shown by `check` in a form that loads again as the same; what is
//! refused is refused with errors that can be read.

use kafkavisor::config::{Config, Draft, Errors, Finding, Flags, Source};

fn refused(errors: &Errors) {
    let text = errors.to_string();
    assert!(!text.is_empty());
    for line in text.lines() {
        assert!(line.len() < 4000, "an error of {} bytes: {}...", line.len(), &text[..100.min(text.len())]);
    }
}

/// What `check` prints loads again, as the same.
fn accepted(config: &Config) {
    let shown = config.to_yaml();
    let source = Source { name: "shown".to_owned(), text: shown.clone() };
    let again = Config::load(Some(&source), &Flags::default())
        .unwrap_or_else(|errors| panic!("what is shown does not load: {errors}\n{shown}"));
    assert_eq!(again.to_yaml(), shown);
    assert_eq!(again.to_json(), config.to_json());
    // All but the secrets, which are masked.
    let without = |config: &Config| {
        let mut config = Config { kafka: kafkavisor::config::KafkaProperties::default(), ..config.clone() };
        if let Some(auth) = &mut config.cluster.zookeeper_auth {
            auth.password = kafkavisor::config::Secret::text("");
        }
        config
    };
    assert_eq!(without(&again), without(config), "{shown}");
    let names = |config: &Config| config.kafka.names().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(names(&again), names(config));
}

/// A file of any bytes.
pub(super) fn file(data: &[u8]) {
    let source = match Source::from_bytes("k.yaml", data.to_vec()) {
        Ok(source) => source,
        Err(errors) => return refused(&errors),
    };
    let draft = Draft::of(Some(&source), &Flags::default());
    let comments = draft.consumer.to_yaml();
    assert!(comments.lines().all(|line| line.starts_with('#')), "no comment:\n{comments}");
    assert!(draft.consumer.warnings().iter().all(|warning| !warning.contains('\n')));
    match draft.finish() {
        Ok(config) => {
            accepted(&config);
            let again = Source { name: "shown".to_owned(), text: format!("{comments}{}", config.to_yaml()) };
            assert_eq!(
                Config::load(Some(&again), &Flags::default()).map(|config| config.to_json()),
                Ok(config.to_json())
            );
            assert!(Finding::load(&source, |_| {}).is_ok(), "a part of what is right is right");
        }
        Err(errors) => {
            refused(&errors);
            let _ = Finding::load(&source, |_| {}).inspect_err(refused);
        }
    }
}

/// A command line, a flag or a word on each line.
pub(super) fn flags(data: &[u8]) {
    // No argument of a process can hold one.
    let text = String::from_utf8_lossy(data).replace('\0', "");
    let mut flags = Flags::default();
    for line in text.lines() {
        let value = || line.get(3..).unwrap_or_default().to_owned();
        match line.get(..3) {
            Some("-b ") => flags.brokers = Some(value()),
            Some("-z ") => flags.zookeeper = Some(value()),
            Some("-g ") => flags.group = Some(value()),
            Some("-t ") => flags.topics.push(value()),
            Some("-p ") => flags.partitions.push(value()),
            Some("-P ") => flags.protocol = Some(value()),
            Some("-f ") => flags.reset = Some(value()),
            Some("-n ") => flags.name = Some(value()),
            Some("-h ") => flags.http = Some(value()),
            _ => flags.command.push(line.to_owned()),
        }
    }
    match Config::load(None, &flags) {
        Ok(config) => accepted(&config),
        Err(errors) => {
            assert!(errors.only_flags(), "there is no file: {errors}");
            refused(&errors);
        }
    }
}
