//! What the program says of itself.

use std::process::Command;

use kafkavisor_tests::environment::kafkavisor;

#[test]
fn its_version_names_the_libraries_that_speak_with_kafka() {
    let said = |flag: &str| {
        let output = Command::new(kafkavisor()).arg(flag).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let long = said("--version");
    let lines: Vec<&str> = long.lines().collect();
    assert_eq!(lines[0], format!("kafkavisor {}", env!("CARGO_PKG_VERSION")));
    let number = |line: &str, name: &str| {
        let rest = line.strip_prefix(name).unwrap_or_else(|| panic!("{long}"));
        assert!(rest.trim_start().starts_with(|c: char| c.is_ascii_digit()), "{long}");
    };
    number(lines[1], "librdkafka ");
    number(lines[2], "OpenSSL ");
    assert_eq!(lines.len(), 3, "{long}");
    assert_eq!(said("-V"), format!("kafkavisor {}\n", env!("CARGO_PKG_VERSION")));
}
