//! The manual: whole, and without fault for those programs that people read it with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kafkavisor_tests::environment::kafkavisor;

fn written() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(kafkavisor()).args(["man", "--dir"]).arg(folder.path()).status().unwrap();
    assert!(status.success());
    folder
}

fn pages(folder: &Path) -> Vec<PathBuf> {
    let files = |section: &str| fs::read_dir(folder.join(section)).unwrap().map(|file| file.unwrap().path());
    files("man1").chain(files("man5")).collect()
}

#[test]
fn no_page_has_a_fault() {
    let folder = written();
    let pages = pages(folder.path());
    assert!(pages.len() > 25, "{pages:?}");
    // -z: nothing is printed but what is wrong.
    let output = Command::new("groff").args(["-man", "-Tutf8", "-ww", "-z"]).args(&pages).output();
    let output = output.expect("groff is there: script/test installs it");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

#[test]
fn man_finds_the_page_of_each_command_and_of_the_configuration() {
    let folder = written();
    let read = |words: &[&str]| {
        let mut man = Command::new("man");
        man.args(["-P", "cat", "-M"]).arg(folder.path()).args(words).env("MANWIDTH", "80");
        let output = man.output().expect("man is there: script/test installs it");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let page = read(&["kafkavisor-offsets-set"]);
    for part in [
        "kafkavisor offsets set [OPTIONS]",
        "--dry-run",
        "EXIT STATUS",
        "orders:0=1200",
        "kafkavisor-offsets(1)",
    ] {
        assert!(page.contains(part), "{part}:\n{page}");
    }
    let page = read(&["5", "kafkavisor.yaml"]);
    assert!(page.contains("max_per_minute: 60") && page.contains("zookeeper_tls: {"), "{page}");
}
