//! Where the servers and programs of the tests are. What is missing is an error: no test is ever skipped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use kafkavisor::clock;

/// What `script/cluster env` and `script/test` set.
fn variable(name: &str, how: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: these tests need real servers; run {how}"))
}

/// Brokers of the shared Kafka 3.9, `HOST:PORT,...`.
pub fn brokers() -> String {
    variable("KAFKAVISOR_TEST_BROKERS", "script/cluster up && eval \"$(script/cluster env)\"")
}

/// The shared ZooKeeper, `HOST:PORT,...`.
pub fn zookeeper() -> String {
    variable("KAFKAVISOR_TEST_ZOOKEEPER", "script/cluster up && eval \"$(script/cluster env)\"")
}

/// Brokers of the shared Kafka 4.3, which has no ZooKeeper.
pub fn kraft_brokers() -> String {
    variable(
        "KAFKAVISOR_TEST_KRAFT_BROKERS",
        "script/cluster up --kraft && eval \"$(script/cluster env --kraft)\"",
    )
}

/// What the shared secure Kafka says under `KAFKAVISOR_TEST_SECURE_` and this name: `script/cluster --help` lists them.
pub fn secure(name: &str) -> String {
    variable(
        &format!("KAFKAVISOR_TEST_SECURE_{name}"),
        "script/cluster up --secure && eval \"$(script/cluster env --secure)\"",
    )
}

/// A certificate or key of the secure Kafka's.
pub fn certificate(file: &str) -> PathBuf {
    Path::new(&secure("CERTIFICATES")).join(file)
}

/// A Python that has kazoo.
pub fn python() -> String {
    variable("KAFKAVISOR_TEST_PYTHON", "export KAFKAVISOR_TEST_PYTHON=$(script/python-env)")
}

/// A Python that has the schemas of Kubernetes and PaaSTA.
pub fn manifests_python() -> PathBuf {
    let output = Command::new(project().join("script/python-env")).arg("manifests").output();
    let output = output.expect("script/python-env runs");
    assert!(
        output.status.success(),
        "script/python-env manifests: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("a path").trim_end().into()
}

/// The project's root.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the project")
}

/// A text that no other test, process or run uses: for topics, groups and folders.
pub fn unique(what: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static RUN: OnceLock<String> = OnceLock::new();
    let run = RUN.get_or_init(|| format!("{}-{}", clock::wall_millis() % 1_000_000_000, std::process::id()));
    format!("{what}-{run}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// `kafkavisor`, built from the present sources with its worker beside it.
pub fn kafkavisor() -> PathBuf {
    built().join("kafkavisor")
}

/// The handler that records.
pub fn recorder() -> PathBuf {
    built().join("kafkavisor-test-recorder")
}

/// The Rust example for handler authors.
pub fn example_handler() -> PathBuf {
    built().join("examples/handler")
}

/// The folder of the profile that this test was built with. `cargo test` alone does not build the programs of other
/// packages, and an old one left over would be tested without anybody noticing: so they are built here, once a process.
fn built() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let test = std::env::current_exe().expect("the test knows its own path");
        let folder = test.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST").to_owned();
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") => "dev",
            Some(profile) => profile,
            None => panic!("no profile in {}", folder.display()),
        };
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let output = Command::new(cargo)
            .args([
                "build",
                "--quiet",
                "--locked",
                "--workspace",
                "--bins",
                "--examples",
                "--profile",
                profile,
            ])
            .arg("--target-dir")
            .arg(folder.parent().expect("target/PROFILE"))
            .current_dir(project())
            .output()
            .expect("cargo runs");
        assert!(
            output.status.success(),
            "the programs under test don't build:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        folder
    })
}
